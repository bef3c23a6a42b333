// SPDX-License-Identifier: GPL-2.0-only
/*
 * Poisoned pages: mm reports them. The driver lists and zaps them, blocks them for their
 * owner, and remembers them when the region is freed.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "egm.h"
#include "trace.h"

#include <kunit/visibility.h>
#include <linux/atomic.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/kconfig.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pfn.h>
#include <linux/poll.h>
#include <linux/sysfs.h>

/*
 * Poisoned pages of regions that were freed, by SPA. A VMM that takes a GPU from the host
 * unbinds the GPU when the guest ends. The unbind of the socket's last GPU frees the region,
 * but the page stays poisoned.
 */
static struct egm_retired egm_memory_failure_known;

/* Set by the first report: the list is in this module, which must not be unloaded. */
static bool egm_memory_failure_pinned;

static void egm_memory_failure_pin(void)
{
	if (xchg(&egm_memory_failure_pinned, true))
		return;
	if (try_module_get(THIS_MODULE))
		pr_warn("a page went bad: this module cannot be unloaded, because the list of bad pages would be lost\n");
	else
		pr_err("a page went bad during the unload of this module, and is not listed: reboot before this module is loaded again\n");
}

/* List a page, block the page if its block has an owner, and queue the work that zaps it. */
static void egm_memory_failure_report(struct egm_region *region, pgoff_t page)
{
	u64 offset = (u64)page << PAGE_SHIFT;
	unsigned long block = offset / EGM_BLOCK_SIZE;
	int ret;

	/* egm_region_release() unblocks the owner's pages under this lock. */
	scoped_guard(spinlock, &region->lock)
		ret = egm_retired_report(&region->retired, offset, PAGE_SIZE,
					 egm_owner_map_overlaps(&region->owner_map, block, block));

	trace_egm_poison(region->base + offset, PAGE_SIZE);
	egm_memory_failure_pin();
	if (!ret)
		schedule_work(&region->memory_failure.work);
	else
		pr_err_ratelimited("%s: bad page [mem %#010llx-%#010llx] cannot be listed (%pe): the page stays mapped, and is not reported to its next owner\n",
				   region->name, region->base + offset,
				   region->base + offset + PAGE_SIZE - 1, ERR_PTR(ret));
}

/*
 * mm calls this for each VMA of the region in each process that it may have to signal. If the
 * function returns 0, mm signals the process for the address that maps page @pgoff of the
 * file. So it must return 0 exactly if the VMA maps @pfn, even if the page cannot be listed.
 *
 * mm holds rcu_read_lock() and i_mmap_rwsem: the function must not sleep, and cannot zap.
 */
static int egm_memory_failure_pfn_to_pgoff(struct vm_area_struct *vma, unsigned long pfn,
					   pgoff_t *pgoff)
{
	struct egm_region *region = vma->vm_file->f_mapping->host->i_private;
	unsigned long first = PHYS_PFN(region->base);
	pgoff_t page = pfn - first;

	if (pfn < first || page >= PHYS_PFN(region->size))
		return -EFAULT;
	/* One comparison checks both bounds: below the first page the difference wraps. */
	if (page - vma_start_pgoff(vma) >= vma_pages(vma))
		return -EFAULT;

	egm_memory_failure_report(region, page);

	/* The page of a revoked region is not mapped. */
	if (egm_region_is_revoked(region))
		return -EFAULT;

	*pgoff = page;
	return 0;
}

