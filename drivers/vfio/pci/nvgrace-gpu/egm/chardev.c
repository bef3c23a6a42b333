// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/egm<pxm>: the class and the device node.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include "egm.h"

#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/idr.h>
#include <linux/kobject.h>
#include <linux/module.h>
#include <linux/nvgrace-egm.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

/*
 * Counts devices, not sockets: a device keeps its minor until its last reference
 * is dropped, which may be long after the region was unbound and bound again. 16
 * sockets can be told apart by firmware's 4-bit number, and each has a minor of its
 * own; this allows each of them 15 former devices that somebody still holds.
 */
enum {
	EGM_MAX_DEVICES = 256,
};

static_assert(EGM_MAX_DEVICES <= 1U << MINORBITS);

static dev_t egm_devt;
static DEFINE_IDA(egm_minors);

/* Not in the module: its kobject can be released after the module is gone. */
static struct class *egm_class;

static void egm_chardev_release(struct device *dev)
{
	struct egm_chardev *chardev = container_of(dev, struct egm_chardev, dev);
	unsigned int minor = MINOR(dev->devt) - MINOR(egm_devt);

	mutex_destroy(&chardev->lock);
	kfree(chardev);
	ida_free(&egm_minors, minor);
	/* Either module exit sees the minor free, or it is seen waiting for that. */
	smp_mb();
	wake_up_var(&egm_minors);
}

/*
 * A node that mknod made must not lead to another socket's region when regions are
 * bound again in another order. What a former device still has is not free for anyone.
 */
static int egm_chardev_alloc_minor(unsigned int pxm)
{
	unsigned int own = pxm - NVGRACE_EGM_PXM_FIRST;
	int minor = ida_alloc_range(&egm_minors, own, own, GFP_KERNEL);

	if (minor != -ENOSPC)
		return minor;
	return ida_alloc_range(&egm_minors, NVGRACE_EGM_MAX_SOCKETS, EGM_MAX_DEVICES - 1, GFP_KERNEL);
}

/* No open() gets at the region any more, and no file can use it. */
static void egm_chardev_detach(struct egm_chardev *chardev)
{
	struct egm_region *region = chardev->region;

	/* The node is gone, but an open() may have found the cdev before. */
	scoped_guard(mutex, &chardev->lock)
		chardev->region = NULL;
	egm_memory_failure_set_attribute(region, NULL);
	egm_region_revoke(region);
}

/* Add the device with all its links, and tell user space only after that. */
static int egm_chardev_add(struct egm_chardev *chardev,
			   const struct list_head *gpus)
{
	struct nvgrace_egm_gpu *gpu;
	int ret;

	dev_set_uevent_suppress(&chardev->dev, true);
	ret = cdev_device_add(&chardev->cdev, &chardev->dev);
	if (ret)
		return ret;
	egm_memory_failure_set_attribute(chardev->region,
				 sysfs_get_dirent(chardev->dev.kobj.sd, "retired_pages"));

	list_for_each_entry(gpu, gpus, node) {
		ret = egm_sysfs_add_gpu(chardev, gpu->dev);
		if (ret) {
			egm_sysfs_remove_gpus(chardev);
			cdev_device_del(&chardev->cdev, &chardev->dev);
			return ret;
		}
	}

	dev_set_uevent_suppress(&chardev->dev, false);
	kobject_uevent(&chardev->dev.kobj, KOBJ_ADD);
	return 0;
}

/**
 * egm_chardev_create - make a region's device node
 * @parent: the auxiliary device
 * @region: the region; its reference is the device's on success
 * @info: the same, as it was described; not referenced after return
 *
 * Context: may sleep, under the device lock of @parent; opens may come before it
 * returns.
 * Return: the device, or ERR_PTR: -ENOSPC if there is no minor left, -ENOMEM, or
 * what the driver core says. The caller keeps its reference then.
 */
