// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files of a region for the vfio devices of its GPUs: what nvgrace-gpu-vfio-pci is
 * given through the contract, as it may use no symbol of this module.
 *
 * Such a file owns blocks, is revoked and is released like any other. That it has no
 * descriptor makes no difference.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include "vfio_file.h"

#include <linux/cleanup.h>
#include <linux/fs.h>
#include <linux/nvgrace-egm.h>

#include "chardev.h"
#include "mapping.h"
#include "region.h"

/* No fault will come that could refuse a page. */
static int egm_vfio_file_look(struct egm_region *region, u64 offset, u64 end)
{
	egm_poison_flush(region);
	return egm_retired_next_blocked(&region->retired, offset, end) < end ? -EHWPOISON : 0;
}

static int egm_vfio_file_claim(struct file *file, u64 offset, u64 len)
{
	struct egm_file *efile = file->private_data;
	struct egm_region *region = efile->region;
	u64 end = offset + len;
	int ret;

	ret = egm_region_claim_blocks(region, &efile->owner, offset, len);
	if (ret)
		return ret;

	/* Before it takes long, and after that. */
	ret = egm_vfio_file_look(region, offset, end);
	if (!ret)
		ret = egm_scrub_range(&region->scrub, offset, len);
	if (!ret)
		ret = egm_vfio_file_look(region, offset, end);
	return ret;
}

static const struct nvgrace_egm_ops egm_vfio_file_ops = {
	.open = egm_chardev_file,
	.mmap = egm_mmap_vma,
	.claim = egm_vfio_file_claim,
};

/**
 * egm_vfio_file_offer - let vfio devices make files of a region
 * @info: what the auxiliary device is told, and tells
 * @region: its region, there until egm_vfio_file_withdraw()
 *
 * Context: may sleep, under the device lock.
 */
void egm_vfio_file_offer(struct nvgrace_egm_info *info, struct egm_region *region)
{
	guard(mutex)(&info->lock);
	info->ops = &egm_vfio_file_ops;
	info->region = region;
}

/**
 * egm_vfio_file_withdraw - undo egm_vfio_file_offer(); the files stay
 * @info: what was offered
 *
 * Context: may sleep, under the device lock.
 */
void egm_vfio_file_withdraw(struct nvgrace_egm_info *info)
{
	guard(mutex)(&info->lock);
	info->ops = NULL;
	info->region = NULL;
}
