// SPDX-License-Identifier: GPL-2.0-only
/*
 * QEMU's edu device: a BAR of registers, a DMA engine with a buffer of 4 KiB, one MSI. With it
 * the VFIO selftests run on an emulated machine of any architecture.
 *
 * A memcpy is two transfers: from memory to the device's buffer, and from there to memory.
 *
 * By default the device drops the address bits above the lowest 28. IOVAs of the tests are
 * higher: start QEMU with -device edu,dma_mask=0xffffffffff.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <errno.h>

#include <linux/pci_regs.h>

#include <libvfio.h>

#include "edu.h"

/* The part of a memcpy that memcpy_wait() starts. */
struct edu {
	iova_t dst;
	u64 size;
};

static struct edu *to_edu(struct vfio_pci_device *device)
{
	return device->driver.region.vaddr;
}

static int edu_probe(struct vfio_pci_device *device)
{
	if (!vfio_pci_device_match(device, EDU_VENDOR_ID, EDU_DEVICE_ID))
		return -EINVAL;

	return 0;
}

static void edu_init(struct vfio_pci_device *device)
{
	struct vfio_pci_driver *driver = &device->driver;

	VFIO_ASSERT_GE(driver->region.size, sizeof(struct edu));

	vfio_pci_cmd_set(device, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	VFIO_ASSERT_EQ(edu_read(device->bars[0].vaddr, EDU_REG_ID) & EDU_ID_MASK, EDU_ID);

	driver->max_memcpy_size = EDU_BUFFER_SIZE;
	driver->max_memcpy_count = 1;
	driver->msi = 0;

	vfio_pci_msi_enable(device, driver->msi, 1);
}

static void edu_remove(struct vfio_pci_device *device)
{
	vfio_pci_msi_disable(device);
	vfio_pci_cmd_clear(device, PCI_COMMAND_MASTER);
}

static void edu_memcpy_start(struct vfio_pci_device *device, iova_t src, iova_t dst, u64 size,
			     u64 count)
{
	struct edu *edu = to_edu(device);

	edu->dst = dst;
	edu->size = size;
	edu_dma_start(device->bars[0].vaddr, src, EDU_BUFFER, size, 0);
}

static int edu_memcpy_wait(struct vfio_pci_device *device)
{
	void *bar = device->bars[0].vaddr;
	struct edu *edu = to_edu(device);

	if (!edu_dma_wait(bar) || !edu_dma_write(bar, edu->dst, edu->size))
		return -ETIMEDOUT;

	return 0;
}

static void edu_send_msi(struct vfio_pci_device *device)
{
	void *bar = device->bars[0].vaddr;

	edu_write(bar, EDU_REG_IRQ_RAISE, 1);
	edu_write(bar, EDU_REG_IRQ_ACK, 1);
}

const struct vfio_pci_driver_ops edu_ops = {
	.name = "edu",
	.probe = edu_probe,
	.init = edu_init,
	.remove = edu_remove,
	.memcpy_start = edu_memcpy_start,
	.memcpy_wait = edu_memcpy_wait,
	.send_msi = edu_send_msi,
};
