// SPDX-License-Identifier: GPL-2.0-only
/*
 * The owner of each block, kept by ranges: the cost of a reservation depends on the number of
 * ranges, not on the size of the region.
 *
 * The ranges are in an interval tree and not in a maple tree, because a release must not
 * fail: a node is allocated when its range is reserved, and only freed later.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include "egm.h"

#include <kunit/visibility.h>
#include <linux/errno.h>
#include <linux/interval_tree.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/slab.h>

struct egm_owner_range {
	struct interval_tree_node it;
	struct egm_owner *owner;
	struct list_head node;
};

static void egm_owner_range_drop(struct egm_owner_map *map, struct egm_owner_range *range)
{
	interval_tree_remove(&range->it, &map->tree);
	list_del(&range->node);
	kfree(range);
}

/* A range of the same owner that overlaps @range or touches it. */
static struct egm_owner_range *egm_owner_range_adjacent(struct egm_owner_map *map,
							const struct egm_owner_range *range)
{
	unsigned long first = range->it.start ? range->it.start - 1 : 0;
	unsigned long last = range->it.last + 1;
	struct interval_tree_node *it;
	struct egm_owner_range *old;

	for (it = interval_tree_iter_first(&map->tree, first, last); it;
	     it = interval_tree_iter_next(it, first, last)) {
		old = container_of(it, struct egm_owner_range, it);
		if (old->owner == range->owner)
			return old;
	}
	return NULL;
}

/**
 * egm_owner_map_init - initialize a map without reserved blocks
 * @map: the map
 */
void egm_owner_map_init(struct egm_owner_map *map)
{
	map->tree = RB_ROOT_CACHED;
}
EXPORT_SYMBOL_IF_KUNIT(egm_owner_map_init);

/**
 * egm_owner_init - initialize an owner without blocks
 * @owner: the owner; the current process is its opener
 *
 * Context: process.
 */
void egm_owner_init(struct egm_owner *owner)
{
	INIT_LIST_HEAD(&owner->ranges);
	get_task_comm(owner->opener.comm, current);
	owner->opener.tgid = task_tgid_nr(current);
}
EXPORT_SYMBOL_IF_KUNIT(egm_owner_init);

/**
 * egm_owner_range_alloc - allocate a range for egm_owner_map_reserve()
 * @owner: the owner that will reserve the range
 * @first: first block
 * @last: last block, inclusive, not below @first
 *
 * Context: may sleep.
 * Return: the range, to be passed to egm_owner_map_reserve() or kfree(); NULL without memory.
 */
struct egm_owner_range *egm_owner_range_alloc(struct egm_owner *owner, unsigned long first,
					      unsigned long last)
{
	struct egm_owner_range *range = kzalloc_obj(*range, GFP_KERNEL_ACCOUNT);

	if (range) {
		range->owner = owner;
		range->it.start = first;
		range->it.last = last;
	}
	return range;
}
EXPORT_SYMBOL_IF_KUNIT(egm_owner_range_alloc);

/**
 * egm_owner_map_owns - does an owner own all blocks of a range?
 * @map: the region's map
 * @owner: the owner
 * @first: first block
 * @last: last block, inclusive
 *
 * Context: any; the caller serializes.
 * Return: true if @owner has reserved all of the blocks.
 */
bool egm_owner_map_owns(struct egm_owner_map *map, const struct egm_owner *owner,
			unsigned long first, unsigned long last)
{
	struct interval_tree_node *it = interval_tree_iter_first(&map->tree, first, last);

	/* Ranges of one owner do not touch, so one range must hold all of the blocks. */
	return it && it->start <= first && it->last >= last &&
	       container_of(it, struct egm_owner_range, it)->owner == owner;
}
EXPORT_SYMBOL_IF_KUNIT(egm_owner_map_owns);

/**
 * egm_owner_map_find_other - find another owner of a block of a range
 * @map: the region's map
 * @owner: the owner to skip
 * @first: first block; set to the first block of the range that the other owner owns
 * @last: last block, inclusive
 *
 * Context: any; the caller serializes.
 * Return: the other owner, valid while the caller serializes; NULL if there is no other
 * owner, and @first is unchanged.
 */
