// SPDX-License-Identifier: GPL-2.0-only
/*
 * The list of a region's retired pages: pages that firmware's table names, and pages that mm
 * reported as poisoned.
 *
 * The kernel neither reads nor writes a page on the list, and user space can read the list. A
 * poisoned page whose block has an owner is also blocked: faults do not map it, and
 * memory_failure.c zaps its mappings. The release of the owner's file unblocks the page. A
 * page that is listed and not blocked is mapped like any other, and its next owner finds it
 * in the list.
 *
 * Pages of firmware's table are never blocked: a hole in the memory of a new owner would break
 * VMMs that touch all of the memory before they read the list. A page that is poisoned while
 * it has an owner is blocked, because the owner must not consume the poison again.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include "egm.h"

#include <kunit/visibility.h>
#include <linux/cleanup.h>
#include <linux/egm.h>
#include <linux/errno.h>
#include <linux/interval_tree.h>
#include <linux/minmax.h>
#include <linux/slab.h>

struct egm_retired_range {
	struct interval_tree_node it;
	bool reported;			/* by mm, not by firmware's table */
	bool blocked;			/* must not be mapped */
	bool unmap;			/* memory_failure.c has not zapped the page yet */
};

static struct egm_retired_range *egm_retired_first(struct egm_retired *retired,
						   u64 first, u64 last)
{
	struct interval_tree_node *it;

	lockdep_assert_held(&retired->lock);
	it = interval_tree_iter_first(&retired->ranges, first, last);
	return it ? container_of(it, struct egm_retired_range, it) : NULL;
}

static struct egm_retired_range *egm_retired_after(struct egm_retired_range *range,
						   u64 first, u64 last)
{
	struct interval_tree_node *it = interval_tree_iter_next(&range->it, first, last);

	return it ? container_of(it, struct egm_retired_range, it) : NULL;
}

/**
 * egm_retired_init - initialize an empty list
 * @retired: the list
 */
void egm_retired_init(struct egm_retired *retired)
{
	spin_lock_init(&retired->lock);
	retired->ranges = RB_ROOT_CACHED;
	retired->blocked = 0;
	retired->generation = 0;
}
EXPORT_SYMBOL_IF_KUNIT(egm_retired_init);

/**
 * egm_retired_destroy - undo egm_retired_init()
 * @retired: the list; no other thread uses it
 */
void egm_retired_destroy(struct egm_retired *retired)
{
	struct egm_retired_range *range;

	guard(spinlock)(&retired->lock);
	while ((range = egm_retired_first(retired, 0, ULONG_MAX))) {
		interval_tree_remove(&range->it, &retired->ranges);
		kfree(range);
	}
}
EXPORT_SYMBOL_IF_KUNIT(egm_retired_destroy);

static void egm_retired_insert(struct egm_retired *retired, struct egm_retired_range *range)
{
	lockdep_assert_held(&retired->lock);
	interval_tree_insert(&range->it, &retired->ranges);
	retired->generation++;
}

static struct egm_retired_range *egm_retired_alloc(u64 offset, u64 len, gfp_t gfp)
{
	struct egm_retired_range *range = kzalloc_obj(*range, gfp);

	if (range) {
		range->it.start = offset;
		range->it.last = offset + len - 1;
	}
	return range;
}

/* egm_retired_next_blocked() reads the number of blocked ranges without the lock. */
static void egm_retired_set_blocked(struct egm_retired *retired,
				    struct egm_retired_range *range, bool blocked)
{
	lockdep_assert_held(&retired->lock);
	WRITE_ONCE(retired->blocked, retired->blocked + blocked - range->blocked);
	range->blocked = blocked;
}

/**
 * egm_retired_add - list pages of firmware's table
 * @retired: the region's list
 * @offset: first byte, as offset into the region
 * @len: bytes, not 0; the range is inside the region
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int egm_retired_add(struct egm_retired *retired, u64 offset, u64 len)
{
	struct egm_retired_range *range = egm_retired_alloc(offset, len, GFP_KERNEL);

	if (!range)
		return -ENOMEM;
	guard(spinlock)(&retired->lock);
	egm_retired_insert(retired, range);
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(egm_retired_add);

/* Find the range that an earlier report of exactly these bytes added. */
static struct egm_retired_range *egm_retired_find(struct egm_retired *retired, u64 offset,
						  u64 len)
{
	struct egm_retired_range *range;

	for (range = egm_retired_first(retired, offset, offset + len - 1); range;
	     range = egm_retired_after(range, offset, offset + len - 1))
		if (range->it.start == offset && range->it.last == offset + len - 1)
			return range;
	return NULL;
}

