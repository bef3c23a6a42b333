/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef _NVGRACE_EGM_CHARDEV_H
#define _NVGRACE_EGM_CHARDEV_H

#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/list.h>
#include <linux/mutex.h>

struct egm_region;
struct nvgrace_egm_info;

/**
 * struct egm_chardev - the class device and character device of a region
 * @dev: named after the region; frees the structure when released
 * @cdev: holds a reference to @dev for as long as a file is open
 * @lock: guards @gpus, and @region against an open() in flight when the driver is
 *	  unbound
 * @region: NULL once the driver was unbound
 * @gpus: the socket's GPUs that sysfs shows, as struct egm_sysfs_gpu
 */
struct egm_chardev {
	struct device dev;
	struct cdev cdev;
	struct mutex lock;	/* guards the two below */
	struct egm_region *region;
	struct list_head gpus;
};

int egm_chardev_init(void);
void egm_chardev_exit(void);

struct egm_chardev *egm_chardev_create(struct device *parent,
				       struct egm_region *region,
				       const struct nvgrace_egm_info *info);
void egm_chardev_destroy(struct egm_chardev *chardev);
void egm_chardev_add_gpu(struct egm_chardev *chardev, struct device *gpu);
void egm_chardev_remove_gpu(struct egm_chardev *chardev, struct device *gpu);

#endif /* _NVGRACE_EGM_CHARDEV_H */
