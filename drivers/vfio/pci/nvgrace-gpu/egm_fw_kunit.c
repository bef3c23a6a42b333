// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of reading and checking the EGM properties of a GPU.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include "egm.h"

#include <kunit/device.h>
#include <kunit/fwnode.h>
#include <kunit/test.h>
#include <linux/io.h>
#include <linux/nvgrace-egm.h>
#include <linux/property.h>
#include <linux/sizes.h>

#include "egm_fw_kunit.h"

static const struct egm_fw_props good = {
	.base = FREE_SPA, .size = SZ_1G, .pxm = 4,
};

static struct device *device_with(struct kunit *test,
				  const struct property_entry *entries)
{
	struct software_node *swnode;
	struct device *dev;

	/* A unique name: the device of the test before can be released late. */
	dev = kunit_device_register(test, test->name);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	swnode = kunit_kzalloc(test, sizeof(*swnode), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, swnode);
	swnode->properties = entries;
	KUNIT_ASSERT_EQ(test, kunit_device_add_software_node(test, dev, swnode), 0);
	return dev;
}

/*
 * Read @entries and expect @expect. On success the address of the table must be @retired; on
 * error the output must be unchanged.
 */
static void expect_read_retired(struct kunit *test, const struct property_entry *entries,
				int expect, u64 retired)
{
	struct egm_fw_props props = { 1, 2, 3, 4 };

	KUNIT_EXPECT_EQ(test, egm_fw_read(device_with(test, entries), &props),
			expect);
	if (expect) {
		KUNIT_EXPECT_EQ(test, props.base, 1);
		KUNIT_EXPECT_EQ(test, props.size, 2);
		KUNIT_EXPECT_EQ(test, props.pxm, 3);
		KUNIT_EXPECT_EQ(test, props.retired_table_pa, 4);
	} else {
		KUNIT_EXPECT_EQ(test, props.base, FREE_SPA);
		KUNIT_EXPECT_EQ(test, props.size, SZ_1G);
		KUNIT_EXPECT_EQ(test, props.pxm, 5);
		KUNIT_EXPECT_EQ(test, props.retired_table_pa, retired);
	}
}

static void expect_read(struct kunit *test, const struct property_entry *entries,
			int expect)
{
	expect_read_retired(test, entries, expect, 0);
}

static void read_all(struct kunit *test)
{
	static const struct property_entry entries[] = {
		PROPERTY_ENTRY_U64("nvidia,egm-base-pa", FREE_SPA),
		PROPERTY_ENTRY_U64("nvidia,egm-size", SZ_1G),
		PROPERTY_ENTRY_U64("nvidia,egm-pxm", 5),
		{ }
	};

	expect_read(test, entries, 0);
}

static void read_retired(struct kunit *test)
{
	static const struct property_entry entries[] = {
		PROPERTY_ENTRY_U64("nvidia,egm-base-pa", FREE_SPA),
		PROPERTY_ENTRY_U64("nvidia,egm-size", SZ_1G),
		PROPERTY_ENTRY_U64("nvidia,egm-pxm", 5),
		PROPERTY_ENTRY_U64("nvidia,egm-retired-pages-data-base", FREE_SPA + SZ_2G),
		{ }
	};

	expect_read_retired(test, entries, 0, FREE_SPA + SZ_2G);
}

/* The region is usable without the table of retired pages. */
static void read_u32_retired_no_table(struct kunit *test)
{
	static const struct property_entry entries[] = {
		PROPERTY_ENTRY_U64("nvidia,egm-base-pa", FREE_SPA),
		PROPERTY_ENTRY_U64("nvidia,egm-size", SZ_1G),
		PROPERTY_ENTRY_U64("nvidia,egm-pxm", 5),
		PROPERTY_ENTRY_U32("nvidia,egm-retired-pages-data-base", SZ_2G),
		{ }
	};

	expect_read_retired(test, entries, 0, 0);
}

static void read_no_property_enoent(struct kunit *test)
{
	static const struct property_entry entries[] = {
		PROPERTY_ENTRY_U64("nvidia,gpu-mem-size", SZ_1G),
		{ }
	};

	expect_read(test, entries, -ENOENT);
}

