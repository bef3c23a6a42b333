// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit test of random sets of EGM properties, against a model that predicts each result.
 * A failure names the round. The seed is constant.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include "egm.h"

#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/bits.h>
#include <linux/device.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/nvgrace-egm.h>
#include <linux/prandom.h>
#include <linux/property.h>
#include <linux/string.h>

#include "egm_fw_kunit.h"

#define ROUNDS		20000

/* Above the physical address space of each machine. */
#define NO_SPA		BIT_ULL(60)

enum form { NUMBER, ABSENT, FLAG, HALF };

/**
 * struct property - a property of the simulated firmware
 * @name: name of the property
 * @form: type of the property, or ABSENT
 * @value: value of a property of type NUMBER
 */
struct property {
	const char *name;
	enum form form;
	u64 value;
};

enum { BASE, SIZE, PXM, RETIRED, PROPERTIES };

static u32 pick(struct rnd_state *rnd, u32 n)
{
	return prandom_u32_state(rnd) % n;
}

static u64 random_base(struct rnd_state *rnd, u64 ram)
{
	switch (pick(rnd, 6)) {
	case 0:
		return 0;
	case 1:
		return ram;
	case 2:
		return FREE_SPA + pick(rnd, U32_MAX);
	case 3:
		return NO_SPA + (u64)pick(rnd, U32_MAX) * PAGE_SIZE;
	case 4:
		return -(u64)pick(rnd, 1000) * PAGE_SIZE;
	default:
		return FREE_SPA + (u64)pick(rnd, 1000) * PAGE_SIZE;
	}
}

static u64 random_size(struct rnd_state *rnd)
{
	switch (pick(rnd, 6)) {
	case 0:
		return 0;
	case 1:
		return 1 + pick(rnd, U32_MAX - 1);
	case 2:
		return NO_SPA + (u64)pick(rnd, U32_MAX) * PAGE_SIZE;
	case 3:
		return -(u64)pick(rnd, 1000) * PAGE_SIZE;
	default:
		return (1 + (u64)pick(rnd, 1000)) * PAGE_SIZE;
	}
}

static u64 random_pxm(struct rnd_state *rnd)
{
	switch (pick(rnd, 4)) {
	case 0:
		return pick(rnd, 40);
	case 1:
		return (1ULL << 32) + pick(rnd, 40);
	default:
		return NVGRACE_EGM_PXM_FIRST + pick(rnd, NVGRACE_EGM_MAX_SOCKETS);
	}
}

static enum form random_form(struct rnd_state *rnd)
{
	return pick(rnd, 8) ? NUMBER : ABSENT + pick(rnd, 3);
}

/* The expected result of egm_fw_read(). */
static int model_read(const struct property *p)
{
	if (p[BASE].form == ABSENT)
		return -ENOENT;
	if (p[BASE].form != NUMBER || p[SIZE].form != NUMBER)
		return -EINVAL;
	if (!p[BASE].value || !p[SIZE].value)
		return -ENOENT;
	return p[PXM].form == NUMBER ? 0 : -EINVAL;
}

/* The expected result of egm_fw_check(); @ram is the address of a page of System RAM. */
static int model_check(const struct property *p, u64 ram)
{
	u64 base = p[BASE].value, size = p[SIZE].value;

	if (p[PXM].value < NVGRACE_EGM_PXM_FIRST || p[PXM].value > NVGRACE_EGM_PXM_LAST)
		return -ERANGE;
	/* random_base() returns a base below twice FREE_SPA, or at least NO_SPA. */
	if (base >= NO_SPA || size >= NO_SPA)
		return -EOVERFLOW;
	if (base % PAGE_SIZE || size % PAGE_SIZE)
		return -EINVAL;
	return base <= ram && ram - base < size ? -EBUSY : 0;
}

/**
 * struct firmware - a simulated firmware node
 * @fwnode: node of the test device
 * @p: properties of the node
 *
 * Not a software node: sysfs shows each software node, and a uevent announces it.
 */
struct firmware {
	struct fwnode_handle fwnode;
	struct property p[PROPERTIES];
};

