/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef _NVGRACE_EGM_SYSFS_H
#define _NVGRACE_EGM_SYSFS_H

struct attribute_group;
struct device;
struct egm_chardev;

extern const struct attribute_group *egm_sysfs_groups[];

int egm_sysfs_add_gpu(struct egm_chardev *chardev, struct device *gpu);
void egm_sysfs_remove_gpu(struct egm_chardev *chardev, struct device *gpu);
void egm_sysfs_remove_gpus(struct egm_chardev *chardev);

#endif /* _NVGRACE_EGM_SYSFS_H */
