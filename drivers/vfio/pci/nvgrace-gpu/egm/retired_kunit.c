// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the list of retired pages.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include "egm.h"

#include <kunit/test.h>
#include <linux/egm.h>
#include <linux/errno.h>
#include <linux/sizes.h>

#define SIZE	SZ_1G
#define PAGE	SZ_4K

static int retired_init(struct kunit *test)
{
	struct egm_retired *r = kunit_kzalloc(test, sizeof(*r), GFP_KERNEL);

	if (!r)
		return -ENOMEM;
	egm_retired_init(r);
	test->priv = r;
	return 0;
}

static void retired_exit(struct kunit *test)
{
	if (test->priv)
		egm_retired_destroy(test->priv);
}

static bool blocked(struct egm_retired *r, u64 offset, u64 len)
{
	return egm_retired_next_blocked(r, offset, offset + len) < offset + len;
}

static void list_empty_at_start(struct kunit *test)
{
	struct egm_retired *r = test->priv;
	u64 len;

	KUNIT_EXPECT_EQ(test, egm_retired_list(r, NULL, 0, NULL), 0);
	KUNIT_EXPECT_EQ(test, egm_retired_bytes(r), 0);
	KUNIT_EXPECT_EQ(test, egm_retired_next(r, 0, SIZE, &len), SIZE);
	KUNIT_EXPECT_EQ(test, len, 0);
	KUNIT_EXPECT_FALSE(test, blocked(r, 0, SIZE));
}

/* A granule of firmware, and pages inside it, next to it and apart from it. */
static void list_merges(struct kunit *test)
{
	struct egm_retired *r = test->priv;
	struct egm_retired_page p[3] = { };

	KUNIT_ASSERT_EQ(test, egm_retired_add(r, SZ_1M, SZ_64K), 0);
	KUNIT_ASSERT_EQ(test, egm_retired_report(r, SZ_1M + PAGE, PAGE, true), 0);
	KUNIT_ASSERT_EQ(test, egm_retired_report(r, SZ_1M + SZ_64K, PAGE, true), 0);
	KUNIT_ASSERT_EQ(test, egm_retired_report(r, SIZE - PAGE, PAGE, true), 0);

	KUNIT_EXPECT_EQ(test, egm_retired_list(r, p, 3, NULL), 2);
	KUNIT_EXPECT_EQ(test, p[0].offset, SZ_1M);
	KUNIT_EXPECT_EQ(test, p[0].size, SZ_64K + PAGE);
	KUNIT_EXPECT_EQ(test, p[1].offset, SIZE - PAGE);
	KUNIT_EXPECT_EQ(test, p[1].size, PAGE);
	KUNIT_EXPECT_EQ(test, egm_retired_bytes(r), SZ_64K + 2 * PAGE);
}

/* A list that does not fit is counted, and no range is stored past the array. */
static void list_too_long(struct kunit *test)
{
	struct egm_retired *r = test->priv;
	struct egm_retired_page p[3] = { };
	int i;

	for (i = 0; i < 3; i++)
		KUNIT_ASSERT_EQ(test, egm_retired_add(r, i * SZ_1M, PAGE), 0);
	KUNIT_EXPECT_EQ(test, egm_retired_list(r, p, 2, NULL), 3);
	KUNIT_EXPECT_EQ(test, p[1].offset, SZ_1M);
	KUNIT_EXPECT_EQ(test, p[2].size, 0);
}

