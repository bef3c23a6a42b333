// SPDX-License-Identifier: GPL-2.0-only
/*
 * Zeroing: no byte of a region reaches a new owner with the content of an earlier one.
 *
 * A block is in one of four states, and one thread changes it at a time:
 *
 *	      a thread takes it      it was zeroed      its owner maps it
 *	STALE ----------------> BUSY ------------> ZERO ----------------> USED
 *	  ^                                                                 |
 *	  +---------------- its owner's file is released -------------------+
 *
 * Only a block in state USED is mapped, so a thread that zeroes a block need not know
 * its owner. The state changes without a lock: STALE to BUSY by cmpxchg; BUSY to ZERO by
 * the thread that took the block; ZERO to USED and USED to STALE only on behalf of the
 * owner. A store of ZERO and one of USED are releases, paired with the acquire loads
 * of egm_scrub_state(): a thread that finds a block zero, and maps it, maps zeroes.
 *
 * Each thread maps one block of the region at a time and only while it zeroes it, because
 * a stray or speculative access through an alias would reach a guest's memory. The
 * kernel unmaps lazily: a translation can stay in a TLB until mm purges freed areas.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include "egm.h"

#include <linux/cleanup.h>
#include <linux/cpumask.h>
#include <linux/io.h>
#include <linux/minmax.h>
#include <linux/moduleparam.h>
#include <linux/nodemask.h>
#include <linux/numa.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/topology.h>
#include <linux/wait_bit.h>

enum egm_scrub_state {
	EGM_SCRUB_STALE,
	EGM_SCRUB_BUSY,
	EGM_SCRUB_ZERO,
	EGM_SCRUB_USED,
};

/* Blocks that a thread waits for, on its stack. */
struct egm_scrub_request {
	struct list_head node;
	unsigned long next;
	unsigned long end;
};

static uint egm_scrub_workers = 4;
module_param_named(scrub_workers, egm_scrub_workers, uint, 0644);
MODULE_PARM_DESC(scrub_workers,
		 "threads that zero a region ahead of need, 0 to 32 (default 4)");

static struct workqueue_struct *egm_scrub_wq;

/**
 * egm_scrub_module_init - allocate the workqueue of all workers
 *
 * Context: module init.
 * Return: 0 or -ENOMEM.
 */
int egm_scrub_module_init(void)
{
	/* WQ_SYSFS: the administrator sets its nice level and CPUs. */
	egm_scrub_wq = alloc_workqueue("egm_scrub", WQ_UNBOUND | WQ_SYSFS, 0);
	return egm_scrub_wq ? 0 : -ENOMEM;
}

/**
 * egm_scrub_module_exit - undo egm_scrub_module_init()
 *
 * Context: module exit; no region exists.
 */
void egm_scrub_module_exit(void)
{
	destroy_workqueue(egm_scrub_wq);
}

static enum egm_scrub_state egm_scrub_state(struct egm_scrub *scrub, unsigned long block)
{
	/* Paired with the stores of ZERO and USED. */
	return smp_load_acquire(&scrub->state[block]);
}

/* Take a stale block. The thread that succeeds zeroes it. */
static bool egm_scrub_start_block(struct egm_scrub *scrub, unsigned long block)
{
	u8 stale = EGM_SCRUB_STALE;

	return READ_ONCE(scrub->state[block]) == stale &&
	       try_cmpxchg(&scrub->state[block], &stale, EGM_SCRUB_BUSY);
}

/* Zero a part of a block; retired pages are skipped. */
static int egm_scrub_memory(struct egm_scrub *scrub, u64 offset, u64 end)
{
	u64 bad, skip;
	void *va;

	for (; offset < end; offset = bad + skip) {
		bad = egm_retired_next(scrub->retired, offset, end, &skip);
		if (bad == offset)
			continue;
		va = memremap(scrub->base + offset, bad - offset, MEMREMAP_WB);
		if (!va)
			return -ENOMEM;
		memset(va, 0, bad - offset);
		memunmap(va);
	}
	return 0;
}

/* Zero a block that the caller took. */
static int egm_scrub_block(struct egm_scrub *scrub, unsigned long block)
{
	u64 offset = (u64)block * EGM_BLOCK_SIZE;
	int ret;

	ret = egm_scrub_memory(scrub, offset, min(offset + EGM_BLOCK_SIZE, scrub->size));
	store_release_wake_up(&scrub->state[block], ret ? EGM_SCRUB_STALE : EGM_SCRUB_ZERO);
	return ret;
}

/* Take a block for a worker, from each request in turn. */
static bool egm_scrub_start_requested(struct egm_scrub *scrub, unsigned long *block)
{
	struct egm_scrub_request *request;

	guard(spinlock)(&scrub->lock);
	while ((request = list_first_entry_or_null(&scrub->requests,
						   struct egm_scrub_request, node))) {
		while (request->next < request->end) {
			*block = request->next++;
			if (egm_scrub_start_block(scrub, *block)) {
				list_move_tail(&request->node, &scrub->requests);
				return true;
			}
		}
		list_del_init(&request->node);
	}
	return false;
}