struct egm_chardev *egm_chardev_create(struct device *parent,
				       struct egm_region *region,
				       const struct nvgrace_egm_info *info)
{
	struct egm_chardev *chardev;
	int minor, ret;

	chardev = kzalloc_obj(*chardev);
	if (!chardev)
		return ERR_PTR(-ENOMEM);

	minor = egm_chardev_alloc_minor(info->pxm);
	if (minor < 0) {
		kfree(chardev);
		return ERR_PTR(minor);
	}

	mutex_init(&chardev->lock);
	INIT_LIST_HEAD(&chardev->gpus);
	chardev->region = region;
	chardev->dev.parent = parent;
	chardev->dev.class = egm_class;
	chardev->dev.devt = MKDEV(MAJOR(egm_devt), MINOR(egm_devt) + minor);
	device_initialize(&chardev->dev);
	cdev_init(&chardev->cdev, &egm_file_fops);
	chardev->cdev.owner = THIS_MODULE;

	ret = dev_set_name(&chardev->dev, "%s", region->name);
	if (!ret)
		ret = egm_chardev_add(chardev, &info->gpus);
	if (ret) {
		/* A node made by mknod can have been opened before the failure. */
		egm_chardev_detach(chardev);
		put_device(&chardev->dev);
		return ERR_PTR(ret);
	}
	return chardev;
}

/**
 * egm_chardev_add_gpu - show a further GPU in sysfs
 * @chardev: the device
 * @gpu: the GPU's PCI device
 *
 * Context: may sleep.
 */
void egm_chardev_add_gpu(struct egm_chardev *chardev, struct device *gpu)
{
	int ret = egm_sysfs_add_gpu(chardev, gpu);

	if (ret)
		dev_warn(&chardev->dev, "%s is not shown in sysfs (%pe): unbind and bind it to try again\n",
			 dev_name(gpu), ERR_PTR(ret));
	else
		kobject_uevent(&chardev->dev.kobj, KOBJ_CHANGE);
}

/**
 * egm_chardev_remove_gpu - undo egm_chardev_add_gpu()
 * @chardev: the device
 * @gpu: the GPU's PCI device
 *
 * Context: may sleep.
 */
void egm_chardev_remove_gpu(struct egm_chardev *chardev, struct device *gpu)
{
	egm_sysfs_remove_gpu(chardev, gpu);
	kobject_uevent(&chardev->dev.kobj, KOBJ_CHANGE);
}

/**
 * egm_chardev_destroy - remove the device node and revoke the region
 * @chardev: the device; not to be used after this
 *
 * On return there is no node, no open() succeeds, every file gives -ENODEV, and the
 * region is revoked. Files stay open and keep it.
 *
 * Context: may sleep; does not wait for user space.
 */
void egm_chardev_destroy(struct egm_chardev *chardev)
{
	struct egm_region *region = chardev->region;

	egm_sysfs_remove_gpus(chardev);
	cdev_device_del(&chardev->cdev, &chardev->dev);
	egm_chardev_detach(chardev);
	egm_region_put(region);
	put_device(&chardev->dev);
}

/**
 * egm_chardev_init - reserve the minors and register the class
 *
 * Context: module init.
 * Return: 0 or a negative errno.
 */
int egm_chardev_init(void)
{
	int ret;

	ret = alloc_chrdev_region(&egm_devt, 0, EGM_MAX_DEVICES, "egm");
	if (ret)
		return ret;

	egm_class = class_create("egm");
	if (IS_ERR(egm_class)) {
		unregister_chrdev_region(egm_devt, EGM_MAX_DEVICES);
		return PTR_ERR(egm_class);
	}
	egm_class->dev_groups = egm_sysfs_groups;
	egm_class->dev_release = egm_chardev_release;
	egm_iommufd_init(&egm_file_fops);
	return 0;
}

/**
 * egm_chardev_exit - undo egm_chardev_init()
 *
 * Waits for the release of the last device, which is late where the kernel is
 * configured to delay it (DEBUG_KOBJECT_RELEASE): it runs in this module.
 *
 * Context: module exit; no device is bound.
 */
void egm_chardev_exit(void)
{
	egm_iommufd_exit();
	wait_var_event(&egm_minors, ida_is_empty(&egm_minors));
	/*
	 * A thread that was preempted at the end of egm_chardev_release() returns. Not so with
	 * PREEMPT_RT if wake_up_var() blocked it.
	 */
	synchronize_rcu_tasks();
	class_destroy(egm_class);
	unregister_chrdev_region(egm_devt, EGM_MAX_DEVICES);
	ida_destroy(&egm_minors);
}
