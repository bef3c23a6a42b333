/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The range that a module of this folder is given, as its parameters base and size.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef EGM_RANGE_H
#define EGM_RANGE_H

#include <linux/align.h>
#include <linux/ioport.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/overflow.h>

static unsigned long long base;
module_param(base, ullong, 0444);
MODULE_PARM_DESC(base, "physical address of the range");

static unsigned long long size;
module_param(size, ullong, 0444);
MODULE_PARM_DESC(size, "bytes of the range");

/* Log and return an errno if the range is none, or memory that the kernel uses. */
static int __init range_check(void)
{
	u64 end;

	if (!base || !size || !PAGE_ALIGNED(base) || !PAGE_ALIGNED(size) ||
	    check_add_overflow((u64)base, (u64)size, &end)) {
		pr_err("parameters base and size must name a page-aligned range\n");
		return -EINVAL;
	}

	/* open() would zero memory that the kernel uses. */
	if (region_intersects(base, size, IORESOURCE_SYSTEM_RAM,
			      IORES_DESC_NONE) != REGION_DISJOINT) {
		pr_err("%#llx bytes at %#llx hold System RAM\n", size, base);
		return -EBUSY;
	}
	return 0;
}

#endif /* EGM_RANGE_H */
