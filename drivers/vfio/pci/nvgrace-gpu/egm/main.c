// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvgrace-egm: Extended GPU Memory of NVIDIA Grace sockets as character devices.
 *
 *	main.c			module, auxiliary driver
 *	hibernate.c		hibernation, which the driver refuses
 *	chardev.c		the class, and the device node of each region
 *	sysfs.c			attributes and GPU links of the class device
 *	file.c			an open file of the node: ioctl, poll, lseek
 *	iommufd.c		DMA mappings of iommufd
 *	mapping.c		mmap and page faults
 *	region.c		the region object: lifetime and revocation
 *	memory_failure.c	pages that mm reports as poisoned
 *	handover.c		the list of poisoned pages for the kernel after a kexec
 *	owner.c			the owner of each block
 *	scrub.c			zeroing of blocks
 *	retired_table.c		firmware's table of retired pages
 *	retired.c		the list of retired pages
 *	trace.c			trace events
 *
 * Each file calls only files that stand below it in this list. The design is described in
 * Documentation/driver-api/vfio-nvgrace-egm.rst.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include "egm.h"

#include <linux/auxiliary_bus.h>
#include <linux/crash_dump.h>
#include <linux/module.h>
#include <linux/nvgrace-egm.h>

static int egm_probe(struct auxiliary_device *adev,
		     const struct auxiliary_device_id *id)
{
	struct nvgrace_egm_info *info = dev_get_platdata(&adev->dev);
	struct egm_chardev *chardev;

	/* A kdump kernel must not zero EGM: the dump may need the content. */
	if (is_kdump_kernel())
		return -ENODEV;

	struct egm_region *region __free(egm_region_put) =
		egm_region_create(&adev->dev, info);
	if (IS_ERR(region))
		return PTR_ERR(region);

	chardev = egm_chardev_create(&adev->dev, region, info);
	if (IS_ERR(chardev))
		return PTR_ERR(chardev);

	auxiliary_set_drvdata(adev, chardev);
	egm_scrub_ahead(&region->scrub);
	/* The chardev holds the reference. */
	retain_and_null_ptr(region);
	return 0;
}

static void egm_remove(struct auxiliary_device *adev)
{
	egm_chardev_destroy(auxiliary_get_drvdata(adev));
}

static void egm_gpu_bound(struct auxiliary_device *adev, struct device *gpu)
{
	egm_chardev_add_gpu(auxiliary_get_drvdata(adev), gpu);
}

static void egm_gpu_unbound(struct auxiliary_device *adev, struct device *gpu)
{
	egm_chardev_remove_gpu(auxiliary_get_drvdata(adev), gpu);
}

static const struct auxiliary_device_id egm_id_table[] = {
	{ .name = NVGRACE_EGM_MODNAME "." NVGRACE_EGM_DEVNAME },
	{ }
};
MODULE_DEVICE_TABLE(auxiliary, egm_id_table);

static struct nvgrace_egm_driver egm_driver = {
	.adrv = {
		.probe = egm_probe,
		.remove = egm_remove,
		.id_table = egm_id_table,
	},
	.gpu_bound = egm_gpu_bound,
	.gpu_unbound = egm_gpu_unbound,
};

static int __init egm_init(void)
{
	int ret;

	ret = egm_scrub_module_init();
	if (ret)
		return ret;

	ret = egm_region_init();
	if (ret)
		goto err_scrub;

	ret = egm_chardev_init();
	if (ret)
		goto err_region;

	ret = egm_hibernate_init();
	if (ret)
		goto err_chardev;

	ret = auxiliary_driver_register(&egm_driver.adrv);
	if (ret)
		goto err_hibernate;
	return 0;

err_hibernate:
	egm_hibernate_exit();
err_chardev:
	egm_chardev_exit();
err_region:
	egm_region_exit();
err_scrub:
	egm_scrub_module_exit();
	return ret;
}
module_init(egm_init);

static void __exit egm_exit(void)
{
	auxiliary_driver_unregister(&egm_driver.adrv);
	egm_hibernate_exit();
	egm_chardev_exit();
	egm_region_exit();
	egm_scrub_module_exit();
}
module_exit(egm_exit);

MODULE_DESCRIPTION("Extended GPU Memory of NVIDIA Grace as guest memory");
MODULE_AUTHOR("The nvgrace-egm authors");
MODULE_LICENSE("GPL");
