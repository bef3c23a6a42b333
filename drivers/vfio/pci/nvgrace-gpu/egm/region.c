// SPDX-License-Identifier: GPL-2.0-only
/*
 * The region object: the claim of a physical range, its lifetime and its revocation.
 *
 * Each open file holds the object, and the object holds the claim. So memory that an old file
 * still maps is never given to another owner, even after the driver was unbound.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "egm.h"
#include "trace.h"

#include <linux/atomic.h>
#include <linux/cleanup.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/ioport.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mount.h>
#include <linux/nvgrace-egm.h>
#include <linux/pseudo_fs.h>
#include <linux/slab.h>

#define EGM_REGION_FS_MAGIC	0x45474d34	/* "EGM4" */

static struct vfsmount *egm_region_mnt;

/*
 * The number of region objects, including objects of unbound drivers; negative while no
 * region may be created.
 */
static atomic_t egm_region_count;

static int egm_region_init_fs_context(struct fs_context *fc)
{
	return init_pseudo(fc, EGM_REGION_FS_MAGIC) ? 0 : -ENOMEM;
}

/*
 * No owner: the mount would hold a reference to this module, which only the module's exit
 * drops.
 */
static struct file_system_type egm_region_fs_type = {
	.name = "nvgrace_egm",
	.init_fs_context = egm_region_init_fs_context,
	.kill_sb = kill_anon_super,
};

/**
 * egm_region_init - set up the state that all regions share
 *
 * Context: module init.
 * Return: 0 or a negative errno.
 */
int egm_region_init(void)
{
	egm_region_mnt = kern_mount(&egm_region_fs_type);
	if (IS_ERR(egm_region_mnt))
		return PTR_ERR(egm_region_mnt);
	egm_memory_failure_module_init();
	return 0;
}

/**
 * egm_region_exit - undo egm_region_init()
 *
 * Context: module exit; no region exists.
 */
void egm_region_exit(void)
{
	kern_unmount(egm_region_mnt);
	egm_memory_failure_module_exit();
}

static struct egm_region *egm_region_alloc(const struct nvgrace_egm_info *info)
{
	struct egm_region *region = kzalloc_obj(*region);

	if (!region)
		return NULL;
	if (init_srcu_struct(&region->srcu)) {
		kfree(region);
		return NULL;
	}
	kref_init(&region->ref);
	spin_lock_init(&region->lock);
	init_waitqueue_head(&region->wait);
	egm_retired_init(&region->retired);
	egm_memory_failure_init(region);
	egm_owner_map_init(&region->owner_map);
	region->base = info->base;
	region->size = info->size;
	snprintf(region->name, sizeof(region->name), "egm%u", info->pxm);
	return region;
}

static void egm_region_free(struct kref *ref)
{
	struct egm_region *region = container_of(ref, struct egm_region, ref);

	egm_memory_failure_exit(region);
	if (region->res)
		release_mem_region(region->base, region->size);
	if (region->inode)
		iput(region->inode);
	egm_scrub_destroy(&region->scrub);
	egm_retired_destroy(&region->retired);
	cleanup_srcu_struct(&region->srcu);
	kfree(region);
	atomic_dec(&egm_region_count);
}

/**
 * egm_region_forbid - prevent the creation of regions, unless a region exists
 *
 * Context: any.
 * Return: true if no region exists, and none can be created before egm_region_allow(); false
 * if a region is bound, or an open file holds an unbound one.
 */
bool egm_region_forbid(void)
{
	return atomic_cmpxchg(&egm_region_count, 0, -1) <= 0;
}

/**
 * egm_region_allow - undo egm_region_forbid(), if that returned true
 *
 * Context: any.
 */
void egm_region_allow(void)
{
	atomic_cmpxchg(&egm_region_count, -1, 0);
}

/**
 * egm_region_create - claim the range of a region
 * @dev: the device to log for; not referenced after return
 * @info: description of the region; not referenced after return
 *
 * Context: may sleep.
 * Return: the region with one reference, or ERR_PTR: -EBUSY if a part of the range is claimed
 * (as by a file that was opened before an unbind), or registered with mm by another driver,
 * or if no region may be created; -ENOMEM.
 */
