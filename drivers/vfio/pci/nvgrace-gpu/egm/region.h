/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef _NVGRACE_EGM_REGION_H
#define _NVGRACE_EGM_REGION_H

#include <linux/align.h>
#include <linux/kref.h>
#include <linux/math.h>
#include <linux/mutex.h>
#include <linux/sizes.h>
#include <linux/types.h>

#include "owner.h"

struct device;
struct inode;
struct nvgrace_egm_info;
struct resource;

/* The unit of ownership and zeroing: what one PMD entry maps with 4 KiB pages. */
#define EGM_BLOCK_SIZE	SZ_2M

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
 * @lock: guards @gone, @owners and @zeroed
 * @gone: the driver was unbound; nothing may be mapped any more
 * @owners: which file owns which blocks
 * @zeroed: a bit for each block, set once it was zeroed for its next or present
 *	    owner, cleared when that owner is gone
 * @scrub_lock: held while zeroing, so that no block is zeroed by two threads
 *
 * Lock order, outermost first:
 *
 *	egm_sockets_lock (socket.c)
 *	device lock of the auxiliary device
 *	egm_chardev.lock
 *
 *	mmap_lock
 *	egm_region.scrub_lock
 *	egm_region.lock
 *
 * The two groups never nest: open() takes no mmap_lock, and no path that holds a
 * region's locks touches the device.
 */
struct egm_region {
	struct kref ref;
	phys_addr_t base;
	u64 size;
	char name[16];
	struct resource *claim;
	struct inode *inode;

	struct mutex lock;	/* guards the three below */
	bool gone;
	struct egm_owners owners;
	unsigned long *zeroed;

	struct mutex scrub_lock;	/* one zeroing thread at a time */
};

static inline unsigned long egm_region_blocks(const struct egm_region *region)
{
	return DIV_ROUND_UP_ULL(region->size, EGM_BLOCK_SIZE);
}

int egm_region_init(void);
void egm_region_exit(void);

struct egm_region *egm_region_create(struct device *dev,
				     const struct nvgrace_egm_info *info);
struct egm_region *egm_region_get(struct egm_region *region);
void egm_region_put(struct egm_region *region);
void egm_region_revoke(struct egm_region *region);

int egm_region_claim_blocks(struct egm_region *region, struct egm_owner *owner,
			    u64 offset, u64 len);
void egm_region_release_blocks(struct egm_region *region,
			       struct egm_owner *owner);

#endif /* _NVGRACE_EGM_REGION_H */