static void read_zero_base_enoent(struct kunit *test)
{
	static const struct property_entry entries[] = {
		PROPERTY_ENTRY_U64("nvidia,egm-base-pa", 0),
		PROPERTY_ENTRY_U64("nvidia,egm-size", SZ_1G),
		PROPERTY_ENTRY_U64("nvidia,egm-pxm", 5),
		{ }
	};

	expect_read(test, entries, -ENOENT);
}

static void read_zero_size_enoent(struct kunit *test)
{
	static const struct property_entry entries[] = {
		PROPERTY_ENTRY_U64("nvidia,egm-base-pa", FREE_SPA),
		PROPERTY_ENTRY_U64("nvidia,egm-size", 0),
		{ }
	};

	expect_read(test, entries, -ENOENT);
}

static void read_no_size_einval(struct kunit *test)
{
	static const struct property_entry entries[] = {
		PROPERTY_ENTRY_U64("nvidia,egm-base-pa", FREE_SPA),
		PROPERTY_ENTRY_U64("nvidia,egm-pxm", 5),
		{ }
	};

	expect_read(test, entries, -EINVAL);
}

static void read_no_pxm_einval(struct kunit *test)
{
	static const struct property_entry entries[] = {
		PROPERTY_ENTRY_U64("nvidia,egm-base-pa", FREE_SPA),
		PROPERTY_ENTRY_U64("nvidia,egm-size", SZ_1G),
		{ }
	};

	expect_read(test, entries, -EINVAL);
}

static void read_u32_einval(struct kunit *test)
{
	static const struct property_entry entries[] = {
		PROPERTY_ENTRY_U32("nvidia,egm-base-pa", SZ_1G),
		PROPERTY_ENTRY_U64("nvidia,egm-size", SZ_1G),
		PROPERTY_ENTRY_U64("nvidia,egm-pxm", 5),
		{ }
	};

	expect_read(test, entries, -EINVAL);
}

/* An error must set the reason; success must not. */
static void expect_check(struct kunit *test, struct egm_fw_props props, int expect)
{
	const char *why = NULL;

	KUNIT_EXPECT_EQ(test, egm_fw_check(&props, &why), expect);
	if (expect)
		KUNIT_EXPECT_NOT_NULL(test, why);
	else
		KUNIT_EXPECT_NULL(test, why);
}

static void check_good(struct kunit *test)
{
	expect_check(test, good, 0);
}

static void check_empty(struct kunit *test)
{
	struct egm_fw_props p = good;

	p.size = 0;
	expect_check(test, p, -EINVAL);
}

static void check_base_unaligned(struct kunit *test)
{
	struct egm_fw_props p = good;

	p.base += PAGE_SIZE / 2;
	expect_check(test, p, -EINVAL);
}

static void check_size_unaligned(struct kunit *test)
{
	struct egm_fw_props p = good;

	p.size -= 1;
	expect_check(test, p, -EINVAL);
}

static void check_wraps(struct kunit *test)
{
	struct egm_fw_props p = good;

	p.size = -p.base + PAGE_SIZE;
	expect_check(test, p, -EOVERFLOW);
	p.base = -PAGE_SIZE;
	p.size = 2 * PAGE_SIZE;
	expect_check(test, p, -EOVERFLOW);
}

static void check_beyond_physical_mask(struct kunit *test)
{
	struct egm_fw_props p = good;

	p.base = 1ULL << 62;
	expect_check(test, p, -EOVERFLOW);
}

static void check_end_beyond_physical_mask(struct kunit *test)
{
	struct egm_fw_props p = good;

	p.size = 1ULL << 60;
	expect_check(test, p, -EOVERFLOW);
}

static void check_pxm_range(struct kunit *test)
{
	struct egm_fw_props p = good;

	p.pxm = NVGRACE_EGM_PXM_FIRST - 1;
	expect_check(test, p, -ERANGE);
	p.pxm = 0;
	expect_check(test, p, -ERANGE);
	p.pxm = NVGRACE_EGM_PXM_LAST;
	expect_check(test, p, 0);
	p.pxm = NVGRACE_EGM_PXM_LAST + 1;
	expect_check(test, p, -ERANGE);
	p.pxm = (1ULL << 32) + 4;
	expect_check(test, p, -ERANGE);
}

static void expect_check_gpu(struct kunit *test, struct device *gpu, u64 base, u64 size,
			     int expect)
{
	const struct egm_fw_props props = {
		.base = base, .size = size, .pxm = NVGRACE_EGM_PXM_FIRST,
	};

	KUNIT_EXPECT_EQ(test, expect, egm_fw_check_gpu(&props, gpu));
}

