// SPDX-License-Identifier: GPL-2.0-only
/*
 * The EGM region of a socket as a region of a GPU's vfio device, beside its device
 * node: the same memory by the same rules.
 *
 * The device has a file of the region, which owns what is mapped here, as a program's
 * file of the device node would. It is made when it is first needed, so that a device
 * whose user does not care for EGM keeps no region and no module, and let go of when
 * the device is closed.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include "vfio_region.h"

#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/nvgrace-egm.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "socket.h"

/**
 * struct egm_vfio_region - a region of an open vfio device
 * @info: the EGM region; the GPU counts at its socket for as long as it is open
 * @file: owns what is in use; NULL until the first use, constant after that. Guarded
 *	  by the lock of @info until then
 * @ops: what @file was made by
 */
struct egm_vfio_region {
	struct nvgrace_egm_info *info;
	struct file *file;
	const struct nvgrace_egm_ops *ops;
};

/* See to it that there is a file. */
static int egm_vfio_region_use(struct egm_vfio_region *egm)
{
	struct nvgrace_egm_info *info = egm->info;
	struct file *file;

	guard(mutex)(&info->lock);
	if (egm->file)
		return 0;
	if (!info->ops)
		return -ENODEV;
	file = info->ops->open(info->region);
	if (IS_ERR(file))
		return PTR_ERR(file);
	egm->ops = info->ops;
	egm->file = file;
	return 0;
}

/* There is no way to memory but to map it. */
static ssize_t egm_vfio_region_rw(struct vfio_pci_core_device *vdev, char __user *buf,
				  size_t count, loff_t *ppos, bool iswrite)
{
	return -EINVAL;
}

static int egm_vfio_region_mmap(struct vfio_pci_core_device *vdev,
				struct vfio_pci_region *region,
				struct vm_area_struct *vma)
{
	struct egm_vfio_region *egm = region->data;
	int ret;

	ret = egm_vfio_region_use(egm);
	if (ret)
		return ret;
	return egm->ops->mmap(egm->file, vma,
			      vma->vm_pgoff & (VFIO_PCI_OFFSET_MASK >> PAGE_SHIFT));
}

/*
 * Export memory: it is owned and zero before anyone can import it, all of it, as no
 * fault will come. What is exported stays owned when the dma-buf is gone.
 */
static int egm_vfio_region_get_dmabuf_phys(struct vfio_pci_core_device *vdev,
					   struct vfio_pci_region *region,
					   struct phys_vec *phys_vec,
					   struct vfio_region_dma_range *dma_ranges,
					   size_t nr_ranges)
{
	struct egm_vfio_region *egm = region->data;
	size_t i;
	int ret;

	ret = vfio_pci_core_fill_phys_vec(phys_vec, dma_ranges, nr_ranges,
					  egm->info->base, egm->info->size);
	if (ret)
		return ret;

	ret = egm_vfio_region_use(egm);
	for (i = 0; i < nr_ranges && !ret; i++)
		ret = egm->ops->claim(egm->file, dma_ranges[i].offset,
				      dma_ranges[i].length);
	return ret;
}

/*
 * Too early for the file: the GPU is reset after this, if it can be, and until then it may
 * reach the memory by its own fabric. nvgrace_egm_close_device() does it.
 */
static void egm_vfio_region_release(struct vfio_pci_core_device *vdev,
				    struct vfio_pci_region *region)
{
}

static const struct vfio_pci_regops egm_vfio_regops = {
	.rw = egm_vfio_region_rw,
	.release = egm_vfio_region_release,
	.mmap = egm_vfio_region_mmap,
	.get_dmabuf_phys = egm_vfio_region_get_dmabuf_phys,
};

/**
 * nvgrace_egm_open_device - give a vfio device its EGM region, if it is to have one
 * @vdev: a GPU, enabled
 *
 * Trouble is logged and never fails the caller.
 *
 * Context: may sleep, in &vfio_device_ops.open_device.
 */
void nvgrace_egm_open_device(struct vfio_pci_core_device *vdev)
{
	struct nvgrace_egm_info *info = nvgrace_egm_region_of(vdev->pdev);
	struct egm_vfio_region *egm;

	if (!info)
		return;
	if (info->size > VFIO_PCI_OFFSET_MASK + 1) {
		pci_warn(vdev->pdev, "EGM of %#llx bytes is more than a vfio region can have: the device is opened without it, use the device node\n",
			 info->size);
		return;
	}
	egm = kzalloc_obj(*egm, GFP_KERNEL_ACCOUNT);
	if (!egm)
		goto err_log;
	egm->info = info;
	if (vfio_pci_core_register_dev_region(vdev,
					      PCI_VENDOR_ID_NVIDIA |
					      VFIO_REGION_TYPE_PCI_VENDOR_TYPE,
					      VFIO_REGION_SUBTYPE_NVIDIA_EGM,
					      &egm_vfio_regops, info->size,
					      VFIO_REGION_INFO_FLAG_MMAP, egm))
		goto err_free;
	return;

err_free:
	kfree(egm);
err_log:
	pci_warn(vdev->pdev, "out of memory: the device is opened without its EGM region\n");
}

static struct egm_vfio_region *egm_vfio_region_find(struct vfio_pci_core_device *vdev)
{
	int i;

	for (i = 0; i < vdev->num_regions; i++)
		if (vdev->region[i].ops == &egm_vfio_regops)
			return vdev->region[i].data;
	return NULL;
}

/**
 * nvgrace_egm_close_device - close a vfio device, and then let go of its EGM region
 * @core_vdev: a GPU
 *
 * After the core's close dma-bufs are revoked and the GPU is reset, if vfio can reset it
 * (not while another holds its lock). Who still has some of it mapped has the file by the
 * mapping.
 *
 * Context: may sleep, as &vfio_device_ops.close_device.
 */
void nvgrace_egm_close_device(struct vfio_device *core_vdev)
{
	struct vfio_pci_core_device *vdev =
		container_of(core_vdev, struct vfio_pci_core_device, vdev);
	struct egm_vfio_region *egm = egm_vfio_region_find(vdev);

	vfio_pci_core_close_device(core_vdev);
	if (!egm)
		return;
	if (egm->file)
		fput(egm->file);
	kfree(egm);
}
