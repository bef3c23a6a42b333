// SPDX-License-Identifier: GPL-2.0-only
/*
 * Zeroing: no byte of a region reaches a new owner with what was there before.
 *
 * A block is dirty, being zeroed by one thread, or zero. It is zeroed by whoever
 * comes first: a thread about to map it, or a worker ahead of need. Until it is zero
 * nobody has it mapped, so a worker need not know who owns it.
 *
 * Each thread maps one block at a time and only while it zeroes it: a lasting alias
 * would let a stray or speculative access reach a guest's memory.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include "scrub.h"

#include <linux/bitmap.h>
#include <linux/cleanup.h>
#include <linux/io.h>
#include <linux/minmax.h>
#include <linux/moduleparam.h>
#include <linux/nodemask.h>
#include <linux/numa.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/string.h>

#include "retired.h"

static uint egm_scrub_workers = 4;
module_param_named(scrub_workers, egm_scrub_workers, uint, 0644);
MODULE_PARM_DESC(scrub_workers,
		 "threads that zero a region ahead of need, 0 to 32 (default 4)");

static struct workqueue_struct *egm_scrub_wq;

/**
 * egm_scrub_module_init - make the workqueue that zeroing ahead runs on
 *
 * Context: module init.
 * Return: 0 or -ENOMEM.
 */
