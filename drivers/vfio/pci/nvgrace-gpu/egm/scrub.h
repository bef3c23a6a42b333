/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef _NVGRACE_EGM_SCRUB_H
#define _NVGRACE_EGM_SCRUB_H

#include <linux/math.h>
#include <linux/sizes.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

/* The unit of ownership and zeroing: what one PMD entry maps with 4 KiB pages. */
#define EGM_BLOCK_SIZE	SZ_2M

enum {
	EGM_SCRUB_WORKERS_MAX = 32,
};

struct egm_retired;
struct egm_scrub;

/**
 * struct egm_scrub_worker - one of the threads that zero ahead
 * @work: runs until nothing is left to zero
 * @scrub: what it works for
 */
struct egm_scrub_worker {
	struct work_struct work;
	struct egm_scrub *scrub;
};

/**
 * struct egm_scrub - which blocks of a region are zero
 * @base: SPA of the first block
 * @size: bytes of the region
 * @node: whose CPUs zero ahead
 * @retired: which pages are left as they are
 * @lock: guards all below; innermost, nothing sleeps under it
 * @zeroed: a bit for each block, set once it was zeroed for its next or present
 *	    owner, cleared when an owner who used it is gone. While it is clear,
 *	    nobody has any of the block mapped
 * @used: a bit for each block, set before any of it is mapped: what is owned and was
 *	  never mapped stays zero
 * @busy: a bit for each block, set while a thread zeroes it
 * @cursor: where workers look for the next block
 * @stopped: zeroing has ended for good
 * @wait: woken when a block becomes zero, or @stopped is set
 * @workers: those that zero ahead
 */
struct egm_scrub {
	phys_addr_t base;
	u64 size;
	int node;
	struct egm_retired *retired;

	spinlock_t lock;	/* guards all below */
	unsigned long *zeroed;
	unsigned long *used;
	unsigned long *busy;
	unsigned long cursor;
	bool stopped;
	wait_queue_head_t wait;
	struct egm_scrub_worker workers[EGM_SCRUB_WORKERS_MAX];
};

static inline unsigned long egm_scrub_blocks(const struct egm_scrub *scrub)
{
	return DIV_ROUND_UP_ULL(scrub->size, EGM_BLOCK_SIZE);
}

int egm_scrub_module_init(void);
void egm_scrub_module_exit(void);

int egm_scrub_init(struct egm_scrub *scrub, struct egm_retired *retired,
		   phys_addr_t base, u64 size, int node);
void egm_scrub_destroy(struct egm_scrub *scrub);
void egm_scrub_ahead(struct egm_scrub *scrub);
void egm_scrub_stop(struct egm_scrub *scrub);
int egm_scrub_range(struct egm_scrub *scrub, u64 offset, u64 len);
void egm_scrub_dirty(struct egm_scrub *scrub, unsigned long first,
		     unsigned long count);
u64 egm_scrub_pending(struct egm_scrub *scrub);

#endif /* _NVGRACE_EGM_SCRUB_H */