static bool egm_scrub_start_ahead(struct egm_scrub *scrub, unsigned long *block)
{
	unsigned long blocks = egm_scrub_block_count(scrub), at = READ_ONCE(scrub->cursor), n;

	for (n = 0; n < blocks; n++) {
		*block = (at + n) % blocks;
		if (egm_scrub_start_block(scrub, *block)) {
			WRITE_ONCE(scrub->cursor, *block + 1);
			return true;
		}
	}
	return false;
}

static void egm_scrub_work(struct work_struct *work)
{
	struct egm_scrub_worker *worker =
		container_of(work, struct egm_scrub_worker, work);
	struct egm_scrub *scrub = worker->scrub;
	unsigned int n = worker - scrub->workers;
	unsigned long block;

	while (!READ_ONCE(scrub->stopped)) {
		if (!egm_scrub_start_requested(scrub, &block) &&
		    !(n < READ_ONCE(egm_scrub_workers) &&
		      egm_scrub_start_ahead(scrub, &block)))
			return;
		if (egm_scrub_block(scrub, block))
			return;
		cond_resched();
	}
}

/**
 * egm_scrub_init - start with every block stale
 * @scrub: to initialize; zeroed memory
 * @retired: the region's list of pages that are not zeroed
 * @base: SPA of the region, page-aligned
 * @size: bytes, page-aligned, not 0
 * @node: NUMA node of the region; it need not have CPUs
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM; the caller must call egm_scrub_destroy() in either case.
 */
int egm_scrub_init(struct egm_scrub *scrub, struct egm_retired *retired,
		   phys_addr_t base, u64 size, int node)
{
	unsigned int i;

	scrub->retired = retired;
	scrub->base = base;
	scrub->size = size;
	scrub->node = numa_nearest_node(node, N_CPU);
	spin_lock_init(&scrub->lock);
	INIT_LIST_HEAD(&scrub->requests);
	for (i = 0; i < EGM_SCRUB_WORKERS_MAX; i++) {
		scrub->workers[i].scrub = scrub;
		INIT_WORK(&scrub->workers[i].work, egm_scrub_work);
	}

	BUILD_BUG_ON(EGM_SCRUB_STALE);	/* zeroed memory */
	scrub->state = kvzalloc(egm_scrub_block_count(scrub), GFP_KERNEL);
	return scrub->state ? 0 : -ENOMEM;
}

/**
 * egm_scrub_destroy - undo egm_scrub_init()
 * @scrub: was never passed to egm_scrub_ahead(), or was stopped
 */
void egm_scrub_destroy(struct egm_scrub *scrub)
{
	kvfree(scrub->state);
}

static void egm_scrub_queue(struct egm_scrub *scrub, unsigned int count)
{
	unsigned int i;

	lockdep_assert_held(&scrub->lock);
	if (scrub->stopped)
		return;
	for (i = 0; i < min(count, EGM_SCRUB_WORKERS_MAX); i++)
		queue_work_node(scrub->node, egm_scrub_wq, &scrub->workers[i].work);
}

/**
 * egm_scrub_ahead - zero stale blocks in the background
 * @scrub: the region's
 *
 * Does nothing if the module parameter scrub_workers is 0, or after egm_scrub_stop().
 *
 * Context: process.
 */
void egm_scrub_ahead(struct egm_scrub *scrub)
{
	guard(spinlock)(&scrub->lock);
	egm_scrub_queue(scrub, READ_ONCE(egm_scrub_workers));
}

/**
 * egm_scrub_stop - end all zeroing, for good
 * @scrub: the region's
 *
 * Waits until each worker has ended its block, no longer. A thread in egm_scrub_range()
 * ends its block, and fails.
 *
 * Context: may sleep.
 */
void egm_scrub_stop(struct egm_scrub *scrub)
{
	unsigned int i;

	scoped_guard(spinlock, &scrub->lock)
		WRITE_ONCE(scrub->stopped, true);
	for (i = 0; i < EGM_SCRUB_WORKERS_MAX; i++)
		cancel_work_sync(&scrub->workers[i].work);
}

/* Ask one worker for each block, and at most for each CPU but this one, to help. */
static void egm_scrub_request(struct egm_scrub *scrub, struct egm_scrub_request *request,
			      unsigned long first, unsigned long end)
{
	unsigned long cpus = num_online_cpus();

	while (first < end && egm_scrub_state(scrub, first) >= EGM_SCRUB_ZERO)
		first++;
	request->next = first;
	request->end = end;
	INIT_LIST_HEAD(&request->node);
	if (end - first <= 1)
		return;

	if (scrub->node != NUMA_NO_NODE)
		cpus = max(cpumask_weight(cpumask_of_node(scrub->node)), 1);
	guard(spinlock)(&scrub->lock);
	list_add_tail(&request->node, &scrub->requests);
	egm_scrub_queue(scrub, min(end - first, cpus) - 1);
}

static void egm_scrub_withdraw(struct egm_scrub *scrub, struct egm_scrub_request *request)
{
	guard(spinlock)(&scrub->lock);
	list_del(&request->node);
}