int egm_scrub_module_init(void)
{
	/* With WQ_SYSFS the administrator has its nice level and CPUs in hand. */
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

/* Zero some of a block; what is retired is not even mapped. */
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

static int egm_scrub_block(struct egm_scrub *scrub, unsigned long block)
{
	u64 offset = (u64)block * EGM_BLOCK_SIZE;
	int ret;

	ret = egm_scrub_memory(scrub, offset, min(offset + EGM_BLOCK_SIZE, scrub->size));

	scoped_guard(spinlock, &scrub->lock) {
		__clear_bit(block, scrub->busy);
		if (!ret)
			__set_bit(block, scrub->zeroed);
	}
	wake_up_all(&scrub->wait);
	return ret;
}

/* The first dirty block in [@first, @end) that nobody zeroes, or @end. */
static unsigned long egm_scrub_find(struct egm_scrub *scrub,
				    unsigned long first, unsigned long end)
{
	unsigned long block = first;

	lockdep_assert_held(&scrub->lock);
	for_each_clear_bit_from(block, scrub->zeroed, end)
		if (!test_bit(block, scrub->busy))
			return block;
	return end;
}

/* Make a dirty block this worker's, if there is one. */
static bool egm_scrub_take_next(struct egm_scrub *scrub, unsigned long *block)
{
	unsigned long end = egm_scrub_blocks(scrub);

	guard(spinlock)(&scrub->lock);
	if (scrub->stopped)
		return false;

	*block = egm_scrub_find(scrub, scrub->cursor, end);
	if (*block == end) {
		*block = egm_scrub_find(scrub, 0, scrub->cursor);
		if (*block == scrub->cursor)
			return false;
	}
	__set_bit(*block, scrub->busy);
	scrub->cursor = *block + 1;
	return true;
}

static void egm_scrub_work(struct work_struct *work)
{
	struct egm_scrub_worker *worker =
		container_of(work, struct egm_scrub_worker, work);
	struct egm_scrub *scrub = worker->scrub;
	unsigned int n = worker - scrub->workers;
	unsigned long block;

	/* Without memory for a mapping: whoever needs the block says so. */
	while (n < READ_ONCE(egm_scrub_workers) &&
	       egm_scrub_take_next(scrub, &block) &&
	       !egm_scrub_block(scrub, block))
		cond_resched();
}

/**
 * egm_scrub_init - start with every block dirty
 * @scrub: to initialize; zeroed memory
 * @retired: the region's list of pages to leave as they are
 * @base: SPA of the region, page-aligned
 * @size: bytes, page-aligned, not 0
 * @node: of the region; it need not have CPUs
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM; in either case egm_scrub_destroy() is due.
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
	init_waitqueue_head(&scrub->wait);
	for (i = 0; i < EGM_SCRUB_WORKERS_MAX; i++) {
		scrub->workers[i].scrub = scrub;
		INIT_WORK(&scrub->workers[i].work, egm_scrub_work);
	}

	scrub->zeroed = bitmap_zalloc(egm_scrub_blocks(scrub), GFP_KERNEL);
	scrub->used = bitmap_zalloc(egm_scrub_blocks(scrub), GFP_KERNEL);
	scrub->busy = bitmap_zalloc(egm_scrub_blocks(scrub), GFP_KERNEL);
	return scrub->zeroed && scrub->used && scrub->busy ? 0 : -ENOMEM;
}

/**
 * egm_scrub_destroy - undo egm_scrub_init()
 * @scrub: has never been given to egm_scrub_ahead(), or was stopped
 */
void egm_scrub_destroy(struct egm_scrub *scrub)
{
	bitmap_free(scrub->busy);
	bitmap_free(scrub->used);
	bitmap_free(scrub->zeroed);
}

static void egm_scrub_ahead_from(struct egm_scrub *scrub, unsigned long block)
{
	unsigned int i, count;

	count = min(READ_ONCE(egm_scrub_workers), EGM_SCRUB_WORKERS_MAX);
	guard(spinlock)(&scrub->lock);
	if (scrub->stopped)
		return;
	scrub->cursor = block;
	for (i = 0; i < count; i++)
		queue_work_node(scrub->node, egm_scrub_wq, &scrub->workers[i].work);
}

/**
 * egm_scrub_ahead - zero what is dirty in the background
 * @scrub: the region's
 *
 * Does nothing if the administrator has switched it off, or after
 * egm_scrub_stop().
 *
 * Context: process.
 */
void egm_scrub_ahead(struct egm_scrub *scrub)
{
	egm_scrub_ahead_from(scrub, 0);
}

/**
 * egm_scrub_stop - end all zeroing, for good
 * @scrub: the region's
 *
 * Waits for the blocks that workers are at, no longer. A thread that zeroes on its own
 * account ends its block, and gives up then.
 *
 * Context: may sleep.
 */
void egm_scrub_stop(struct egm_scrub *scrub)
{
	unsigned int i;

	scoped_guard(spinlock, &scrub->lock)
		scrub->stopped = true;
	wake_up_all(&scrub->wait);
	for (i = 0; i < EGM_SCRUB_WORKERS_MAX; i++)
		cancel_work_sync(&scrub->workers[i].work);
}

/*
 * What a thread that is to use [@start, @end) does next: 0 if it is zero, -EAGAIN with a
 * block to zero, which is then its own, -EBUSY if others zero all that is left, -ENODEV.
 * *@first, from @start on, moves to the first block that is not zero.
 */
static int egm_scrub_take(struct egm_scrub *scrub, unsigned long start,
			  unsigned long *first, unsigned long end, unsigned long *block)
{
	guard(spinlock)(&scrub->lock);
	*first = find_next_zero_bit(scrub->zeroed, end, *first);
	if (*first >= end) {
		bitmap_set(scrub->used, start, end - start);
		return 0;
	}
	if (scrub->stopped)
		return -ENODEV;
	*block = egm_scrub_find(scrub, *first, end);
	if (*block == end)
		return -EBUSY;
	__set_bit(*block, scrub->busy);
	return -EAGAIN;
}

/* Is there anything new for a thread to which egm_scrub_take() said -EBUSY? */
static bool egm_scrub_moved(struct egm_scrub *scrub, unsigned long first,
			    unsigned long end)
{
	guard(spinlock)(&scrub->lock);
	return scrub->stopped ||
	       egm_scrub_find(scrub, first, end) != end ||
	       find_next_zero_bit(scrub->zeroed, end, first) >= end;
}

/**
 * egm_scrub_range - see to it that a range about to be mapped is zero, or was for its
 * present owner
 * @scrub: the region's
 * @offset: first byte, from the region's start
 * @len: bytes, not 0; the range is inside the region
 *
 * Whole blocks are zeroed, so the caller must own every block below the range.
 * Workers help if there is more than one to zero.
 *
 * Context: may sleep, and waits for other threads that zero some of the range.
 * Return: 0; -EINTR if a fatal signal is pending; -ENODEV after egm_scrub_stop();
 * -ENOMEM. Blocks zeroed before an error stay zeroed.
 */
int egm_scrub_range(struct egm_scrub *scrub, u64 offset, u64 len)
{
	unsigned long start = offset / EGM_BLOCK_SIZE, first = start, block = start;
	unsigned long end = (offset + len - 1) / EGM_BLOCK_SIZE + 1;
	bool asked = false;
	int ret;

	for (;;) {
		if (fatal_signal_pending(current))
			return -EINTR;
		ret = egm_scrub_take(scrub, start, &first, end, &block);
		if (!ret || ret == -ENODEV)
			return ret;
		if (!asked && end - first > 1) {
			egm_scrub_ahead_from(scrub, first);
			asked = true;
		}
		if (ret == -EBUSY)
			ret = wait_event_killable(scrub->wait,
						  egm_scrub_moved(scrub, first, end));
		else
			ret = egm_scrub_block(scrub, block);
		if (ret)
			return ret == -ERESTARTSYS ? -EINTR : ret;
		cond_resched();
	}
}

/**
 * egm_scrub_dirty - a range of blocks has lost its owner
 * @scrub: the region's
 * @first: first block, mapped by nobody
 * @count: how many
 *
 * What of it was given to egm_scrub_range() is dirty from now on.
 *
 * Context: process.
 */
void egm_scrub_dirty(struct egm_scrub *scrub, unsigned long first,
		     unsigned long count)
{
	unsigned long from = first, to;

	guard(spinlock)(&scrub->lock);
	for_each_set_bitrange_from(from, to, scrub->used, first + count)
		bitmap_clear(scrub->zeroed, from, to - from);
	bitmap_clear(scrub->used, first, count);
}

/**
 * egm_scrub_pending - how much is left to zero
 * @scrub: the region's
 *
 * Context: process.
 * Return: bytes, whole blocks.
 */
u64 egm_scrub_pending(struct egm_scrub *scrub)
{
	unsigned long blocks = egm_scrub_blocks(scrub);

	guard(spinlock)(&scrub->lock);
	return (u64)(blocks - bitmap_weight(scrub->zeroed, blocks)) * EGM_BLOCK_SIZE;
}