static void egm_memory_failure_work(struct work_struct *work)
{
	struct egm_region *region = container_of(work, struct egm_region, memory_failure.work);
	struct kernfs_node *attribute;
	u64 offset, len;

	while (egm_retired_next_unmap(&region->retired, &offset, &len)) {
		/*
		 * A fault that did not find the page blocked installs its entry before the
		 * grace period ends. A huge entry is zapped as a whole, and faults map its
		 * other pages again.
		 */
		synchronize_srcu_expedited(&region->srcu);
		unmap_mapping_range(region->inode->i_mapping, offset, len, true);
		pr_warn_ratelimited("%s: bad page [mem %#010llx-%#010llx]: unmapped and retired\n",
				    region->name, region->base + offset,
				    region->base + offset + len - 1);
	}
	wake_up_interruptible_poll(&region->wait, EPOLLPRI);
	attribute = READ_ONCE(region->memory_failure.attribute);
	if (attribute)
		sysfs_notify_dirent(attribute);
}

/**
 * egm_memory_failure_module_init - set up the list that outlives regions
 *
 * Context: module init.
 */
void egm_memory_failure_module_init(void)
{
	egm_retired_init(&egm_memory_failure_known);
}

#if IS_ENABLED(CONFIG_KUNIT)
/**
 * egm_memory_failure_forget - forget the poisoned pages of regions that were freed
 *
 * For tests only.
 *
 * Context: process; no region exists.
 */
void egm_memory_failure_forget(void)
{
	egm_retired_destroy(&egm_memory_failure_known);
	if (xchg(&egm_memory_failure_pinned, false))
		module_put(THIS_MODULE);
}
EXPORT_SYMBOL_IF_KUNIT(egm_memory_failure_forget);
#endif

/**
 * egm_memory_failure_module_exit - undo egm_memory_failure_module_init()
 *
 * Context: module exit; no region exists.
 */
void egm_memory_failure_module_exit(void)
{
	egm_retired_destroy(&egm_memory_failure_known);
}

/**
 * egm_memory_failure_init - initialize the registration of a region
 * @region: the region, which egm_region_create() creates
 */
void egm_memory_failure_init(struct egm_region *region)
{
	INIT_WORK(&region->memory_failure.work, egm_memory_failure_work);
}

/**
 * egm_memory_failure_register - list pages that were poisoned before, and register with mm
 * @region: the region, with claim and inode
 *
 * Context: may sleep.
 * Return: 0, also without CONFIG_MEMORY_FAILURE; -EBUSY if a part of the range is registered
 * by another driver.
 */
int egm_memory_failure_register(struct egm_region *region)
{
	struct egm_memory_failure *mf = &region->memory_failure;
	int ret;

	egm_retired_move(&egm_memory_failure_known, region->base, region->size,
			 &region->retired, 0);

	mf->space.node.start = PHYS_PFN(region->base);
	mf->space.node.last = PHYS_PFN(region->base + region->size - 1);
	mf->space.mapping = region->inode->i_mapping;
	mf->space.pfn_to_vma_pgoff = egm_memory_failure_pfn_to_pgoff;

	ret = register_pfn_address_space(&mf->space);
	mf->registered = !ret;
	return ret == -EOPNOTSUPP ? 0 : ret;
}

/**
 * egm_memory_failure_set_attribute - set the sysfs attribute whose pollers are woken
 * @region: the region
 * @attribute: node of the attribute, with a reference that the region owns until the next
 *	       call; or NULL
 *
 * Context: may sleep; the caller serializes.
 */
void egm_memory_failure_set_attribute(struct egm_region *region, struct kernfs_node *attribute)
{
	struct kernfs_node *old = xchg(&region->memory_failure.attribute, attribute);

	if (old) {
		flush_work(&region->memory_failure.work);
		sysfs_put(old);
	}
}

/**
 * egm_memory_failure_exit - unregister from mm, and remember the poisoned pages
 * @region: the region, which is not mapped
 *
 * Context: may sleep.
 */
void egm_memory_failure_exit(struct egm_region *region)
{
	/* If mm finds any space in the range, mm removes this one, which must be registered. */
	if (region->memory_failure.registered)
		unregister_pfn_address_space(&region->memory_failure.space);
	cancel_work_sync(&region->memory_failure.work);
	egm_retired_move(&region->retired, 0, region->size,
			 &egm_memory_failure_known, region->base);
}
