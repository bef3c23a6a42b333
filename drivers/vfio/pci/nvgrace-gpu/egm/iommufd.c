// SPDX-License-Identifier: GPL-2.0-only
/*
 * The provider of physical memory for iommufd, which maps regions for DMA.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "egm.h"

#include <linux/cleanup.h>
#include <linux/fs.h>
#include <linux/iommufd_phys_file.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pfn.h>

/* A device does not fault, so a page that is blocked must be refused before it is mapped. */
static int egm_iommufd_check_blocked(struct egm_region *region, u64 offset, u64 end)
{
	u64 bad = egm_retired_next_blocked(&region->retired, offset, end);

	if (bad >= end)
		return 0;
	egm_region_info(region, "no DMA mapping of offset %#llx: the page there went bad; close the file and start again\n",
			bad);
	return -EHWPOISON;
}

static int egm_iommufd_add(struct egm_region *region, struct iommufd_phys_user *user)
{
	guard(mutex)(&region->dma_lock);
	/* egm_region_revoke() sets the mark before egm_iommufd_revoke() takes dma_lock. */
	if (egm_region_is_revoked(region))
		return -ENODEV;
	list_add(&user->elm, &region->dma_users);
	return 0;
}

/*
 * The file reserves the blocks as in mmap(), and keeps them if this fails. The whole range
 * is zeroed, because a device does not fault.
 */
static int egm_iommufd_attach(struct file *file, u64 start, u64 len,
			      struct iommufd_phys_user *user, phys_addr_t *phys)
{
	struct egm_file *efile = file->private_data;
	struct egm_region *region = efile->region;
	u64 offset;
	int ret;

	ret = egm_mapping_reserve(efile, PHYS_PFN(start), len, &offset);
	if (ret)
		return ret;

	/* Check before zeroing, which can take long, and again after it. */
	ret = egm_iommufd_check_blocked(region, offset, offset + len);
	if (!ret)
		ret = egm_scrub_range(&region->scrub, offset, len);
	if (!ret)
		ret = egm_iommufd_check_blocked(region, offset, offset + len);
	if (ret)
		return ret;

	*phys = region->base + offset;
	return egm_iommufd_add(region, user);
}

/* dma_lock waits for a running egm_iommufd_revoke(). */
static void egm_iommufd_detach(struct file *file, struct iommufd_phys_user *user)
{
	struct egm_file *efile = file->private_data;

	guard(mutex)(&efile->region->dma_lock);
	list_del(&user->elm);
}

static struct iommufd_phys_provider egm_iommufd_provider = {
	.attach = egm_iommufd_attach,
	.detach = egm_iommufd_detach,
};

/**
 * egm_iommufd_revoke - unmap a region from each IOMMU page table, permanently
 * @region: the region, after egm_region_revoke()
 *
 * A range that egm_iommufd_attach() listed is revoked, and each later one is refused.
 *
 * Context: may sleep.
 */
void egm_iommufd_revoke(struct egm_region *region)
{
	struct iommufd_phys_user *user;

	guard(mutex)(&region->dma_lock);
	list_for_each_entry(user, &region->dma_users, elm)
		user->revoke(user);
}

/**
 * egm_iommufd_init - let iommufd map files of regions
 * @fops: the file operations of these files
 *
 * Context: module init.
 */
void egm_iommufd_init(const struct file_operations *fops)
{
	egm_iommufd_provider.fops = fops;
	iommufd_register_phys_provider(&egm_iommufd_provider);
}

/**
 * egm_iommufd_exit - undo egm_iommufd_init()
 *
 * Context: module exit; no file is open.
 */
void egm_iommufd_exit(void)
{
	iommufd_unregister_phys_provider(&egm_iommufd_provider);
}

MODULE_IMPORT_NS("IOMMUFD");