struct egm_region *egm_region_create(struct device *dev,
				     const struct nvgrace_egm_info *info)
{
	struct inode *inode;
	int ret;

	if (!atomic_inc_unless_negative(&egm_region_count)) {
		dev_err(dev, "no region while the system hibernates: bind the auxiliary device after that\n");
		return ERR_PTR(-EBUSY);
	}

	struct egm_region *region __free(egm_region_put) = egm_region_alloc(info);
	if (!region) {
		atomic_dec(&egm_region_count);
		return ERR_PTR(-ENOMEM);
	}

	ret = egm_scrub_init(&region->scrub, &region->retired, region->base, region->size,
			     dev_to_node(dev));
	if (ret)
		return ERR_PTR(ret);

	inode = alloc_anon_inode(egm_region_mnt->mnt_sb);
	if (IS_ERR(inode))
		return ERR_CAST(inode);
	inode->i_private = region;
	region->inode = inode;

	region->res = request_mem_region_exclusive(region->base, region->size,
						   region->name);
	if (!region->res) {
		dev_err(dev,
			"[mem %#010llx-%#010llx] is still claimed: close every file of the former %s, or find the owner of the range in /proc/iomem\n",
			region->base, region->base + region->size - 1, region->name);
		return ERR_PTR(-EBUSY);
	}

	ret = egm_retired_table_read(&region->retired, dev, info->retired_table_pa,
				     region->base, region->size);
	if (!ret)
		ret = egm_memory_failure_register(region);
	if (ret)
		return ERR_PTR(ret);

	return no_free_ptr(region);
}

/**
 * egm_region_get - take a reference
 * @region: a region; the caller knows that another reference exists
 *
 * Context: any.
 * Return: @region.
 */
struct egm_region *egm_region_get(struct egm_region *region)
{
	kref_get(&region->ref);
	return region;
}

/**
 * egm_region_put - drop a reference; the last one releases the claim
 * @region: the region
 *
 * Context: may sleep.
 */
void egm_region_put(struct egm_region *region)
{
	kref_put(&region->ref, egm_region_free);
}

/**
 * egm_region_revoke - unmap the region from user space, permanently
 * @region: the region
 *
 * On return no memory of the region is mapped, and none will be. An mmap() that is populating
 * a VMA at that time unmaps the VMA itself. An access through a former mapping raises SIGBUS.
 * No worker zeroes a block. Open files hold the region, and with it the claim.
 *
 * The function sets the mark, waits for SRCU sections and zaps. A thread that checks the mark
 * in a section either sees it, or has left the section, and its entries are zapped. DMA
 * mappings of VFIO type1 stay.
 *
 * Context: may sleep; waits for faults that install entries, which allocate page tables.
 */
void egm_region_revoke(struct egm_region *region)
{
	scoped_guard(spinlock, &region->lock)
		WRITE_ONCE(region->revoked, true);
	egm_scrub_stop(&region->scrub);
	synchronize_srcu(&region->srcu);
	unmap_mapping_range(region->inode->i_mapping, 0, 0, true);
	trace_egm_revoke(region->base, region->size);
}

/* The bytes of blocks, of which the last one can end with the region. */
static u64 egm_region_blocks_len(const struct egm_region *region, unsigned long first,
				 unsigned long count)
{
	u64 offset = (u64)first * EGM_BLOCK_SIZE;

	return min((u64)count * EGM_BLOCK_SIZE, region->size - offset);
}

/**
 * egm_region_reserve - reserve the blocks below a range for an owner
 * @region: the region
 * @owner: the owner
 * @offset: first byte, as offset into the region
 * @len: bytes, not 0; the range is inside the region
 *
 * Reserves all of the blocks or none. The owner keeps them until egm_region_release().
 *
 * Context: may sleep.
 * Return: 0; -ENODEV after egm_region_revoke(); -EBUSY if another owner has reserved one of
 * the blocks; -ENOMEM.
 */