static const struct property *find(const struct fwnode_handle *fwnode, const char *name)
{
	const struct firmware *firmware = container_of(fwnode, struct firmware, fwnode);
	int i;

	for (i = 0; i < PROPERTIES; i++)
		if (!strcmp(firmware->p[i].name, name) && firmware->p[i].form != ABSENT)
			return &firmware->p[i];
	return NULL;
}

static bool firmware_has(const struct fwnode_handle *fwnode, const char *name)
{
	return find(fwnode, name);
}

/* Returns the errors that ACPI and software nodes return. */
static int firmware_read(const struct fwnode_handle *fwnode, const char *name,
			 unsigned int elem_size, void *val, size_t nval)
{
	const struct property *p = find(fwnode, name);

	if (!p)
		return -EINVAL;
	if (p->form == FLAG)
		return -EPROTO;
	if (p->form == HALF || elem_size != sizeof(u64) || nval != 1)
		return -EOVERFLOW;
	*(u64 *)val = p->value;
	return 0;
}

static const struct fwnode_operations firmware_ops = {
	.property_present = firmware_has,
	.property_read_int_array = firmware_read,
};

static void random_sets_against_model(struct kunit *test)
{
	static const char *const name[PROPERTIES] = {
		"nvidia,egm-base-pa", "nvidia,egm-size", "nvidia,egm-pxm",
		"nvidia,egm-retired-pages-data-base",
	};
	/* Allocated before the device, so that KUnit frees it after the device. */
	struct firmware *firmware = kunit_kzalloc(test, sizeof(*firmware), GFP_KERNEL);
	void *page = kunit_kmalloc(test, PAGE_SIZE, GFP_KERNEL);
	struct device *dev = kunit_device_register(test, "egm-random");
	int round, i, ret, good = 0, bad = 0;
	struct rnd_state rnd;
	struct property *p;
	u64 ram;

	KUNIT_ASSERT_NOT_NULL(test, firmware);
	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	ram = ALIGN_DOWN(virt_to_phys(page), PAGE_SIZE);
	p = firmware->p;
	for (i = 0; i < PROPERTIES; i++)
		p[i].name = name[i];
	fwnode_init(&firmware->fwnode, &firmware_ops);
	device_set_node(dev, &firmware->fwnode);
	prandom_seed_state(&rnd, 20261123);
	for (round = 0; round < ROUNDS; round++) {
		struct egm_fw_props props = { };
		const char *why = NULL;

		p[BASE].value = random_base(&rnd, ram);
		p[SIZE].value = random_size(&rnd);
		p[PXM].value = random_pxm(&rnd);
		p[RETIRED].value = random_base(&rnd, ram);
		for (i = 0; i < PROPERTIES; i++)
			p[i].form = random_form(&rnd);

		ret = egm_fw_read(dev, &props);
		KUNIT_ASSERT_EQ_MSG(test, ret, model_read(p), "round %d", round);
		if (ret) {
			KUNIT_ASSERT_EQ_MSG(test, props.base, 0, "round %d", round);
			continue;
		}
		KUNIT_ASSERT_EQ_MSG(test, props.base, p[BASE].value, "round %d", round);
		KUNIT_ASSERT_EQ_MSG(test, props.size, p[SIZE].value, "round %d", round);
		KUNIT_ASSERT_EQ_MSG(test, props.retired_table_pa,
				    p[RETIRED].form == NUMBER ? p[RETIRED].value : 0,
				    "round %d", round);

		ret = egm_fw_check(&props, &why);
		KUNIT_ASSERT_EQ_MSG(test, ret, model_check(p, ram), "round %d", round);
		KUNIT_ASSERT_EQ_MSG(test, !ret, !why, "round %d", round);
		good += !ret;
		bad += !!ret;
	}
	/* The rounds must have reached both results. */
	KUNIT_EXPECT_GT(test, good, ROUNDS / 50);
	KUNIT_EXPECT_GT(test, bad, ROUNDS / 50);
}

static struct kunit_case egm_fw_random_cases[] = {
	KUNIT_CASE_SLOW(random_sets_against_model),
	{ }
};

static struct kunit_suite egm_fw_random_suite = {
	.name = "nvgrace-egm-fw-random",
	.test_cases = egm_fw_random_cases,
};

kunit_test_suite(egm_fw_random_suite);
