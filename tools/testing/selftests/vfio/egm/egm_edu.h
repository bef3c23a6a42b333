/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device that does DMA: QEMU's edu, through vfio-pci. It has 4 KiB of its own, at
 * 0x40000; which addresses it reaches is an option of QEMU's.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef EGM_EDU_H
#define EGM_EDU_H

#include <dirent.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <sys/ioctl.h>

#include "egm_iommufd.h"

#define EDU_PCI_DEVICES	"/sys/bus/pci/devices"
#define EDU_IDS		"0x1234:0x11e8"
#define EDU_BAR_LEN	0x100000UL
#define EDU_BUFFER	0x40000
#define EDU_DMA_LEN	4096UL

/* Registers of edu, as words. */
enum { EDU_SRC = 0x80 / 4, EDU_DST = 0x88 / 4, EDU_COUNT = 0x90 / 4, EDU_CMD = 0x98 / 4 };
enum { EDU_START = 1, EDU_TO_RAM = 2 };

/* The PCI address of the machine's edu; false if there is none. */
static inline bool edu_find(char *pci, size_t len)
{
	char path[PATH_MAX], vendor[16], device[16], ids[40];
	struct dirent *d;
	DIR *dir = opendir(EDU_PCI_DEVICES);
	bool found = false;

	while (dir && !found && (d = readdir(dir))) {
		snprintf(path, sizeof(path), EDU_PCI_DEVICES "/%.20s/vendor", d->d_name);
		egm_read_line(path, vendor, sizeof(vendor));
		snprintf(path, sizeof(path), EDU_PCI_DEVICES "/%.20s/device", d->d_name);
		egm_read_line(path, device, sizeof(device));
		snprintf(ids, sizeof(ids), "%s:%s", vendor, device);
		found = !strcmp(ids, EDU_IDS);
		if (found)
			snprintf(pci, len, "%.20s", d->d_name);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* Bind the device to vfio-pci, unless it is bound already. */
static inline bool edu_bind(const char *pci)
{
	char path[PATH_MAX];

	if (system("modprobe vfio-pci"))
		return false;
	snprintf(path, sizeof(path), EDU_PCI_DEVICES "/%s/driver_override", pci);
	egm_write(path, "vfio-pci");
	egm_write("/sys/bus/pci/drivers_probe", pci);
	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/vfio-pci/%s", pci);
	return egm_exists(path);
}

/* Enable the device for memory access and DMA; its registers, or MAP_FAILED. */
static inline uint32_t *edu_enable(int device)
{
	struct vfio_region_info bar = {
		.argsz = sizeof(bar), .index = VFIO_PCI_BAR0_REGION_INDEX,
	};

	if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &bar) ||
	    !vfio_command(device, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 0))
		return MAP_FAILED;
	return mmap(NULL, bar.size, PROT_READ | PROT_WRITE, MAP_SHARED, device, bar.offset);
}

static inline void edu_write(uint32_t *bar, int reg, uint32_t value)
{
	__atomic_store_n(&bar[reg], value, __ATOMIC_SEQ_CST);
}

/* Registers of addresses take 64 bits in one access. */
static inline void edu_write_address(uint32_t *bar, int reg, uint64_t value)
{
	__atomic_store_n((uint64_t *)&bar[reg], value, __ATOMIC_SEQ_CST);
}

static inline bool edu_busy(const uint32_t *bar)
{
	return __atomic_load_n(&bar[EDU_CMD], __ATOMIC_SEQ_CST) & EDU_START;
}

/* The device copies EDU_DMA_LEN bytes; false on a timeout. */
static inline bool edu_copy(uint32_t *bar, uint64_t src, uint64_t dst, uint32_t command)
{
	int i;

	edu_write_address(bar, EDU_SRC, src);
	edu_write_address(bar, EDU_DST, dst);
	edu_write(bar, EDU_COUNT, EDU_DMA_LEN);
	edu_write(bar, EDU_CMD, command | EDU_START);
	for (i = 0; i < 5000 && edu_busy(bar); i++)
		usleep(1000);
	return !edu_busy(bar);
}

static inline void edu_fill(char *p)
{
	size_t i;

	for (i = 0; i < EDU_DMA_LEN; i++)
		p[i] = i * 7 + 1;
}

/* Fill @from, and copy it through the device to @to; both in @p, which is at IOVA 0. */
static inline bool edu_copied(uint32_t *bar, char *p, size_t from, size_t to)
{
	edu_fill(p + from);
	return edu_copy(bar, from, EDU_BUFFER, 0) &&
	       edu_copy(bar, EDU_BUFFER, to, EDU_TO_RAM) &&
	       !memcmp(p + from, p + to, EDU_DMA_LEN);
}

#endif /* EGM_EDU_H */
