// SPDX-License-Identifier: GPL-2.0-only
/*
 * Zeroing: no byte of a region reaches an owner with the content of an earlier owner.
 *
 * A block is in one of four states, and one thread at a time changes the state:
 *
 *	      zeroing starts       zeroing ends        the owner maps it
 *	STALE ---------------> BUSY ------------> ZERO ----------------> USED
 *	  ^                                                                |
 *	  +--------------- the owner's file is released ------------------+
 *
 * Only a block in state USED is mapped, so a thread zeroes a block without knowing its owner.
 * The state changes without a lock. The thread that moves a block from STALE to BUSY by
 * cmpxchg moves it on to ZERO, or back to STALE if memremap() fails. Only the owner's threads
 * move a block to USED, and only the release of the owner's file moves it back to STALE. A
 * store of ZERO or USED is a release, and pairs with the acquire in egm_scrub_state(): a
 * thread that finds a block in state ZERO maps zeroes.
 *
 * A thread maps one block, and only while it zeroes the block: a stray or speculative access
 * through an alias would reach a guest's memory. vmalloc unmaps lazily, so a translation can
 * stay in a TLB until mm purges freed areas.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include "egm.h"
#include "trace.h"

#include <linux/cleanup.h>
#include <linux/cpumask.h>
#include <linux/io.h>
#include <linux/math.h>
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

/* Blocks that a thread waits for. The structure is on the stack of that thread. */
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
	/* WQ_SYSFS: the administrator sets the nice level and the CPUs. */
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

static unsigned long egm_scrub_block_count(const struct egm_scrub *scrub)
{
	return DIV_ROUND_UP_ULL(scrub->size, EGM_BLOCK_SIZE);
}

static enum egm_scrub_state egm_scrub_state(struct egm_scrub *scrub, unsigned long block)
{
	/* Paired with the stores of ZERO and USED. */
	return smp_load_acquire(&scrub->state[block]);
}

/* Move a block from STALE to BUSY. The thread that succeeds must zero the block. */
static bool egm_scrub_start_block(struct egm_scrub *scrub, unsigned long block)
{
	u8 stale = EGM_SCRUB_STALE;

	return READ_ONCE(scrub->state[block]) == stale &&
	       try_cmpxchg(&scrub->state[block], &stale, EGM_SCRUB_BUSY);
}

/* Zero a part of a block, but for retired pages. */
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
		trace_egm_zero(scrub->base + offset, bad - offset);
	}
	return 0;
}

/* Zero a block that the caller has moved to BUSY. */
static int egm_scrub_block(struct egm_scrub *scrub, unsigned long block)
{
	u64 offset = (u64)block * EGM_BLOCK_SIZE;
	int ret = egm_scrub_memory(scrub, offset, min(offset + EGM_BLOCK_SIZE, scrub->size));

	store_release_wake_up(&scrub->state[block], ret ? EGM_SCRUB_STALE : EGM_SCRUB_ZERO);
	return ret;
}

/* Choose a block for a worker from the requests, one block of each request in turn. */
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
	struct egm_scrub_worker *worker = container_of(work, struct egm_scrub_worker, work);
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
 * egm_scrub_init - initialize the states, with every block stale
 * @scrub: the states, in zeroed memory
 * @retired: the region's list of retired pages, which are not zeroed
 * @base: SPA of the region, page-aligned
 * @size: bytes, page-aligned, not 0
 * @node: NUMA node of the region, with or without CPUs
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM. The caller must call egm_scrub_destroy() in both cases.
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
 * @scrub: the states; no worker was queued, or egm_scrub_stop() has returned
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
 * egm_scrub_ahead - queue workers that zero stale blocks ahead of need
 * @scrub: the region's states
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
 * egm_scrub_stop - stop all zeroing, permanently
 * @scrub: the region's states
 *
 * Waits until each worker has zeroed its present block. A thread in egm_scrub_range() zeroes
 * its present block and fails.
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

/* Queue one worker for each block but the first, and at most for each CPU but this one. */
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

/* Zero a block of the caller's file, unless another thread starts to zero it first. */
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

/* Move a block of the caller's file to USED. */
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
			/* A second thread of the owner can store the same value. */
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

	/* Zero the stale blocks first, then wait for blocks that other threads zero. */
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
 * egm_scrub_use_zero - prepare a range for mapping, if none of its blocks must be zeroed
 * @scrub: the region's states
 * @offset: first byte, as offset into the region
 * @len: bytes, not 0; the range is inside the region
 *
 * The caller must own the blocks below the range.
 *
 * Context: process; does not wait.
 * Return: true if all blocks of the range are in state USED; false if a block is stale or
 * busy, and no state has changed.
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
 * egm_scrub_range - prepare a range for mapping
 * @scrub: the region's states
 * @offset: first byte, as offset into the region
 * @len: bytes, not 0; the range is inside the region
 *
 * Zeroes the stale blocks below the range. The caller must own all blocks below the range.
 * Takes no lock if no block is stale or busy. Workers help with more than one block.
 *
 * Context: may sleep; waits for other threads that zero blocks of the range.
 * Return: 0 if all blocks are in state USED. If a block had to be zeroed: -EINTR if a fatal
 * signal is pending, -ENODEV after egm_scrub_stop(), -ENOMEM. Blocks that were zeroed before
 * an error stay zero.
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
 * egm_scrub_mark_stale - mark the used blocks of a range stale
 * @scrub: the region's states
 * @first: first block; no block of the range is mapped
 * @count: number of blocks
 *
 * Blocks that the owner never used stay in their state.
 *
 * Context: any; the blocks are reserved by their old owner until the function returns.
 * Return: true if a block became stale.
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
 * egm_scrub_pending - count the bytes that are still to be zeroed
 * @scrub: the region's states
 *
 * Context: process.
 * Return: bytes of the blocks in state STALE or BUSY.
 */
u64 egm_scrub_pending(struct egm_scrub *scrub)
{
	unsigned long block, count = 0;

	for (block = 0; block < egm_scrub_block_count(scrub); block++)
		count += egm_scrub_state(scrub, block) < EGM_SCRUB_ZERO;
	return (u64)count * EGM_BLOCK_SIZE;
}
