// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of block ownership, by cases and against a simple model.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include "egm.h"

#include <kunit/test.h>
#include <linux/prandom.h>
#include <linux/slab.h>
#include <linux/string.h>

enum { OWNERS = 3, BLOCKS = 64 };

struct owner_test {
	struct egm_owner_map map;
	struct egm_owner owner[OWNERS];
};

static bool release_one(struct owner_test *t, int who, unsigned long *first,
			unsigned long *count)
{
	if (!egm_owner_first(&t->owner[who], first, count))
		return false;
	egm_owner_map_release_first(&t->map, &t->owner[who]);
	return true;
}

static void release_all(struct owner_test *t, int who)
{
	unsigned long first, count;

	while (release_one(t, who, &first, &count))
		;
}

static int owner_init(struct kunit *test)
{
	struct owner_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	int i;

	if (!t)
		return -ENOMEM;
	egm_owner_map_init(&t->map);
	for (i = 0; i < OWNERS; i++)
		egm_owner_init(&t->owner[i]);
	test->priv = t;
	return 0;
}

static void owner_exit(struct kunit *test)
{
	struct owner_test *t = test->priv;
	int i;

	for (i = 0; t && i < OWNERS; i++)
		release_all(t, i);
}

static int reserve(struct kunit *test, int who, unsigned long first, unsigned long last)
{
	struct owner_test *t = test->priv;
	struct egm_owner_range *range = egm_owner_range_alloc(&t->owner[who], first, last);
	int ret;

	KUNIT_ASSERT_NOT_NULL(test, range);
	ret = egm_owner_map_reserve(&t->map, range);
	if (ret)
		kfree(range);
	return ret;
}

static void reserve_other_ebusy(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, reserve(test, 0, 10, 19), 0);
	KUNIT_EXPECT_EQ(test, reserve(test, 1, 19, 30), -EBUSY);
	KUNIT_EXPECT_EQ(test, reserve(test, 1, 0, 10), -EBUSY);
	KUNIT_EXPECT_EQ(test, reserve(test, 1, 12, 13), -EBUSY);
	KUNIT_EXPECT_EQ(test, reserve(test, 1, 0, 40), -EBUSY);
}

static void find_other_first_block(struct kunit *test)
{
	struct owner_test *t = test->priv;
	unsigned long first = 5;

	KUNIT_EXPECT_EQ(test, reserve(test, 0, 10, 19), 0);
	KUNIT_EXPECT_EQ(test, reserve(test, 1, 20, 29), 0);
	KUNIT_EXPECT_NULL(test, egm_owner_map_find_other(&t->map, &t->owner[0], &first, 19));
	KUNIT_EXPECT_EQ(test, first, 5);
	KUNIT_EXPECT_PTR_EQ(test, egm_owner_map_find_other(&t->map, &t->owner[1], &first, 40),
			    &t->owner[0]);
	KUNIT_EXPECT_EQ(test, first, 10);
	KUNIT_EXPECT_PTR_EQ(test, egm_owner_map_find_other(&t->map, &t->owner[0], &first, 40),
			    &t->owner[1]);
	KUNIT_EXPECT_EQ(test, first, 20);
}

static void next_walks_the_ranges(struct kunit *test)
{
	struct owner_test *t = test->priv;
	unsigned long first = 0, count;

	KUNIT_EXPECT_EQ(test, reserve(test, 1, 20, 29), 0);
	KUNIT_EXPECT_EQ(test, reserve(test, 0, 10, 19), 0);
	KUNIT_EXPECT_PTR_EQ(test, egm_owner_map_next(&t->map, &first, &count), &t->owner[0]);
	KUNIT_EXPECT_EQ(test, first, 10);
	KUNIT_EXPECT_EQ(test, count, 10);
	/* The rest of a range. */
	first = 25;
	KUNIT_EXPECT_PTR_EQ(test, egm_owner_map_next(&t->map, &first, &count), &t->owner[1]);
	KUNIT_EXPECT_EQ(test, first, 25);
	KUNIT_EXPECT_EQ(test, count, 5);
	first = 30;
	KUNIT_EXPECT_NULL(test, egm_owner_map_next(&t->map, &first, &count));
	KUNIT_EXPECT_EQ(test, first, 30);
}

