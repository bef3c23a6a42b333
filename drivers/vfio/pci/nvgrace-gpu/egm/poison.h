/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef _NVGRACE_EGM_POISON_H
#define _NVGRACE_EGM_POISON_H

#include <linux/memory-failure.h>
#include <linux/types.h>
#include <linux/workqueue.h>

struct egm_region;
struct kernfs_node;

/**
 * struct egm_poison - a region's tie to the kernel's handling of bad memory
 * @space: what mm finds the region and its mappings by
 * @registered: @space is known to mm
 * @work: unmaps what was reported
 * @attribute: sysfs node of the list, or NULL
 */
struct egm_poison {
	struct pfn_address_space space;
	bool registered;
	struct work_struct work;
	struct kernfs_node *attribute;
};

void egm_poison_module_init(void);
void egm_poison_module_exit(void);
void egm_poison_forget(void);

void egm_poison_init(struct egm_region *region);
int egm_poison_register(struct egm_region *region);
void egm_poison_set_attribute(struct egm_region *region, struct kernfs_node *attribute);
void egm_poison_exit(struct egm_region *region);

#endif /* _NVGRACE_EGM_POISON_H */
