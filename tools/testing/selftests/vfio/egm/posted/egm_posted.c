// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/egm_posted: for benchmarks only, not for use.
 *
 * The posted driver's way to map memory that the kernel does not manage: open() zeroes all of
 * it in one thread, mmap() fills the page tables of the whole mapping. Memory has no owner:
 * two files map the same bytes.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/fs.h>
#include <linux/io.h>
#include <linux/minmax.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/pfn.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/string.h>

#include "egm_range.h"

/* Long enough to make mapping it cheap, short enough to be interrupted soon. */
#define POSTED_CHUNK	SZ_64M

static bool zero = true;
module_param(zero, bool, 0444);
MODULE_PARM_DESC(zero, "zero the range in open() (default Y)");

static int posted_open(struct inode *inode, struct file *file)
{
	u64 offset;
	size_t len;
	void *va;

	if (!zero)
		return 0;

	for (offset = 0; offset < size; offset += len) {
		if (fatal_signal_pending(current))
			return -EINTR;

		len = min_t(u64, POSTED_CHUNK, size - offset);
		va = memremap(base + offset, len, MEMREMAP_WB);
		if (!va)
			return -ENOMEM;
		memset(va, 0, len);
		memunmap(va);
		cond_resched();
	}
	return 0;
}

static loff_t posted_llseek(struct file *file, loff_t offset, int whence)
{
	return fixed_size_llseek(file, offset, whence, size);
}

static int posted_mmap_prepare(struct vm_area_desc *desc)
{
	u64 start, end;

	/* A private mapping is copied on write, which needs struct pages. */
	if (!vma_desc_test(desc, VMA_MAYSHARE_BIT))
		return -EINVAL;

	if (check_mul_overflow((u64)desc->pgoff, (u64)PAGE_SIZE, &start) ||
	    check_add_overflow(start, (u64)vma_desc_size(desc), &end) ||
	    end > size)
		return -EINVAL;

	mmap_action_remap_full(desc, PHYS_PFN(base + start));
	return 0;
}

static const struct file_operations posted_fops = {
	.owner = THIS_MODULE,
	.open = posted_open,
	.llseek = posted_llseek,
	.mmap_prepare = posted_mmap_prepare,
};

static struct miscdevice posted_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "egm_posted",
	.fops = &posted_fops,
	.mode = 0600,
};

static int __init posted_init(void)
{
	int ret = range_check();

	if (ret)
		return ret;

	if (!request_mem_region_exclusive(base, size, "egm_posted")) {
		pr_err("%#llx bytes at %#llx are claimed, see /proc/iomem\n",
		       size, base);
		return -EBUSY;
	}

	ret = misc_register(&posted_misc);
	if (ret)
		release_mem_region(base, size);
	return ret;
}
module_init(posted_init);

static void __exit posted_exit(void)
{
	misc_deregister(&posted_misc);
	release_mem_region(base, size);
}
module_exit(posted_exit);

MODULE_DESCRIPTION("Memory that open() zeroes and mmap() populates, for benchmarks only");
MODULE_AUTHOR("The nvgrace-egm authors");
MODULE_LICENSE("GPL");