static void states_of_poisoned_page(struct kunit *test)
{
	struct egm_retired *r = test->priv;
	u64 offset, len;

	KUNIT_ASSERT_EQ(test, egm_retired_report(r, SZ_2M, PAGE, true), 0);
	KUNIT_EXPECT_EQ(test, egm_retired_report(r, SZ_2M, PAGE, true), 0);
	KUNIT_EXPECT_EQ(test, egm_retired_bytes(r), PAGE);

	KUNIT_EXPECT_TRUE(test, egm_retired_next_unmap(r, &offset, &len));
	KUNIT_EXPECT_EQ(test, offset, SZ_2M);
	KUNIT_EXPECT_EQ(test, len, PAGE);
	KUNIT_EXPECT_FALSE(test, egm_retired_next_unmap(r, &offset, &len));
	KUNIT_EXPECT_EQ(test, egm_retired_next_blocked(r, 0, SIZE), SZ_2M);
	KUNIT_EXPECT_FALSE(test, blocked(r, 0, SZ_2M));
	KUNIT_EXPECT_FALSE(test, blocked(r, SZ_2M + PAGE, PAGE));

	/* A second report of a blocked page zaps the page again. */
	KUNIT_EXPECT_EQ(test, egm_retired_report(r, SZ_2M, PAGE, true), 0);
	KUNIT_EXPECT_TRUE(test, egm_retired_next_unmap(r, &offset, &len));
	KUNIT_EXPECT_FALSE(test, egm_retired_next_unmap(r, &offset, &len));
	KUNIT_EXPECT_EQ(test, egm_retired_list(r, NULL, 0, NULL), 1);

	/* Unblock the blocks of another owner, then the blocks of the page's owner. */
	egm_retired_unblock(r, 0, SZ_2M);
	KUNIT_EXPECT_TRUE(test, blocked(r, SZ_2M, PAGE));
	egm_retired_unblock(r, SZ_2M, SZ_2M);
	KUNIT_EXPECT_FALSE(test, blocked(r, 0, SIZE));
	KUNIT_EXPECT_EQ(test, egm_retired_bytes(r), PAGE);

	/* The page is poisoned again under the next owner. */
	KUNIT_EXPECT_EQ(test, egm_retired_report(r, SZ_2M, PAGE, true), 0);
	KUNIT_EXPECT_TRUE(test, egm_retired_next_unmap(r, &offset, &len));
	KUNIT_EXPECT_EQ(test, egm_retired_list(r, NULL, 0, NULL), 1);

	/* A page without an owner is zapped and not blocked. */
	KUNIT_EXPECT_EQ(test, egm_retired_report(r, SZ_1M, PAGE, false), 0);
	KUNIT_EXPECT_FALSE(test, blocked(r, SZ_1M, PAGE));
	KUNIT_EXPECT_TRUE(test, egm_retired_next_unmap(r, &offset, &len));
	KUNIT_EXPECT_EQ(test, offset, SZ_1M);
	KUNIT_EXPECT_EQ(test, egm_retired_bytes(r), 2 * PAGE);
}

/* The walk of zeroing must visit each byte that is not retired, and no other byte. */
static void next_walks_around(struct kunit *test)
{
	struct egm_retired *r = test->priv;
	u64 at, bad, len, good = 0;

	KUNIT_ASSERT_EQ(test, egm_retired_add(r, 0, SZ_64K), 0);
	KUNIT_ASSERT_EQ(test, egm_retired_add(r, SZ_1M, SZ_64K), 0);
	KUNIT_ASSERT_EQ(test, egm_retired_report(r, SZ_1M + SZ_32K, PAGE, true), 0);
	/* A range that extends past the end of the walk. */
	KUNIT_ASSERT_EQ(test, egm_retired_add(r, SZ_2M - SZ_32K, SZ_64K), 0);
	for (at = 0; at < SZ_2M; at = bad + len) {
		bad = egm_retired_next(r, at, SZ_2M, &len);
		KUNIT_ASSERT_GE(test, bad, at);
		KUNIT_ASSERT_GT(test, bad + len, at);
		good += bad - at;
	}
	KUNIT_EXPECT_EQ(test, at, SZ_2M);
	KUNIT_EXPECT_EQ(test, good, SZ_2M - 2 * SZ_64K - SZ_32K);
}