static void check_gpu_memory(struct kunit *test)
{
	const struct property_entry entries[] = {
		PROPERTY_ENTRY_U64("nvidia,gpu-mem-base-pa", SZ_1G),
		PROPERTY_ENTRY_U64("nvidia,gpu-mem-size", SZ_1G),
		{ }
	};
	struct device *gpu = device_with(test, entries);

	expect_check_gpu(test, gpu, SZ_4K, SZ_1G - SZ_4K, 0);
	expect_check_gpu(test, gpu, SZ_4K, SZ_1G, -EBUSY);
	expect_check_gpu(test, gpu, SZ_1G + SZ_4K, SZ_4K, -EBUSY);
	expect_check_gpu(test, gpu, SZ_2G - SZ_4K, SZ_1G, -EBUSY);
	expect_check_gpu(test, gpu, SZ_2G, SZ_1G, 0);
}

/* GPU memory that wraps is taken to end at the last address. */
static void check_gpu_memory_wraps(struct kunit *test)
{
	const struct property_entry entries[] = {
		PROPERTY_ENTRY_U64("nvidia,gpu-mem-base-pa", SZ_2G),
		PROPERTY_ENTRY_U64("nvidia,gpu-mem-size", U64_MAX),
		{ }
	};
	struct device *gpu = device_with(test, entries);

	expect_check_gpu(test, gpu, SZ_1G, SZ_1G, 0);
	expect_check_gpu(test, gpu, SZ_1G, SZ_1G + SZ_4K, -EBUSY);
	expect_check_gpu(test, gpu, SZ_4G, SZ_4K, -EBUSY);
}

static void check_no_gpu_memory(struct kunit *test)
{
	const struct property_entry entries[] = {
		PROPERTY_ENTRY_U64("nvidia,gpu-mem-base-pa", SZ_1G),
		PROPERTY_ENTRY_U64("nvidia,gpu-mem-size", 0),
		{ }
	};

	expect_check_gpu(test, device_with(test, entries), SZ_1G, SZ_1G, 0);
}

static void check_system_ram(struct kunit *test)
{
	struct egm_fw_props p = good;
	void *ram = kunit_kmalloc(test, PAGE_SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ram);
	p.base = ALIGN_DOWN(virt_to_phys(ram), PAGE_SIZE);
	p.size = PAGE_SIZE;
	expect_check(test, p, -EBUSY);
}

/* RAM is in the middle of the range, not in its first or last page. */
static void check_system_ram_inside(struct kunit *test)
{
	struct egm_fw_props p = good;

	p.base = PAGE_SIZE;
	p.size = FREE_SPA;
	expect_check(test, p, -EBUSY);
}

static struct kunit_case egm_fw_cases[] = {
	KUNIT_CASE(read_all),
	KUNIT_CASE(read_retired),
	KUNIT_CASE(read_u32_retired_no_table),
	KUNIT_CASE(read_no_property_enoent),
	KUNIT_CASE(read_zero_base_enoent),
	KUNIT_CASE(read_zero_size_enoent),
	KUNIT_CASE(read_no_size_einval),
	KUNIT_CASE(read_no_pxm_einval),
	KUNIT_CASE(read_u32_einval),
	KUNIT_CASE(check_good),
	KUNIT_CASE(check_empty),
	KUNIT_CASE(check_base_unaligned),
	KUNIT_CASE(check_size_unaligned),
	KUNIT_CASE(check_wraps),
	KUNIT_CASE(check_beyond_physical_mask),
	KUNIT_CASE(check_end_beyond_physical_mask),
	KUNIT_CASE(check_pxm_range),
	KUNIT_CASE(check_gpu_memory),
	KUNIT_CASE(check_gpu_memory_wraps),
	KUNIT_CASE(check_no_gpu_memory),
	KUNIT_CASE(check_system_ram),
	KUNIT_CASE(check_system_ram_inside),
	{ }
};

static struct kunit_suite egm_fw_suite = {
	.name = "nvgrace-egm-fw",
	.test_cases = egm_fw_cases,
};

kunit_test_suite(egm_fw_suite);

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_DESCRIPTION("KUnit tests of the EGM part of nvgrace-gpu-vfio-pci");
MODULE_LICENSE("GPL");
