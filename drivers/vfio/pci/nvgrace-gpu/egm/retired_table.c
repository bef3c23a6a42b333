// SPDX-License-Identifier: GPL-2.0-only
/*
 * Firmware's table of retired pages: a count, followed by the SPA of each 64 KiB block.
 *
 * The table is untrusted input. The count is read and bounded before the entries are mapped.
 * An entry can be unaligned, outside the region, out of order or repeated.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include "egm.h"

#include <kunit/visibility.h>
#include <linux/align.h>
#include <linux/cleanup.h>
#include <linux/device.h>
#include <linux/egm.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/minmax.h>
#include <linux/numa.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>

static int egm_retired_table_compare(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

/**
 * egm_retired_table_parse - convert the entries of a table to sorted, merged ranges
 * @entries: SPAs; sorted in place
 * @count: number of entries
 * @base: SPA of the region
 * @size: bytes of the region, not 0
 * @pages: array for @count ranges
 * @dropped: set to the number of entries that are unaligned, outside the region, or
 *	     repeated
 *
 * If a block crosses the edge of the region, the part inside the region is retired.
 *
 * Context: any.
 * Return: number of ranges in @pages.
 */
size_t egm_retired_table_parse(u64 *entries, size_t count, u64 base, u64 size,
			       struct egm_retired_page *pages, size_t *dropped)
{
	u64 last = base + size - 1, first, end;
	size_t i, n = 0;

	*dropped = 0;
	sort(entries, count, sizeof(*entries), egm_retired_table_compare, NULL);
	for (i = 0; i < count; i++) {
		if (!IS_ALIGNED(entries[i], EGM_RETIRED_TABLE_GRANULE) ||
		    entries[i] > last ||
		    entries[i] + EGM_RETIRED_TABLE_GRANULE - 1 < base ||
		    (i && entries[i] == entries[i - 1])) {
			(*dropped)++;
			continue;
		}
		first = max(entries[i], base) - base;
		end = min(entries[i] + EGM_RETIRED_TABLE_GRANULE - 1, last) - base + 1;
		if (n && pages[n - 1].offset + pages[n - 1].size == first) {
			pages[n - 1].size += end - first;
		} else {
			pages[n].offset = first;
			pages[n].size = end - first;
			n++;
		}
	}
	return n;
}
EXPORT_SYMBOL_IF_KUNIT(egm_retired_table_parse);

/*
 * Copy from physical memory. request_mem_region() fails for System RAM, and for EGM regions,
 * which guests write. An address outside SRAT is not read: an access that no device answers
 * is a fatal SError.
 */
static int egm_retired_table_copy(phys_addr_t from, void *to, size_t len)
{
	void *va;

	if (IS_ENABLED(CONFIG_NUMA_KEEP_MEMINFO) &&
	    (phys_to_target_node(from) == NUMA_NO_NODE ||
	     phys_to_target_node(from + len - 1) == NUMA_NO_NODE))
		return -ENXIO;
	if (!request_mem_region(from, len, "EGM retired pages"))
		return -EBUSY;
	va = memremap(from, len, MEMREMAP_WB);
	if (va) {
		memcpy(to, va, len);
		memunmap(va);
	}
	release_mem_region(from, len);
	return va ? 0 : -ENOMEM;
}

static int egm_retired_table_unreadable(struct device *dev, phys_addr_t table, int ret)
{
	dev_warn(dev, "%sretired pages unknown: table at %pa cannot be read (%pe)\n",
		 ret == -ENOMEM ? "" : FW_BUG, &table, ERR_PTR(ret));
	return 0;
}

/**
 * egm_retired_table_read - list the pages that firmware has retired
 * @retired: the region's list, empty
 * @dev: the device to log for
 * @table: SPA of the table, 0 if there is none
 * @base: SPA of the region, which is claimed
 * @size: bytes of the region
 *
 * If the table cannot be read, the function logs a warning and the list stays empty: the
 * region is usable without the table.
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int egm_retired_table_read(struct egm_retired *retired, struct device *dev,
			   phys_addr_t table, phys_addr_t base, u64 size)
{
	size_t dropped, n, i;
	phys_addr_t end;
	u64 count;
	int ret;

	if (!table)
		return 0;

	if (!IS_ALIGNED(table, sizeof(u64)) ||
	    check_add_overflow(table, sizeof(u64) * (1 + EGM_RETIRED_TABLE_MAX_ENTRIES), &end)) {
		dev_warn(dev, FW_BUG "retired pages unknown: no table can be at %pa\n", &table);
		return 0;
	}

	ret = egm_retired_table_copy(table, &count, sizeof(count));
	if (ret)
		return egm_retired_table_unreadable(dev, table, ret);
	if (!count)
		return 0;
	if (count > EGM_RETIRED_TABLE_MAX_ENTRIES) {
		dev_warn(dev, FW_BUG "table of retired pages at %pa says %llu entries, reading %d\n",
			 &table, count, EGM_RETIRED_TABLE_MAX_ENTRIES);
		count = EGM_RETIRED_TABLE_MAX_ENTRIES;
	}

	u64 *entries __free(kvfree) = kvmalloc_array(count, sizeof(*entries), GFP_KERNEL);
	struct egm_retired_page *pages __free(kvfree) =
		kvmalloc_array(count, sizeof(*pages), GFP_KERNEL);
	if (!entries || !pages)
		return -ENOMEM;

	ret = egm_retired_table_copy(table + sizeof(count), entries, count * sizeof(*entries));
	if (ret)
		return egm_retired_table_unreadable(dev, table, ret);

	n = egm_retired_table_parse(entries, count, base, size, pages, &dropped);
	if (dropped)
		dev_warn_ratelimited(dev, FW_BUG "ignored %zu of %llu entries of the table of retired pages: unaligned, repeated, or not in the region\n",
				     dropped, count);
	for (i = 0; i < n; i++) {
		ret = egm_retired_add(retired, pages[i].offset, pages[i].size);
		if (ret)
			return ret;
	}
	return 0;
}
