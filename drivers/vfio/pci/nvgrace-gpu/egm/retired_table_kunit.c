// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the parser of firmware's table of retired pages, by cases and
 * against a simple model.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include "egm.h"

#include <kunit/test.h>
#include <linux/array_size.h>
#include <linux/egm.h>
#include <linux/limits.h>
#include <linux/math64.h>
#include <linux/prandom.h>
#include <linux/sprintf.h>
#include <linux/string.h>

#define BASE	0x10000000000ULL
#define GRANULE	EGM_RETIRED_TABLE_GRANULE
#define SIZE	(64ULL * GRANULE)

enum { MODEL_TABLES = 100000, MODEL_ENTRIES = 24 };

struct table {
	u64 *entries;
	size_t count;
};

#define TABLE(...)								\
	((struct table) {							\
		(u64[]){ __VA_ARGS__ }, ARRAY_SIZE(((u64[]){ __VA_ARGS__ }))	\
	})

/* Parse a table and expect ranges: "first+count", in granules of the region. */
static void expect_ranges(struct kunit *test, u64 base, u64 size, struct table table,
			  size_t bad, const char *want)
{
	struct egm_retired_page pages[8] = { };
	char got[64] = "";
	size_t dropped, n, i;
	int len = 0;

	KUNIT_ASSERT_LE(test, table.count, ARRAY_SIZE(pages));
	n = egm_retired_table_parse(table.entries, table.count, base, size, pages, &dropped);
	KUNIT_EXPECT_EQ(test, dropped, bad);
	for (i = 0; i < n; i++)
		len += scnprintf(got + len, sizeof(got) - len, "%s%llu+%llu", i ? " " : "",
				 div_u64(pages[i].offset, GRANULE),
				 div_u64(pages[i].size, GRANULE));
	KUNIT_EXPECT_STREQ(test, got, want);
}

static void table_in_order(struct kunit *test)
{
	expect_ranges(test, BASE, SIZE,
		      TABLE(BASE + 9 * GRANULE, BASE, BASE + 63 * GRANULE), 0,
		      "0+1 9+1 63+1");
}

static void table_merged(struct kunit *test)
{
	expect_ranges(test, BASE, SIZE,
		      TABLE(BASE + 5 * GRANULE, BASE + 3 * GRANULE, BASE + 4 * GRANULE,
			    BASE + 7 * GRANULE), 0,
		      "3+3 7+1");
}

static void table_repeated(struct kunit *test)
{
	expect_ranges(test, BASE, SIZE,
		      TABLE(BASE + GRANULE, BASE + GRANULE, BASE + 2 * GRANULE,
			    BASE + GRANULE), 2,
		      "1+2");
}

static void table_unaligned(struct kunit *test)
{
	expect_ranges(test, BASE, SIZE,
		      TABLE(BASE + 1, BASE + SZ_4K, BASE + GRANULE - 1, BASE + 2 * GRANULE), 3,
		      "2+1");
}

static void table_outside(struct kunit *test)
{
	expect_ranges(test, BASE, SIZE,
		      TABLE(0, BASE - GRANULE, BASE + SIZE, BASE + SIZE + GRANULE,
			    BASE + SIZE - GRANULE), 4,
		      "63+1");
}

/* The last byte of the block is at the last address: its end wraps to 0. */
static void table_wraps(struct kunit *test)
{
	expect_ranges(test, BASE, SIZE,
		      TABLE(U64_MAX, -(u64)GRANULE, 1ULL << 63, BASE), 3,
		      "0+1");
	expect_ranges(test, -(u64)SIZE, SIZE, TABLE(-(u64)GRANULE), 0,
		      "63+1");
}

/* A region that is aligned to 4 KiB only: the part of a block inside it is retired. */
static void table_across_the_edge(struct kunit *test)
{
	u64 entries[] = { BASE, BASE + 4 * GRANULE };
	struct egm_retired_page pages[2];
	size_t dropped, n;

	n = egm_retired_table_parse(entries, 2, BASE + SZ_4K, 4 * GRANULE, pages, &dropped);
	KUNIT_EXPECT_EQ(test, dropped, 0);
	KUNIT_ASSERT_EQ(test, n, 2);
	KUNIT_EXPECT_EQ(test, pages[0].offset, 0);
	KUNIT_EXPECT_EQ(test, pages[0].size, GRANULE - SZ_4K);
	KUNIT_EXPECT_EQ(test, pages[1].offset, 4 * GRANULE - SZ_4K);
	KUNIT_EXPECT_EQ(test, pages[1].size, SZ_4K);
}