/* Zero a block of the caller's, unless another thread takes it first. */
static int egm_scrub_zero(struct egm_scrub *scrub, unsigned long block)
{
	int ret;

	if (READ_ONCE(scrub->stopped))
		return -ENODEV;
	if (fatal_signal_pending(current))
		return -EINTR;
	if (!egm_scrub_start_block(scrub, block))
		return 0;
	ret = egm_scrub_block(scrub, block);
	cond_resched();
	return ret;
}

/* Take a block of the caller's to USED. */
static int egm_scrub_use(struct egm_scrub *scrub, unsigned long block)
{
	int ret;

	for (;;) {
		switch (egm_scrub_state(scrub, block)) {
		case EGM_SCRUB_STALE:
			ret = egm_scrub_zero(scrub, block);
			if (ret)
				return ret;
			break;
		case EGM_SCRUB_BUSY:
			if (wait_var_event_killable(&scrub->state[block],
						    egm_scrub_state(scrub, block) !=
						    EGM_SCRUB_BUSY))
				return -EINTR;
			break;
		case EGM_SCRUB_ZERO:
			/* Other threads of the owner store the same, and no other thread stores. */
			smp_store_release(&scrub->state[block], EGM_SCRUB_USED);
			return 0;
		case EGM_SCRUB_USED:
			return 0;
		}
	}
}

static int egm_scrub_use_all(struct egm_scrub *scrub, unsigned long first, unsigned long end)
{
	unsigned long block;
	int ret;

	/* Blocks that no thread zeroes yet, before waiting for one of the others. */
	for (block = first; block < end; block++) {
		if (egm_scrub_state(scrub, block) != EGM_SCRUB_STALE)
			continue;
		ret = egm_scrub_zero(scrub, block);
		if (ret)
			return ret;
	}
	for (block = first, ret = 0; block < end && !ret; block++)
		ret = egm_scrub_use(scrub, block);
	return ret;
}

/**
 * egm_scrub_use_zero - make a range ready to be mapped, if that takes no zeroing
 * @scrub: the region's
 * @offset: first byte, from the region's start
 * @len: bytes, not 0; the range is inside the region
 *
 * The caller must own the blocks below the range.
 *
 * Context: process; does not wait.
 * Return: true if all of the range is zero or in use.
 */
bool egm_scrub_use_zero(struct egm_scrub *scrub, u64 offset, u64 len)
{
	unsigned long first = offset / EGM_BLOCK_SIZE, block;
	unsigned long end = (offset + len - 1) / EGM_BLOCK_SIZE + 1;

	for (block = first; block < end; block++)
		if (egm_scrub_state(scrub, block) < EGM_SCRUB_ZERO)
			return false;
	for (block = first; block < end; block++)
		egm_scrub_use(scrub, block);
	return true;
}

/**
 * egm_scrub_range - make a range ready to be mapped
 * @scrub: the region's
 * @offset: first byte, from the region's start
 * @len: bytes, not 0; the range is inside the region
 *
 * Zeroes the stale blocks below the range, all of which the caller must own. Takes no
 * lock if none is stale. Workers help with more than one block.
 *
 * Context: may sleep, and waits for other threads that zero blocks of the range.
 * Return: 0; if a block had to be zeroed: -EINTR if a fatal signal is pending, -ENODEV
 * after egm_scrub_stop(), -ENOMEM. Blocks zeroed before an error stay zeroed.
 */
int egm_scrub_range(struct egm_scrub *scrub, u64 offset, u64 len)
{
	unsigned long first = offset / EGM_BLOCK_SIZE;
	unsigned long end = (offset + len - 1) / EGM_BLOCK_SIZE + 1;
	struct egm_scrub_request request;
	int ret;

	if (egm_scrub_use_zero(scrub, offset, len))
		return 0;

	egm_scrub_request(scrub, &request, first, end);
	ret = egm_scrub_use_all(scrub, first, end);
	egm_scrub_withdraw(scrub, &request);
	return ret;
}

/**
 * egm_scrub_mark_stale - make blocks stale that lost their owner
 * @scrub: the region's
 * @first: first block; none of them is mapped
 * @count: number of blocks
 *
 * Blocks that the owner never used stay zero.
 *
 * Context: any; the caller keeps others from owning the blocks until it returns.
 * Return: true if any block became stale.
 */
bool egm_scrub_mark_stale(struct egm_scrub *scrub, unsigned long first, unsigned long count)
{
	unsigned long block;
	bool stale = false;

	for (block = first; block < first + count; block++) {
		if (READ_ONCE(scrub->state[block]) != EGM_SCRUB_USED)
			continue;
		WRITE_ONCE(scrub->state[block], EGM_SCRUB_STALE);
		stale = true;
	}
	return stale;
}

/**
 * egm_scrub_pending - count the bytes that are not zero yet
 * @scrub: the region's
 *
 * Context: process.
 * Return: bytes, whole blocks.
 */
u64 egm_scrub_pending(struct egm_scrub *scrub)
{
	unsigned long block, count = 0;

	for (block = 0; block < egm_scrub_block_count(scrub); block++)
		count += egm_scrub_state(scrub, block) < EGM_SCRUB_ZERO;
	return (u64)count * EGM_BLOCK_SIZE;
}