static void reserve_next_to_other(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, reserve(test, 0, 10, 19), 0);
	KUNIT_EXPECT_EQ(test, reserve(test, 1, 20, 30), 0);
	KUNIT_EXPECT_EQ(test, reserve(test, 2, 0, 9), 0);
}

static void reserve_all_or_nothing(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, reserve(test, 0, 10, 10), 0);
	KUNIT_EXPECT_EQ(test, reserve(test, 1, 0, 10), -EBUSY);
	/* Blocks 0 to 9 are still free. */
	KUNIT_EXPECT_EQ(test, reserve(test, 2, 0, 9), 0);
}

static void reserve_own_again(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, reserve(test, 0, 10, 19), 0);
	KUNIT_EXPECT_EQ(test, reserve(test, 0, 10, 19), 0);
	KUNIT_EXPECT_EQ(test, reserve(test, 0, 15, 40), 0);
	KUNIT_EXPECT_EQ(test, reserve(test, 0, 0, 60), 0);
}

static void reserve_merges_ranges(struct kunit *test)
{
	struct owner_test *t = test->priv;
	unsigned long first, count;
	int i;

	for (i = 0; i < BLOCKS; i += 2)
		KUNIT_EXPECT_EQ(test, reserve(test, 0, i, i), 0);
	for (i = 1; i < BLOCKS; i += 2)
		KUNIT_EXPECT_EQ(test, reserve(test, 0, i, i), 0);
	KUNIT_EXPECT_TRUE(test, release_one(t, 0, &first, &count));
	KUNIT_EXPECT_EQ(test, first, 0);
	KUNIT_EXPECT_EQ(test, count, BLOCKS);
	KUNIT_EXPECT_FALSE(test, release_one(t, 0, &first, &count));
}

static void release_frees_blocks(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, reserve(test, 0, 0, 9), 0);
	KUNIT_EXPECT_EQ(test, reserve(test, 0, 20, 29), 0);
	release_all(test->priv, 0);
	KUNIT_EXPECT_EQ(test, reserve(test, 1, 0, 40), 0);
}

static bool owns_all(const u8 *model, int who, int first, int last)
{
	while (first <= last)
		if (model[first++] != who + 1)
			return false;
	return true;
}

/* Random calls, against a model that has the owner of each block in a byte. */
static void random_against_model(struct kunit *test)
{
	struct owner_test *t = test->priv;
	u8 model[BLOCKS] = { };
	struct rnd_state rnd;
	int i, b;

	prandom_seed_state(&rnd, 20260223);
	for (i = 0; i < 100000; i++) {
		int who = prandom_u32_state(&rnd) % OWNERS;
		int first = prandom_u32_state(&rnd) % BLOCKS;
		int last = first + prandom_u32_state(&rnd) % (BLOCKS - first);
		int expect = 0;

		if (prandom_u32_state(&rnd) % 8 == 0) {
			unsigned long at, count;

			while (release_one(t, who, &at, &count)) {
				for (b = at; b < at + count; b++) {
					KUNIT_ASSERT_EQ(test, model[b], who + 1);
					model[b] = 0;
				}
			}
			KUNIT_ASSERT_NULL(test, memchr(model, who + 1, BLOCKS));
			continue;
		}

		for (b = first; b <= last; b++)
			if (model[b] && model[b] != who + 1)
				expect = -EBUSY;
		KUNIT_ASSERT_EQ(test, egm_owner_map_owns(&t->map, &t->owner[who], first, last),
				owns_all(model, who, first, last));
		KUNIT_ASSERT_EQ(test, reserve(test, who, first, last), expect);
		if (!expect)
			memset(&model[first], who + 1, last - first + 1);
	}
}

static struct kunit_case egm_owner_cases[] = {
	KUNIT_CASE(reserve_other_ebusy),
	KUNIT_CASE(find_other_first_block),
	KUNIT_CASE(next_walks_the_ranges),
	KUNIT_CASE(reserve_next_to_other),
	KUNIT_CASE(reserve_all_or_nothing),
	KUNIT_CASE(reserve_own_again),
	KUNIT_CASE(reserve_merges_ranges),
	KUNIT_CASE(release_frees_blocks),
	KUNIT_CASE_SLOW(random_against_model),
	{ }
};

static struct kunit_suite egm_owner_suite = {
	.name = "nvgrace-egm-owner",
	.init = owner_init,
	.exit = owner_exit,
	.test_cases = egm_owner_cases,
};

kunit_test_suite(egm_owner_suite);