int egm_region_reserve(struct egm_region *region, struct egm_owner *owner,
		       u64 offset, u64 len)
{
	unsigned long first = offset / EGM_BLOCK_SIZE, busy = first;
	unsigned long last = (offset + len - 1) / EGM_BLOCK_SIZE;
	struct egm_owner_range *range __free(kfree) = egm_owner_range_alloc(owner, first, last);
	struct egm_opener holder;
	int ret;

	if (!range)
		return -ENOMEM;

	scoped_guard(spinlock, &region->lock) {
		if (region->revoked)
			return -ENODEV;
		if (egm_owner_map_owns(&region->owner_map, owner, first, last))
			return 0;
		ret = egm_owner_map_reserve(&region->owner_map, range);
		if (ret)
			holder = egm_owner_map_find_other(&region->owner_map, owner, &busy,
							  last)->opener;
		else
			retain_and_null_ptr(range);
		/* Events are in the order of the owners. */
		if (!ret)
			trace_egm_reserve(region->base + (u64)first * EGM_BLOCK_SIZE,
					  egm_region_blocks_len(region, first, last - first + 1));
	}

	if (ret)
		egm_region_info(region, "offset %#llx is owned by a file that %s[%d] opened: close every copy of it first\n",
				max((u64)busy * EGM_BLOCK_SIZE, offset), holder.comm,
				holder.tgid);
	else if (owner->opener.tgid != task_tgid_nr(current))
		egm_region_info(region, "offset %#llx, %#llx bytes, is now owned by the file that %s[%d] opened\n",
				offset, len, owner->opener.comm, owner->opener.tgid);
	return ret;
}

/**
 * egm_region_release - release all blocks of an owner
 * @region: the region
 * @owner: an owner without mappings
 *
 * Blocks that were mapped become stale. They are zeroed before another owner maps them. If
 * the driver is still bound, workers start to zero them now.
 *
 * Context: may sleep.
 */
void egm_region_release(struct egm_region *region, struct egm_owner *owner)
{
	unsigned long first, count;
	bool stale = false;

	while (egm_owner_first(owner, &first, &count)) {
		/* Before another owner can reserve the blocks. */
		stale |= egm_scrub_mark_stale(&region->scrub, first, count);
		scoped_guard(spinlock, &region->lock) {
			egm_retired_unblock(&region->retired, (u64)first * EGM_BLOCK_SIZE,
					    (u64)count * EGM_BLOCK_SIZE);
			egm_owner_map_release_first(&region->owner_map, owner);
			trace_egm_release(region->base + (u64)first * EGM_BLOCK_SIZE,
					  egm_region_blocks_len(region, first, count));
		}
		cond_resched();
	}
	if (stale)
		egm_scrub_ahead(&region->scrub);
}

/**
 * egm_region_next_owned - find the next range that a file has reserved
 * @region: the region
 * @owner: the owner whose ranges are wanted, or NULL for the ranges of all owners
 * @offset: byte to start at, 0 or the end of a range; set to the first byte of the range, as
 *	offset into the region
 * @len: set to the bytes of the range
 * @opener: set to the process that opened the owner's file
 *
 * A walk over all ranges is no snapshot: owners can reserve and release blocks during it.
 *
 * Context: may sleep.
 * Return: true if a range was found.
 */
bool egm_region_next_owned(struct egm_region *region, const struct egm_owner *owner,
			   u64 *offset, u64 *len, struct egm_opener *opener)
{
	/* The last block of the region can be smaller than the others. */
	unsigned long first = DIV_ROUND_UP_ULL(*offset, EGM_BLOCK_SIZE), count = 0;
	const struct egm_owner *found;

	do {
		first += count;
		scoped_guard(spinlock, &region->lock) {
			found = egm_owner_map_next(&region->owner_map, &first, &count);
			if (!found)
				return false;
			*opener = found->opener;
		}
		cond_resched();
	} while (owner && found != owner);

	*offset = (u64)first * EGM_BLOCK_SIZE;
	*len = egm_region_blocks_len(region, first, count);
	return true;
}
