// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the arithmetic of mapping bounds.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include "egm.h"

#include <kunit/test.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/sizes.h>

#define REGION	((u64)SZ_1G)

static void expect_bounds(struct kunit *test, pgoff_t pgoff, u64 len, int expect,
			  u64 expect_offset)
{
	u64 offset = U64_MAX;

	KUNIT_EXPECT_EQ(test, egm_mapping_bounds(REGION, pgoff, len, &offset), expect);
	KUNIT_EXPECT_EQ(test, offset, expect ? U64_MAX : expect_offset);
}

static void bounds_whole(struct kunit *test)
{
	expect_bounds(test, 0, REGION, 0, 0);
}

static void bounds_first_and_last_page(struct kunit *test)
{
	expect_bounds(test, 0, PAGE_SIZE, 0, 0);
	expect_bounds(test, REGION / PAGE_SIZE - 1, PAGE_SIZE, 0, REGION - PAGE_SIZE);
}

static void bounds_beyond_end(struct kunit *test)
{
	expect_bounds(test, 0, REGION + PAGE_SIZE, -EINVAL, 0);
	expect_bounds(test, 1, REGION, -EINVAL, 0);
	expect_bounds(test, REGION / PAGE_SIZE, PAGE_SIZE, -EINVAL, 0);
}

static void bounds_offset_overflows(struct kunit *test)
{
	/* In bytes this offset is 2^64, which a shift without a check truncates to 0. */
	expect_bounds(test, 1UL << (64 - PAGE_SHIFT), PAGE_SIZE, -EINVAL, 0);
	expect_bounds(test, ULONG_MAX, PAGE_SIZE, -EINVAL, 0);
}

static void bounds_end_overflows(struct kunit *test)
{
	expect_bounds(test, ULONG_MAX >> PAGE_SHIFT, 2 * PAGE_SIZE, -EINVAL, 0);
	expect_bounds(test, 1, -PAGE_SIZE, -EINVAL, 0);
}

/* An offset with any high bit set must be refused. */
static void bounds_no_alias(struct kunit *test)
{
	int bit;

	for (bit = ilog2(REGION / PAGE_SIZE); bit < BITS_PER_LONG; bit++)
		expect_bounds(test, 1UL << bit, PAGE_SIZE, -EINVAL, 0);
}

#define VA	(7UL << 32)

/* Without PMD entries for PFNs, the result is always false. */
static void need_pmd_entries(struct kunit *test)
{
	if (!IS_ENABLED(CONFIG_ARCH_SUPPORTS_PMD_PFNMAP))
		kunit_skip(test, "no PMD entries for PFNs here");
}

static void huge_needs_aligned_entry(struct kunit *test)
{
	need_pmd_entries(test);
	KUNIT_EXPECT_TRUE(test, egm_mapping_fits_huge(VA, VA + PMD_SIZE, 0));
	KUNIT_EXPECT_TRUE(test, egm_mapping_fits_huge(VA, VA + PMD_SIZE, 5UL << 40));
	KUNIT_EXPECT_FALSE(test, egm_mapping_fits_huge(VA, VA + PMD_SIZE - PAGE_SIZE, 0));
	/* One entry fits between a head and a tail that are each one page shorter. */
	KUNIT_EXPECT_TRUE(test, egm_mapping_fits_huge(VA + PAGE_SIZE,
						      VA + 3 * PMD_SIZE - PAGE_SIZE,
						      PAGE_SIZE));
	/* The mapping is large enough, but spans parts of two entries. */
	KUNIT_EXPECT_FALSE(test, egm_mapping_fits_huge(VA + PAGE_SIZE,
						       VA + 2 * PMD_SIZE - PAGE_SIZE,
						       PAGE_SIZE));
}

static void huge_needs_congruence(struct kunit *test)
{
	u64 spa;

	need_pmd_entries(test);
	for (spa = PAGE_SIZE; spa < PMD_SIZE; spa += PMD_SIZE / 16)
		KUNIT_EXPECT_FALSE(test, egm_mapping_fits_huge(VA, VA + 8 * PMD_SIZE, spa));
	KUNIT_EXPECT_FALSE(test, egm_mapping_fits_huge(VA + PAGE_SIZE, VA + 8 * PMD_SIZE, 0));
}

static void huge_at_last_address(struct kunit *test)
{
	need_pmd_entries(test);
	KUNIT_EXPECT_FALSE(test, egm_mapping_fits_huge(-PAGE_SIZE, 0, -PAGE_SIZE));
	KUNIT_EXPECT_FALSE(test, egm_mapping_fits_huge(0, PAGE_SIZE, 0));
}

static struct kunit_case egm_mapping_cases[] = {
	KUNIT_CASE(bounds_whole),
	KUNIT_CASE(bounds_first_and_last_page),
	KUNIT_CASE(bounds_beyond_end),
	KUNIT_CASE(bounds_offset_overflows),
	KUNIT_CASE(bounds_end_overflows),
	KUNIT_CASE(bounds_no_alias),
	KUNIT_CASE(huge_needs_aligned_entry),
	KUNIT_CASE(huge_needs_congruence),
	KUNIT_CASE(huge_at_last_address),
	{ }
};

static struct kunit_suite egm_mapping_suite = {
	.name = "nvgrace-egm-mapping",
	.test_cases = egm_mapping_cases,
};

kunit_test_suite(egm_mapping_suite);

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_DESCRIPTION("KUnit tests of nvgrace-egm");
MODULE_LICENSE("GPL");
