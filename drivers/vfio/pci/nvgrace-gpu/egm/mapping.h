/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef _NVGRACE_EGM_MAPPING_H
#define _NVGRACE_EGM_MAPPING_H

#include <linux/mutex.h>
#include <linux/types.h>

#include "owner.h"

struct egm_region;
struct file;
struct vm_area_desc;

enum {
	EGM_HUGE_LOCK_BITS = 4,
};

/**
 * struct egm_file - an open file of a region's device node
 * @region: holds a reference
 * @owner: the blocks that the file owns
 * @seen: generation of the list of retired pages that its user knows
 * @huge_lock: held to install entries, by hash of the PMD's address
 */
struct egm_file {
	struct egm_region *region;
	struct egm_owner owner;
	unsigned long seen;
	struct mutex huge_lock[1 << EGM_HUGE_LOCK_BITS];
};

int egm_mapping_bounds(u64 size, pgoff_t pgoff, u64 len, u64 *offset);
bool egm_mapping_fits_huge(unsigned long start, unsigned long end, u64 spa);
unsigned long egm_get_unmapped_area(struct file *file, unsigned long addr,
				    unsigned long len, unsigned long pgoff,
				    unsigned long flags);
int egm_mapping_claim(struct egm_file *efile, pgoff_t pgoff, u64 len, u64 *offset);
int egm_mmap_prepare(struct vm_area_desc *desc);

#endif /* _NVGRACE_EGM_MAPPING_H */
