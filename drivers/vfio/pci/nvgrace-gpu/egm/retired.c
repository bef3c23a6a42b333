// SPDX-License-Identifier: GPL-2.0-only
/*
 * The list of a region's retired pages: those that firmware named, and those that
 * went bad since.
 *
 * A page on the list is never read or written by the kernel, and everybody who asks
 * is told of it. A page that mm reports is blocked for as long as the owner of its block
 * lives: no mapping of it is made, and poison.c removes those that there are. From then on,
 * or if there is no owner, it is listed only: the next owner is told, and maps it as it is.
 *
 * Pages of firmware's table are listed from the start. A hole in the memory of a new
 * owner would break VMMs that touch all of it before they ask for the list; a page
 * that went bad under its owner must not be consumed again.
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
	bool unmap;			/* was reported, and poison.c has not handled it */
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
 * egm_retired_init - start with no page
 * @retired: to initialize
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
 * @retired: nobody else uses it any more
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

/* The count is read without the lock. */
static void egm_retired_set_blocked(struct egm_retired *retired,
				    struct egm_retired_range *range, bool blocked)
{
	lockdep_assert_held(&retired->lock);
	WRITE_ONCE(retired->blocked, retired->blocked + blocked - range->blocked);
	range->blocked = blocked;
}

/**
 * egm_retired_add - list pages that were bad before anyone owned them
 * @retired: the region's
 * @offset: first byte, from the region's start
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

/* The range that a report of these bytes has made before. */
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
 * egm_retired_report - list a page that has gone bad
 * @retired: the region's
 * @offset: its first byte, from the region's start
 * @len: its bytes; the range is inside the region
 * @block: whether its block has an owner: from here on egm_retired_next_blocked() finds it
 *
 * mm reports a page once for each mapping of it, and again whenever it is consumed.
 * egm_retired_next_unmap() finds it once for each report.
 *
 * Context: any but interrupts; mm never makes two reports at a time.
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
 * egm_retired_next_unmap - take a page whose mappings are to be removed
 * @retired: the region's
 * @offset: set to its first byte, from the region's start
 * @len: set to its bytes
 *
 * The caller waits for threads that looked before the report, and then removes the page's
 * mappings.
 *
 * Context: process.
 * Return: true if there was one.
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
 * egm_retired_unblock - the owner of some blocks is gone
 * @retired: the region's
 * @offset: first byte, from the region's start
 * @len: bytes, not 0; nobody has any of it mapped
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
 * egm_retired_move - let another list have what was reported of a range
 * @from: the list that has it
 * @offset: first byte of the range, as @from counts
 * @len: bytes of the range, not 0; nobody has any of it mapped
 * @to: the other list
 * @to_offset: the same byte, as @to counts
 *
 * What firmware named stays: its table is read for each region. Nothing is allocated, so
 * that what is known of bad memory cannot be lost.
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
 * egm_retired_next_blocked - find the first byte of a range that must not be mapped
 * @retired: the region's
 * @offset: first byte, from the region's start
 * @end: the byte after its last, greater than @offset
 *
 * Context: process.
 * Return: the byte, or @end if all of the range can be mapped.
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
 * @retired: the region's
 * @offset: first byte, from the region's start
 * @end: the byte after its last, greater than @offset
 * @len: set to how many bytes from the returned one on are retired
 *
 * Context: process.
 * Return: the first retired byte, or @end if there is none (@len is 0 then).
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
 * egm_retired_list - all retired pages, in order, merged, without overlap
 * @retired: the region's
 * @pages: where they go; may be NULL if @max is 0
 * @max: room for so many
 * @generation: set to a number that changes when the list does, if not NULL
 *
 * Context: process.
 * Return: how many there are; if more than @max, only that many were stored.
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
 * egm_retired_bytes - how much is retired
 * @retired: the region's
 *
 * Context: process.
 * Return: bytes.
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
 * egm_retired_generation - a number that changes when the list does
 * @retired: the region's
 *
 * Context: process.
 * Return: the number.
 */
unsigned long egm_retired_generation(struct egm_retired *retired)
{
	guard(spinlock)(&retired->lock);
	return retired->generation;
}
