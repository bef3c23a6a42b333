// SPDX-License-Identifier: GPL-2.0-only
/*
 * mmap of a region.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "mapping.h"

#include <kunit/visibility.h>
#include <linux/cleanup.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/pfn.h>
#include <linux/sched.h>

#include "region.h"
#include "scrub.h"

/**
 * egm_mapping_bounds - where in a region a mapping begins, if it fits
 * @size: bytes of the region
 * @pgoff: the mapping's offset in pages
 * @len: bytes to map, not 0
 * @offset: set to the mapping's first byte, from the region's start, on success
 *
 * Every bit of @pgoff counts: two offsets never name the same byte.
 *
 * Context: any.
 * Return: 0; -EINVAL if any of the range is outside the region.
 */
int egm_mapping_bounds(u64 size, pgoff_t pgoff, u64 len, u64 *offset)
{
	u64 start, end;

	if (check_mul_overflow((u64)pgoff, (u64)PAGE_SIZE, &start) ||
	    check_add_overflow(start, len, &end) || end > size)
		return -EINVAL;

	*offset = start;
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(egm_mapping_bounds);

/*
 * The page tables are filled by now and the VMA can be found through the region's
 * address_space: whoever revokes from here on zaps it. A revocation that came
 * before found nothing to zap, but has left its mark.
 */
static int egm_mapped(unsigned long start, unsigned long end, pgoff_t pgoff,
		      const struct file *file, void **vm_private_data)
{
	struct egm_file *efile = file->private_data;

	guard(mutex)(&efile->region->lock);
	return efile->region->gone ? -ENODEV : 0;
}

static const struct vm_operations_struct egm_vm_ops = {
	.mapped = egm_mapped,
};

/**
 * egm_mmap_prepare - map some of a region, as file operation
 * @desc: the mapping to be
 *
 * The file comes to own every block below the mapping, and keeps it until it is
 * released, also if the mapping fails later on: nothing tells the driver of that.
 *
 * Context: mmap_lock held for writing; may sleep.
 * Return: 0; -EINVAL for a private mapping or one that leaves the region; -EBUSY
 * if another file owns any of it; -ENODEV if the region is gone; -EINTR if killed
 * while zeroing; -ENOMEM.
 */
int egm_mmap_prepare(struct vm_area_desc *desc)
{
	struct egm_file *efile = desc->file->private_data;
	struct egm_region *region = efile->region;
	u64 len = vma_desc_size(desc);
	u64 offset;
	int ret;

	/* A private mapping is copied on write, which needs struct pages. */
	if (!vma_desc_test(desc, VMA_MAYSHARE_BIT)) {
		pr_info_ratelimited("%s: %s[%d]: a private mapping is not possible, use MAP_SHARED (QEMU: share=on)\n",
				    region->name, current->comm,
				    task_pid_nr(current));
		return -EINVAL;
	}

	ret = egm_mapping_bounds(region->size, desc->pgoff, len, &offset);
	if (ret)
		return ret;

	ret = egm_region_claim_blocks(region, &efile->owner, offset, len);
	if (ret)
		return ret;

	ret = egm_scrub(region, offset, len);
	if (ret)
		return ret;

	desc->vm_ops = &egm_vm_ops;
	mmap_action_remap_full(desc, PHYS_PFN(region->base + offset));
	return 0;
}
