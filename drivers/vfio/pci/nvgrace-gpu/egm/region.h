/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef _NVGRACE_EGM_REGION_H
#define _NVGRACE_EGM_REGION_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/types.h>
#include <linux/wait.h>

#include "owner.h"
#include "poison.h"
#include "retired.h"
#include "scrub.h"

struct device;
struct inode;
struct iommufd_phys_user;
struct nvgrace_egm_info;
struct resource;

/**
 * struct egm_region - an EGM region as long as anybody holds it
 * @ref: one for the bound driver, one for each open file
 * @base: SPA of the first byte
 * @size: bytes
 * @name: "egm<pxm>", of the device node and of the claim in /proc/iomem
 * @claim: the busy, exclusive claim of the range; it ends with the last reference,
 *	   so that neither /dev/mem nor a later probe reaches memory that an old
 *	   file may still have mapped
 * @inode: owns the one address_space that every mapping of the region hangs in,
 *	   whichever device node it was opened by
 * @scrub: which blocks are zero
 * @retired: which pages must not be used
 * @poison: how mm reports pages that go bad
 * @dma_lock: guards @dma_users
 * @dma_users: ranges that iommufd maps, as struct iommufd_phys_user
 * @wait: woken when a page was retired, and when @gone is set
 * @srcu: a thread reads @gone, and which pages are blocked, and installs page table
 *	  entries in one section; the section can sleep, for a page table
 * @lock: guards @owners, and stores to @gone
 * @gone: the driver was unbound; nothing may be mapped any more
 * @owners: which file owns which blocks
 *
 * Lock order, outermost first:
 *
 *	egm_sockets_lock (socket.c)
 *	device lock of the auxiliary device
 *	egm_chardev.lock, or all below but mf_mutex
 *
 *	egm_region.dma_lock
 *	the mutex of iommufd's pages, which nests with none of ours
 *
 *	mmap_lock, or the lock of a VMA
 *	egm_region.srcu (a section)
 *	egm_file.huge_lock
 *	egm_retired.lock, or the locks of page tables
 *
 *	egm_region.lock
 *	egm_retired.lock
 *
 *	egm_scrub.lock
 *
 *	mf_mutex and pfn_space_lock of mm
 *	egm_handover_lock, or all below
 *	i_mmap_rwsem of @inode
 *	egm_region.lock
 *	egm_retired.lock
 *
 * mmap_lock can be held around i_mmap_rwsem, as anywhere in mm. The groups never nest
 * in another way: open() takes no mmap_lock, and no path that holds a region's locks
 * touches the device. A thread that waits for zeroing holds no lock but mmap_lock or
 * a VMA's.
 */
struct egm_region {
	struct kref ref;
	phys_addr_t base;
	u64 size;
	char name[16];
	struct resource *claim;
	struct inode *inode;
	struct egm_scrub scrub;
	struct egm_retired retired;
	struct egm_poison poison;
	wait_queue_head_t wait;

	struct mutex dma_lock;		/* guards dma_users */
	struct list_head dma_users;

	struct srcu_struct srcu;
	spinlock_t lock;		/* guards the two below */
	bool gone;
	struct egm_owners owners;
};

/* Tell the administrator about a request of the current process. */
#define egm_region_info(region, fmt, ...)						\
	pr_info_ratelimited("%s: %s[%d]: " fmt, (region)->name, current->comm,	\
			    task_pid_nr(current), ##__VA_ARGS__)

int egm_region_init(void);
void egm_region_exit(void);
bool egm_region_forbid(void);
void egm_region_allow(void);

struct egm_region *egm_region_create(struct device *dev,
				     const struct nvgrace_egm_info *info);
struct egm_region *egm_region_get(struct egm_region *region);
void egm_region_put(struct egm_region *region);
void egm_region_revoke(struct egm_region *region);
bool egm_region_is_gone(struct egm_region *region);

int egm_region_claim_blocks(struct egm_region *region, struct egm_owner *owner,
			    u64 offset, u64 len);
void egm_region_release_blocks(struct egm_region *region,
			       struct egm_owner *owner);

int egm_region_add_dma(struct egm_region *region, struct iommufd_phys_user *user);
void egm_region_remove_dma(struct egm_region *region, struct iommufd_phys_user *user);

#endif /* _NVGRACE_EGM_REGION_H */