/**
 * egm_retired_report - list a poisoned page
 * @retired: the region's list
 * @offset: first byte of the page, as offset into the region
 * @len: bytes of the page, which is inside the region
 * @block: block the page, because the block below it has an owner
 *
 * mm reports a page once for each of its mappings, and again each time the poison is
 * consumed. After each report egm_retired_next_unmap() returns the page once.
 *
 * Context: any but interrupts; mm serializes its reports.
 * Return: 0 or -ENOMEM.
 */
int egm_retired_report(struct egm_retired *retired, u64 offset, u64 len, bool block)
{
	struct egm_retired_range *range;

	guard(spinlock)(&retired->lock);
	range = egm_retired_find(retired, offset, len);
	if (!range) {
		range = egm_retired_alloc(offset, len, GFP_ATOMIC | __GFP_NOWARN);
		if (!range)
			return -ENOMEM;
		range->reported = true;
		egm_retired_insert(retired, range);
	} else if (block && !range->blocked) {
		retired->generation++;
	}
	if (block)
		egm_retired_set_blocked(retired, range, true);
	range->unmap = true;
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(egm_retired_report);

/**
 * egm_retired_next_unmap - find a page that was reported and must be zapped
 * @retired: the region's list
 * @offset: set to the first byte of the page, as offset into the region
 * @len: set to the bytes of the page
 *
 * The caller must wait for threads that looked for blocked pages before the report, and then
 * zap the page.
 *
 * Context: process.
 * Return: true if the function found a page.
 */
bool egm_retired_next_unmap(struct egm_retired *retired, u64 *offset, u64 *len)
{
	struct egm_retired_range *range;

	guard(spinlock)(&retired->lock);
	for (range = egm_retired_first(retired, 0, ULONG_MAX); range;
	     range = egm_retired_after(range, 0, ULONG_MAX)) {
		if (!range->unmap)
			continue;
		range->unmap = false;
		*offset = range->it.start;
		*len = range->it.last - range->it.start + 1;
		return true;
	}
	return false;
}
EXPORT_SYMBOL_IF_KUNIT(egm_retired_next_unmap);

/**
 * egm_retired_unblock - unblock the pages of a range whose owner was released
 * @retired: the region's list
 * @offset: first byte, as offset into the region
 * @len: bytes, not 0; no byte of the range is mapped
 *
 * Context: process.
 */
void egm_retired_unblock(struct egm_retired *retired, u64 offset, u64 len)
{
	struct egm_retired_range *range;

	guard(spinlock)(&retired->lock);
	for (range = egm_retired_first(retired, offset, offset + len - 1); range;
	     range = egm_retired_after(range, offset, offset + len - 1))
		egm_retired_set_blocked(retired, range, false);
}
EXPORT_SYMBOL_IF_KUNIT(egm_retired_unblock);

/* Remove one reported page of a range from the list. */
static struct egm_retired_range *egm_retired_remove_reported(struct egm_retired *retired,
							     u64 first, u64 last)
{
	struct egm_retired_range *range;

	guard(spinlock)(&retired->lock);
	for (range = egm_retired_first(retired, first, last); range;
	     range = egm_retired_after(range, first, last)) {
		if (!range->reported || range->it.start < first || range->it.last > last)
			continue;
		interval_tree_remove(&range->it, &retired->ranges);
		egm_retired_set_blocked(retired, range, false);
		range->unmap = false;
		return range;
	}
	return NULL;
}

/**
 * egm_retired_move - move the reported pages of a range to another list
 * @from: the list that has the pages
 * @offset: first byte of the range, as offset in @from
 * @len: bytes of the range, not 0; no byte of the range is mapped
 * @to: the other list
 * @to_offset: first byte of the range, as offset in @to
 *
 * Pages of firmware's table stay in @from: each probe reads the table again. The function
 * allocates nothing, so it cannot fail and forget a poisoned page.
 *
 * Context: process.
 */
void egm_retired_move(struct egm_retired *from, u64 offset, u64 len,
		      struct egm_retired *to, u64 to_offset)
{
	struct egm_retired_range *range;

	while ((range = egm_retired_remove_reported(from, offset, offset + len - 1))) {
		range->it.start += to_offset - offset;
		range->it.last += to_offset - offset;
		guard(spinlock)(&to->lock);
		egm_retired_insert(to, range);
	}
}
EXPORT_SYMBOL_IF_KUNIT(egm_retired_move);

/**
 * egm_retired_next_blocked - find the first blocked byte of a range
 * @retired: the region's list
 * @offset: first byte of the range, as offset into the region
 * @end: end of the range, greater than @offset
 *
 * Context: process.
 * Return: offset of the first blocked byte, or @end if no byte of the range is blocked.
 */
u64 egm_retired_next_blocked(struct egm_retired *retired, u64 offset, u64 end)
{
	struct egm_retired_range *range;

	if (!READ_ONCE(retired->blocked))
		return end;
	guard(spinlock)(&retired->lock);
	for (range = egm_retired_first(retired, offset, end - 1); range;
	     range = egm_retired_after(range, offset, end - 1))
		if (range->blocked)
			return max(offset, range->it.start);
	return end;
}
EXPORT_SYMBOL_IF_KUNIT(egm_retired_next_blocked);

/**
 * egm_retired_next - find the first retired bytes of a range
 * @retired: the region's list
 * @offset: first byte of the range, as offset into the region
 * @end: end of the range, greater than @offset
 * @len: set to the number of retired bytes from the returned byte on
 *
 * Context: process.
 * Return: offset of the first retired byte. If no byte of the range is retired, @end, and
 * @len is set to 0.
 */
u64 egm_retired_next(struct egm_retired *retired, u64 offset, u64 end, u64 *len)
{
	struct egm_retired_range *range;
	u64 first;

	guard(spinlock)(&retired->lock);
	*len = 0;
	range = egm_retired_first(retired, offset, end - 1);
	if (!range)
		return end;
	first = max(offset, range->it.start);
	*len = min(end, range->it.last + 1) - first;
	return first;
}
EXPORT_SYMBOL_IF_KUNIT(egm_retired_next);

/**
 * egm_retired_list - copy the list as sorted, merged ranges
 * @retired: the region's list
 * @pages: array for the ranges; can be NULL if @max is 0
 * @max: number of entries in @pages
 * @generation: set to the generation of the copy; can be NULL
 *
 * Context: process.
 * Return: number of ranges of the whole list. If it is more than @max, only the first @max
 * ranges were copied.
 */
size_t egm_retired_list(struct egm_retired *retired, struct egm_retired_page *pages,
			size_t max, unsigned long *generation)
{
	struct egm_retired_range *range;
	u64 first = 0, end = 0;
	size_t n = 0;

	guard(spinlock)(&retired->lock);
	if (generation)
		*generation = retired->generation;
	for (range = egm_retired_first(retired, 0, ULONG_MAX); range;
	     range = egm_retired_after(range, 0, ULONG_MAX)) {
		if (n && range->it.start <= end) {
			end = max(end, range->it.last + 1);
		} else {
			first = range->it.start;
			end = range->it.last + 1;
			n++;
		}
		if (n <= max)
			pages[n - 1] = (struct egm_retired_page) {
				.offset = first, .size = end - first,
			};
	}
	return n;
}
EXPORT_SYMBOL_IF_KUNIT(egm_retired_list);

/**
 * egm_retired_bytes - count the retired bytes
 * @retired: the region's list
 *
 * Context: process.
 * Return: number of bytes that are on the list; overlapping ranges count once.
 */
u64 egm_retired_bytes(struct egm_retired *retired)
{
	struct egm_retired_range *range;
	u64 end = 0, bytes = 0;

	guard(spinlock)(&retired->lock);
	for (range = egm_retired_first(retired, 0, ULONG_MAX); range;
	     range = egm_retired_after(range, 0, ULONG_MAX)) {
		u64 next = range->it.last + 1;

		if (next > end) {
			bytes += next - max(end, range->it.start);
			end = next;
		}
	}
	return bytes;
}
EXPORT_SYMBOL_IF_KUNIT(egm_retired_bytes);

/**
 * egm_retired_generation - read the generation of the list
 * @retired: the region's list
 *
 * Context: process.
 * Return: a number that changes when the list grows.
 */
unsigned long egm_retired_generation(struct egm_retired *retired)
{
	guard(spinlock)(&retired->lock);
	return retired->generation;
}
