// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/egm<pxm>: the class, and the device node of each region.
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
#include <linux/poll.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

/*
 * The number of devices, not of sockets: a device keeps its minor until its last reference
 * is dropped, which can be long after an unbind. Firmware's 4-bit number tells 16 sockets
 * apart, and each socket has a minor of its own. The other minors allow 15 former devices
 * for each socket.
 */
enum {
	EGM_CHARDEV_MAX = 256,
};

static_assert(EGM_CHARDEV_MAX <= 1U << MINORBITS);

static dev_t egm_chardev_devt;
static DEFINE_IDA(egm_chardev_minors);

/*
 * From class_create(), not a static structure with class_register(): with
 * DEBUG_KOBJECT_RELEASE the driver core releases the class after module exit, and would
 * use a structure of an unloaded module.
 */
static struct class *egm_chardev_class;

static void egm_chardev_release(struct device *dev)
{
	struct egm_chardev *chardev = container_of(dev, struct egm_chardev, dev);
	unsigned int minor = MINOR(dev->devt) - MINOR(egm_chardev_devt);

	mutex_destroy(&chardev->lock);
	kfree(chardev);
	ida_free(&egm_chardev_minors, minor);
	/* Pairs with the barrier of wait_var_event() in egm_chardev_exit(). */
	smp_mb();
	wake_up_var(&egm_chardev_minors);
}

/*
 * Each socket has a fixed minor, so that a node made by mknod(1) never resolves to the
 * region of another socket. While an unbound device holds the minor, use a spare one.
 */
static int egm_chardev_alloc_minor(unsigned int pxm)
{
	unsigned int own = pxm - NVGRACE_EGM_PXM_FIRST;
	int minor = ida_alloc_range(&egm_chardev_minors, own, own, GFP_KERNEL);

	if (minor != -ENOSPC)
		return minor;
	return ida_alloc_range(&egm_chardev_minors, NVGRACE_EGM_MAX_SOCKETS,
			       EGM_CHARDEV_MAX - 1, GFP_KERNEL);
}

/* Revoke the region. An open() that found the cdev before its removal fails after this. */
static void egm_chardev_detach(struct egm_chardev *chardev)
{
	struct egm_region *region = chardev->region;

	scoped_guard(mutex, &chardev->lock)
		chardev->region = NULL;
	egm_memory_failure_set_attribute(region, NULL);
	egm_region_revoke(region);
	wake_up_interruptible_poll(&region->wait, EPOLLERR | EPOLLHUP);
}

/* Add the device with its links, and send the uevent after the links exist. */
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
					 sysfs_get_dirent(chardev->dev.kobj.sd,
							  "retired_pages"));

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
 * egm_chardev_create - create the device node of a region
 * @parent: the auxiliary device
 * @region: the region; on success the device owns the caller's reference
 * @info: description of the region; not referenced after return
 *
 * Context: may sleep; called under the device lock of @parent. User space can open the node
 * before the function returns.
 * Return: the device, or ERR_PTR: -ENOSPC if no minor is free, -ENOMEM, or an errno of the
 * driver core. On failure the caller keeps its reference.
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
	chardev->dev.class = egm_chardev_class;
	chardev->dev.devt = MKDEV(MAJOR(egm_chardev_devt), MINOR(egm_chardev_devt) + minor);
	device_initialize(&chardev->dev);
	cdev_init(&chardev->cdev, &egm_file_fops);
	chardev->cdev.owner = THIS_MODULE;

	ret = dev_set_name(&chardev->dev, "%s", region->name);
	if (!ret)
		ret = egm_chardev_add(chardev, &info->gpus);
	if (ret) {
		/* A process can have opened a node that mknod made before the failure. */
		egm_chardev_detach(chardev);
		put_device(&chardev->dev);
		return ERR_PTR(ret);
	}
	return chardev;
}

/**
 * egm_chardev_add_gpu - show one more GPU in sysfs
 * @chardev: the device
 * @gpu: the GPU's PCI device
 *
 * Context: may sleep.
 */
void egm_chardev_add_gpu(struct egm_chardev *chardev, struct device *gpu)
{
	int ret = egm_sysfs_add_gpu(chardev, gpu);

	if (ret)
		dev_warn(&chardev->dev, "%s is not shown in sysfs (%pe): unbind and bind the GPU to try again\n",
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
 * @chardev: the device; invalid after return
 *
 * On return the node is removed and the region is revoked: no open() succeeds, and calls on
 * open files fail with -ENODEV. Open files hold the region.
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

	ret = alloc_chrdev_region(&egm_chardev_devt, 0, EGM_CHARDEV_MAX, "egm");
	if (ret)
		return ret;

	egm_chardev_class = class_create("egm");
	if (IS_ERR(egm_chardev_class)) {
		unregister_chrdev_region(egm_chardev_devt, EGM_CHARDEV_MAX);
		return PTR_ERR(egm_chardev_class);
	}
	egm_chardev_class->dev_groups = egm_sysfs_groups;
	egm_chardev_class->dev_release = egm_chardev_release;
	return 0;
}

/**
 * egm_chardev_exit - undo egm_chardev_init()
 *
 * Waits for the release of the last device, which runs in this module. With
 * DEBUG_KOBJECT_RELEASE the kernel delays the release.
 *
 * Context: module exit; no device is bound.
 */
void egm_chardev_exit(void)
{
	wait_var_event(&egm_chardev_minors, ida_is_empty(&egm_chardev_minors));
	/*
	 * Wait for a thread that was preempted at the end of egm_chardev_release(). With
	 * PREEMPT_RT the thread can block in wake_up_var(), and is not waited for.
	 */
	synchronize_rcu_tasks();
	class_destroy(egm_chardev_class);
	unregister_chrdev_region(egm_chardev_devt, EGM_CHARDEV_MAX);
	ida_destroy(&egm_chardev_minors);
}
