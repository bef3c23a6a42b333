/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef _NVGRACE_EGM_SCRUB_H
#define _NVGRACE_EGM_SCRUB_H

#include <linux/list.h>
#include <linux/math.h>
#include <linux/sizes.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/workqueue.h>

/* The unit of ownership and zeroing: the size of a PMD entry with 4 KiB pages. */
#define EGM_BLOCK_SIZE	SZ_2M

enum {
	EGM_SCRUB_WORKERS_MAX = 32,
};

struct egm_retired;
struct egm_scrub;

/**
 * struct egm_scrub_worker - one of the workers of a region
 * @work: runs until it finds no block to zero
 * @scrub: of the region
 */
struct egm_scrub_worker {
	struct work_struct work;
	struct egm_scrub *scrub;
};

/**
 * struct egm_scrub - the state of each block of a region
 * @base: SPA of the first block
 * @size: bytes of the region
 * @node: NUMA node whose CPUs run the workers, or NUMA_NO_NODE
 * @retired: pages that are not zeroed
 * @state: enum egm_scrub_state of each block
 * @cursor: block at which workers that zero ahead look next; a hint
 * @lock: guards @requests and @stopped; nothing sleeps under it
 * @requests: struct egm_scrub_request of each thread that waits for several blocks
 * @stopped: set once, by egm_scrub_stop()
 * @workers: serve @requests first, then zero ahead
 */
struct egm_scrub {
	phys_addr_t base;
	u64 size;
	int node;
	struct egm_retired *retired;
	u8 *state;
	unsigned long cursor;

	spinlock_t lock;	/* guards the two below */
	struct list_head requests;
	bool stopped;

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
bool egm_scrub_use_zero(struct egm_scrub *scrub, u64 offset, u64 len);
bool egm_scrub_dirty(struct egm_scrub *scrub, unsigned long first,
		     unsigned long count);
u64 egm_scrub_pending(struct egm_scrub *scrub);

#endif /* _NVGRACE_EGM_SCRUB_H */