static void generation_changes(struct kunit *test)
{
	struct egm_retired *r = test->priv;
	unsigned long a, b;

	egm_retired_list(r, NULL, 0, &a);
	KUNIT_ASSERT_EQ(test, egm_retired_report(r, SZ_2M, PAGE, true), 0);
	egm_retired_list(r, NULL, 0, &b);
	KUNIT_EXPECT_NE(test, a, b);
	/* A second report does not change the generation. */
	KUNIT_ASSERT_EQ(test, egm_retired_report(r, SZ_2M, PAGE, true), 0);
	KUNIT_ASSERT_EQ(test, egm_retired_report(r, SZ_2M, PAGE, false), 0);
	egm_retired_list(r, NULL, 0, &a);
	KUNIT_EXPECT_EQ(test, a, b);
}

/* Reported pages move to another list and back. Pages of the table stay. */
static void move_reported_pages(struct kunit *test)
{
	struct egm_retired *r = test->priv, known;
	const u64 base = 1ULL << 40;
	struct egm_retired_page page;
	u64 offset, len;

	egm_retired_init(&known);
	KUNIT_ASSERT_EQ(test, egm_retired_add(r, 0, SZ_64K), 0);
	KUNIT_ASSERT_EQ(test, egm_retired_report(r, 0, PAGE, true), 0);
	/* A report of exactly the range of the table, as with 64 KiB pages. */
	KUNIT_ASSERT_EQ(test, egm_retired_report(r, 0, SZ_64K, true), 0);
	KUNIT_ASSERT_EQ(test, egm_retired_report(r, SZ_2M, PAGE, true), 0);
	while (egm_retired_next_unmap(r, &offset, &len))
		;
	KUNIT_EXPECT_TRUE(test, blocked(r, SZ_2M, PAGE));
	/* The last page of the range that is moved, and the page after it. */
	KUNIT_ASSERT_EQ(test, egm_retired_report(r, SIZE - PAGE, PAGE, true), 0);
	KUNIT_ASSERT_EQ(test, egm_retired_report(r, SIZE, PAGE, true), 0);
	egm_retired_move(r, 0, SIZE, &known, base);
	KUNIT_EXPECT_EQ(test, egm_retired_bytes(r), SZ_64K + PAGE);
	KUNIT_EXPECT_EQ(test, egm_retired_bytes(&known), 3 * PAGE);
	KUNIT_EXPECT_EQ(test, egm_retired_list(&known, &page, 1, NULL), 3);
	KUNIT_EXPECT_EQ(test, page.offset, base);

	/* The pages are listed and not blocked, and a new report blocks them again. */
	egm_retired_move(&known, base, SZ_2M + PAGE, r, 0);
	KUNIT_EXPECT_EQ(test, egm_retired_bytes(&known), PAGE);
	KUNIT_EXPECT_FALSE(test, blocked(r, SZ_64K, SIZE - SZ_64K));
	KUNIT_EXPECT_TRUE(test, egm_retired_next_unmap(r, &offset, &len));
	KUNIT_EXPECT_EQ(test, offset, SIZE);
	KUNIT_EXPECT_FALSE(test, egm_retired_next_unmap(r, &offset, &len));
	KUNIT_EXPECT_EQ(test, egm_retired_report(r, SZ_2M, PAGE, true), 0);
	egm_retired_destroy(&known);
}

static struct kunit_case egm_retired_cases[] = {
	KUNIT_CASE(list_empty_at_start),
	KUNIT_CASE(list_merges),
	KUNIT_CASE(list_too_long),
	KUNIT_CASE(states_of_poisoned_page),
	KUNIT_CASE(next_walks_around),
	KUNIT_CASE(generation_changes),
	KUNIT_CASE(move_reported_pages),
	{ }
};

static struct kunit_suite egm_retired_suite = {
	.name = "nvgrace-egm-retired",
	.init = retired_init,
	.exit = retired_exit,
	.test_cases = egm_retired_cases,
};

kunit_test_suite(egm_retired_suite);