static void table_full(struct kunit *test)
{
	size_t max = EGM_RETIRED_TABLE_MAX_ENTRIES, dropped, i;
	u64 *entries = kunit_kcalloc(test, max, sizeof(*entries), GFP_KERNEL);
	struct egm_retired_page *pages =
		kunit_kcalloc(test, max, sizeof(*pages), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, entries);
	KUNIT_ASSERT_NOT_NULL(test, pages);
	for (i = 0; i < max; i++)
		entries[i] = BASE + 2 * (max - 1 - i) * GRANULE;
	KUNIT_EXPECT_EQ(test, egm_retired_table_parse(entries, max, BASE, 2 * max * GRANULE,
						      pages, &dropped), max);
	KUNIT_EXPECT_EQ(test, dropped, 0);
	for (i = 0; i < max; i++)
		entries[i] = BASE + i * GRANULE;
	KUNIT_EXPECT_EQ(test, egm_retired_table_parse(entries, max, BASE, 2 * max * GRANULE,
						      pages, &dropped), 1);
	KUNIT_EXPECT_EQ(test, pages[0].size, max * GRANULE);
}

/* Addresses at and around the edges of the region. */
static u64 random_entry(struct rnd_state *rnd)
{
	u32 r = prandom_u32_state(rnd);
	u64 near = BASE + (u64)(r >> 8) % 68 * GRANULE - 2 * GRANULE;

	switch (r % 16) {
	case 0:
		return (u64)prandom_u32_state(rnd) << 32 | prandom_u32_state(rnd);
	case 1:
		return near + prandom_u32_state(rnd) % GRANULE;
	default:
		return near;
	}
}

/* The model has a byte for each granule of the region. */
static void random_tables_against_model(struct kunit *test)
{
	struct egm_retired_page pages[MODEL_ENTRIES];
	u64 entries[MODEL_ENTRIES];
	u8 want[SIZE / GRANULE], got[SIZE / GRANULE];
	size_t count, dropped, good, n, i, j, last;
	struct rnd_state rnd;
	int round, wrong = 0;

	prandom_seed_state(&rnd, 20261123);
	for (round = 0; round < MODEL_TABLES; round++) {
		memset(want, 0, sizeof(want));
		memset(got, 0, sizeof(got));
		count = prandom_u32_state(&rnd) % (MODEL_ENTRIES + 1);
		good = 0;
		for (i = 0; i < count; i++) {
			entries[i] = random_entry(&rnd);
			if (entries[i] % GRANULE || entries[i] < BASE ||
			    entries[i] >= BASE + SIZE)
				continue;
			j = (entries[i] - BASE) / GRANULE;
			good += !want[j];
			want[j] = 1;
		}
		n = egm_retired_table_parse(entries, count, BASE, SIZE, pages, &dropped);
		wrong += dropped != count - good;
		for (i = 0; i < n; i++) {
			/* In order, and not adjacent to the range before. */
			wrong += i && pages[i].offset <= pages[i - 1].offset + pages[i - 1].size;
			wrong += pages[i].offset + pages[i].size > SIZE || !pages[i].size;
			last = min((pages[i].offset + pages[i].size) / GRANULE, SIZE / GRANULE);
			for (j = pages[i].offset / GRANULE; j < last; j++)
				got[j] = 1;
		}
		wrong += !!memcmp(want, got, sizeof(want));
		KUNIT_ASSERT_EQ_MSG(test, wrong, 0, "table %d", round);
	}
}

static struct kunit_case egm_retired_table_cases[] = {
	KUNIT_CASE(table_in_order),
	KUNIT_CASE(table_merged),
	KUNIT_CASE(table_repeated),
	KUNIT_CASE(table_unaligned),
	KUNIT_CASE(table_outside),
	KUNIT_CASE(table_wraps),
	KUNIT_CASE(table_across_the_edge),
	KUNIT_CASE(table_full),
	KUNIT_CASE_SLOW(random_tables_against_model),
	{ }
};

static struct kunit_suite egm_retired_table_suite = {
	.name = "nvgrace-egm-table",
	.test_cases = egm_retired_table_cases,
};

kunit_test_suite(egm_retired_table_suite);
