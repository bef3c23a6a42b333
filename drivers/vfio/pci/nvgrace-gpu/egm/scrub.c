// SPDX-License-Identifier: GPL-2.0-only
/*
 * Zeroing: no byte of a region reaches a new owner with what was there before.
 *
 * The kernel maps one block at a time and only while it zeroes it: a lasting alias
 * would let a stray or speculative access reach a guest's memory.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include "scrub.h"

#include <linux/bitmap.h>
#include <linux/cleanup.h>
#include <linux/io.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/string.h>

#include "region.h"

static int egm_scrub_block(struct egm_region *region, unsigned long block)
{
	u64 offset = (u64)block * EGM_BLOCK_SIZE;
	size_t len = min_t(u64, EGM_BLOCK_SIZE, region->size - offset);
	void *va;

	va = memremap(region->base + offset, len, MEMREMAP_WB);
	if (!va)
		return -ENOMEM;
	memset(va, 0, len);
	memunmap(va);
	return 0;
}

/**
 * egm_scrub - zero what has not been zeroed for its present owner
 * @region: the region
 * @offset: first byte, from the region's start
 * @len: bytes, not 0; the range is inside the region
 *
 * Whole blocks are zeroed, so the caller must own every block below the range,
 * and none of them may be mapped yet unless it was zeroed already.
 *
 * Context: may sleep.
 * Return: 0; -EINTR if a fatal signal is pending; -ENOMEM. Blocks zeroed before an
 * error count as zeroed.
 */
int egm_scrub(struct egm_region *region, u64 offset, u64 len)
{
	unsigned long block = offset / EGM_BLOCK_SIZE;
	unsigned long end = (offset + len - 1) / EGM_BLOCK_SIZE + 1;
	int ret;

	ACQUIRE(mutex_kill, lock)(&region->scrub_lock);
	ret = ACQUIRE_ERR(mutex_kill, &lock);
	if (ret)
		return ret;

	for_each_clear_bit_from(block, region->zeroed, end) {
		if (fatal_signal_pending(current))
			return -EINTR;
		ret = egm_scrub_block(region, block);
		if (ret)
			return ret;
		/* Another owner's release clears bits of the same word. */
		scoped_guard(mutex, &region->lock)
			__set_bit(block, region->zeroed);
		cond_resched();
	}
	return 0;
}
