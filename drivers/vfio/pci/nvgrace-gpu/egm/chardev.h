/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef _NVGRACE_EGM_CHARDEV_H
#define _NVGRACE_EGM_CHARDEV_H

struct device;
struct egm_chardev;
struct egm_region;

int egm_chardev_init(void);
void egm_chardev_exit(void);

struct egm_chardev *egm_chardev_create(struct device *parent,
				       struct egm_region *region);
void egm_chardev_destroy(struct egm_chardev *chardev);

#endif /* _NVGRACE_EGM_CHARDEV_H */
