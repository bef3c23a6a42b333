// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device-dax device on memory that the kernel does not manage, for benchmarks only. Firmware
 * does not describe this memory, so that the kernel creates no such device itself.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/device/faux.h>
#include <linux/err.h>
#include <linux/numa.h>
#include <linux/pgtable.h>
#include <linux/range.h>

#include "bus.h"
#include "egm_range.h"

static struct faux_device *egm_dax;

static int egm_dax_probe(struct faux_device *faux)
{
	struct range range = { .start = base, .end = base + size - 1 };
	struct dev_dax_data data = { .id = -1, .size = size };

	data.dax_region = alloc_dax_region(&faux->dev, 0, &range, NUMA_NO_NODE,
					   PMD_SIZE, 0);
	if (!data.dax_region)
		return -ENOMEM;
	return PTR_ERR_OR_ZERO(devm_create_dev_dax(&data));
}

static const struct faux_device_ops egm_dax_ops = {
	.probe = egm_dax_probe,
};

static int __init egm_dax_init(void)
{
	int ret = range_check();

	if (ret)
		return ret;

	egm_dax = faux_device_create("egm_dax", NULL, &egm_dax_ops);
	return egm_dax ? 0 : -ENODEV;
}
module_init(egm_dax_init);

static void __exit egm_dax_exit(void)
{
	faux_device_destroy(egm_dax);
}
module_exit(egm_dax_exit);

MODULE_DESCRIPTION("Memory as device-dax, for benchmarks only");
MODULE_AUTHOR("The nvgrace-egm authors");
MODULE_LICENSE("GPL");