const struct egm_owner *egm_owner_map_find_other(struct egm_owner_map *map,
						 const struct egm_owner *owner,
						 unsigned long *first, unsigned long last)
{
	struct interval_tree_node *it;
	struct egm_owner_range *range;

	for (it = interval_tree_iter_first(&map->tree, *first, last); it;
	     it = interval_tree_iter_next(it, *first, last)) {
		range = container_of(it, struct egm_owner_range, it);
		if (range->owner == owner)
			continue;
		*first = max(*first, it->start);
		return range->owner;
	}
	return NULL;
}
EXPORT_SYMBOL_IF_KUNIT(egm_owner_map_find_other);

/**
 * egm_owner_map_next - find the next range that an owner has reserved
 * @map: the region's map
 * @first: block to start at; set to the first block of the range
 * @count: set to the number of blocks of the range
 *
 * Of a range that begins below the block to start at, the function returns the rest.
 *
 * Context: any; the caller serializes.
 * Return: the range's owner, valid while the caller serializes; NULL if no block at or above
 * @first is reserved, and neither @first nor @count is changed.
 */
const struct egm_owner *egm_owner_map_next(struct egm_owner_map *map, unsigned long *first,
					   unsigned long *count)
{
	struct interval_tree_node *it = interval_tree_iter_first(&map->tree, *first, ULONG_MAX);

	if (!it)
		return NULL;
	*first = max(*first, it->start);
	*count = it->last - *first + 1;
	return container_of(it, struct egm_owner_range, it)->owner;
}
EXPORT_SYMBOL_IF_KUNIT(egm_owner_map_next);

/**
 * egm_owner_map_reserve - reserve all blocks of a range, or none
 * @map: the region's map
 * @range: a range of egm_owner_range_alloc(); it can include blocks that its owner has
 *	   reserved before
 *
 * Context: any; the caller serializes.
 * Return: 0, and @range belongs to @map; -EBUSY if another owner has reserved one of the
 * blocks, and @range belongs to the caller.
 */
int egm_owner_map_reserve(struct egm_owner_map *map, struct egm_owner_range *range)
{
	unsigned long first = range->it.start;
	struct egm_owner_range *old;

	if (egm_owner_map_find_other(map, range->owner, &first, range->it.last))
		return -EBUSY;

	/*
	 * Merge the owner's ranges that overlap or touch the new one, so that user space
	 * cannot make the kernel keep more ranges than blocks.
	 */
	while ((old = egm_owner_range_adjacent(map, range))) {
		range->it.start = min(range->it.start, old->it.start);
		range->it.last = max(range->it.last, old->it.last);
		egm_owner_range_drop(map, old);
	}

	interval_tree_insert(&range->it, &map->tree);
	list_add(&range->node, &range->owner->ranges);
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(egm_owner_map_reserve);

/**
 * egm_owner_map_overlaps - is a block of a range reserved?
 * @map: the region's map
 * @first: first block
 * @last: last block, inclusive
 *
 * Context: any; the caller serializes.
 * Return: true if an owner has reserved one of the blocks.
 */
bool egm_owner_map_overlaps(struct egm_owner_map *map, unsigned long first, unsigned long last)
{
	return interval_tree_iter_first(&map->tree, first, last);
}
EXPORT_SYMBOL_IF_KUNIT(egm_owner_map_overlaps);

/**
 * egm_owner_first - find one range of an owner
 * @owner: an owner that reserves no block during the call
 * @first: set to the range's first block
 * @count: set to its number of blocks
 *
 * Context: any.
 * Return: true if the owner has a range. egm_owner_map_release_first() releases the range
 * that this function found.
 */
bool egm_owner_first(struct egm_owner *owner, unsigned long *first, unsigned long *count)
{
	struct egm_owner_range *range;

	range = list_first_entry_or_null(&owner->ranges, struct egm_owner_range, node);
	if (!range)
		return false;
	*first = range->it.start;
	*count = range->it.last - range->it.start + 1;
	return true;
}
EXPORT_SYMBOL_IF_KUNIT(egm_owner_first);

/**
 * egm_owner_map_release_first - release the range that egm_owner_first() found
 * @map: the region's map
 * @owner: an owner with a range
 *
 * Context: any; the caller serializes.
 */
void egm_owner_map_release_first(struct egm_owner_map *map, struct egm_owner *owner)
{
	egm_owner_range_drop(map, list_first_entry(&owner->ranges, struct egm_owner_range, node));
}
EXPORT_SYMBOL_IF_KUNIT(egm_owner_map_release_first);
