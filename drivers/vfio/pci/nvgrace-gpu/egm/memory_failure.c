// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages that go bad: reported by mm, unmapped from their owner, kept from being
 * mapped again, and not forgotten when the region is bound anew.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "egm.h"

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
 * Bad pages of regions that were freed, by SPA. A VMM that takes a GPU from the host unbinds
 * it when the guest ends, and the region is freed with the socket's last GPU. The page stays bad.
 */
static struct egm_retired egm_memory_failure_known;

/* Since a page is known to be bad: unloading the module would forget it. */
static bool egm_memory_failure_pinned;

static void egm_memory_failure_pin(void)
{
	if (xchg(&egm_memory_failure_pinned, true))
		return;
	if (try_module_get(THIS_MODULE))
		pr_warn("a page went bad: this module cannot be unloaded any more, or that would be forgotten\n");
	else
		pr_err("a page went bad while this module is unloaded, and is forgotten: boot before it is loaded again\n");
}

/* List a page, block it if its block has an owner, and have it unmapped. */
static void egm_memory_failure_report(struct egm_region *region, pgoff_t page)
{
	u64 offset = (u64)page << PAGE_SHIFT;
	unsigned long block = offset / EGM_BLOCK_SIZE;
	int ret;

	/* The release of the owner unblocks the page under this lock. */
	scoped_guard(spinlock, &region->lock)
		ret = egm_retired_report(&region->retired, offset, PAGE_SIZE,
					 egm_owner_map_overlaps(&region->owner_map, block, block));

	egm_memory_failure_pin();
	if (!ret)
		schedule_work(&region->memory_failure.work);
	else
		pr_err_ratelimited("%s: bad page at offset %#llx cannot be listed (%pe): it stays mapped, and its next owner is not told\n",
				   region->name, offset, ERR_PTR(ret));
}

/*
 * Every bad page of the region, mapped or not. The range that mm was given is the region's, and
 * mm holds a lock that keeps it registered.
 */
static void egm_memory_failure_notify(struct pfn_address_space *space, unsigned long pfn)
{
	struct egm_region *region = container_of(space, struct egm_region, memory_failure.space);

	egm_handover_add(PFN_PHYS(pfn), PAGE_SIZE);
	egm_memory_failure_report(region, pfn - space->node.start);
}

/*
 * Does @vma hold @pfn, and where in the file? Called for each VMA of the region in
 * each process that wants to know early. Whoever gets 0 is signalled: a VMA that only
 * might hold the page must not, and one that does must, whatever fails in here.
 *
 * Runs under rcu_read_lock() and the mapping's i_mmap_rwsem: no sleeping, no
 * unmapping.
 */
static int egm_memory_failure_pfn_to_pgoff(struct vm_area_struct *vma, unsigned long pfn,
				   pgoff_t *pgoff)
{
	struct egm_region *region = vma->vm_file->f_mapping->host->i_private;
	unsigned long first = PHYS_PFN(region->base);
	pgoff_t page = pfn - first;

	if (pfn < first || page >= PHYS_PFN(region->size))
		return -EFAULT;
	/* One comparison for both bounds: below the first page the difference wraps. */
	if (page - vma_start_pgoff(vma) >= vma_pages(vma))
		return -EFAULT;

	egm_memory_failure_report(region, page);

	/* Revoked: the page is mapped nowhere. */
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
		 * A fault that has not seen the page blocked has installed its entry
		 * by then. A huge entry is zapped whole; faults map its good pages again.
		 */
		synchronize_srcu_expedited(&region->srcu);
		unmap_mapping_range(region->inode->i_mapping, offset, len, true);
		pr_warn_ratelimited("%s: bad page at offset %#llx, %llu bytes: unmapped and retired\n",
				    region->name, offset, len);
	}
	wake_up_interruptible_poll(&region->wait, EPOLLPRI);
	attribute = READ_ONCE(region->memory_failure.attribute);
	if (attribute)
		sysfs_notify_dirent(attribute);
}

/**
 * egm_memory_failure_module_init - start with what a kernel before a kexec knew
 *
 * Context: module init.
 */
void egm_memory_failure_module_init(void)
{
	egm_retired_init(&egm_memory_failure_known);
	egm_handover_init(&egm_memory_failure_known);
	if (egm_retired_bytes(&egm_memory_failure_known))
		egm_memory_failure_pin();
}

#if IS_ENABLED(CONFIG_KUNIT)
/**
 * egm_memory_failure_forget - forget all bad pages of regions that were freed, for tests
 *
 * Context: process; there is no region.
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
 * egm_memory_failure_module_exit - forget all bad pages
 *
 * Context: module exit; no region exists.
 */
void egm_memory_failure_module_exit(void)
{
	egm_handover_exit();
	egm_retired_destroy(&egm_memory_failure_known);
}

/**
 * egm_memory_failure_init - start without mm knowing of the region
 * @region: in the making
 */
void egm_memory_failure_init(struct egm_region *region)
{
	INIT_WORK(&region->memory_failure.work, egm_memory_failure_work);
}

/**
 * egm_memory_failure_register - list what went bad before, and let mm report bad pages
 * @region: claimed, with its inode
 *
 * Context: may sleep.
 * Return: 0, also in a kernel without CONFIG_MEMORY_FAILURE; -EBUSY if some of the
 * range is registered already.
 */
int egm_memory_failure_register(struct egm_region *region)
{
	struct egm_memory_failure *mf = &region->memory_failure;
	int ret;

	egm_retired_move(&egm_memory_failure_known, region->base, region->size, &region->retired, 0);

	mf->space.node.start = PHYS_PFN(region->base);
	mf->space.node.last = PHYS_PFN(region->base + region->size - 1);
	mf->space.mapping = region->inode->i_mapping;
	mf->space.pfn_to_vma_pgoff = egm_memory_failure_pfn_to_pgoff;
	mf->space.memory_failure = egm_memory_failure_notify;

	ret = register_pfn_address_space(&mf->space);
	mf->registered = !ret;
	return ret == -EOPNOTSUPP ? 0 : ret;
}

/**
 * egm_memory_failure_set_attribute - wake pollers of a sysfs attribute as well
 * @region: the region
 * @attribute: its node, whose reference is the region's until the next call; or NULL
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
 * egm_memory_failure_exit - undo egm_memory_failure_init() and egm_memory_failure_register(), and remember what
 * went bad
 * @region: has no mapping any more
 *
 * Context: may sleep.
 */
void egm_memory_failure_exit(struct egm_region *region)
{
	/* mm looks for any space in the range, and takes this one out then. */
	if (region->memory_failure.registered)
		unregister_pfn_address_space(&region->memory_failure.space);
	cancel_work_sync(&region->memory_failure.work);
	egm_retired_move(&region->retired, 0, region->size, &egm_memory_failure_known, region->base);
}
