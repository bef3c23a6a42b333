// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every allocation that can fail, failed once, with panic_on_warn: over bind, open,
 * mmap and touch, poison, unbind. The next try must work each time.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include "egm_fail_nth.h"
#include "egm_retired.h"

FIXTURE(fail_nth) {
	struct injection in;
};

FIXTURE_SETUP(fail_nth)
{
	injection_begin(_metadata, &self->in);
}

FIXTURE_TEARDOWN_PARENT(fail_nth)
{
	EXPECT_TRUE(injection_end(&self->in));
	EXPECT_TRUE(forget_bad_pages());
}

TEST_F(fail_nth, driver_bind)
{
	int n, ret;

	for (n = 1; n < MAX_POINTS; n++) {
		ASSERT_EQ(0, egm_adev_unbind());
		arm(self->in.nth, n);
		ret = egm_adev_bind();
		if (!fired(self->in.nth)) {
			EXPECT_EQ(0, ret);
			break;
		}
		EXPECT_EQ(ret == 0, egm_exists(egm_node()));
		EXPECT_EQ(ret == 0, egm_claimed(NULL));
		EXPECT_TRUE(egm_gpu_is_bound(self->in.gpu[0]));
		if (ret)
			ASSERT_EQ(0, egm_adev_bind());
		ASSERT_TRUE(egm_exists(egm_node()));
	}
	expect_swept(_metadata, n);
	EXPECT_TRUE(clean_and_mappable());
}

TEST_F(fail_nth, driver_unbind)
{
	int n;

	for (n = 1; n < MAX_POINTS; n++) {
		int ret;

		arm(self->in.nth, n);
		ret = egm_adev_unbind();
		if (!fired(self->in.nth)) {
			EXPECT_EQ(0, ret);
			ASSERT_EQ(0, egm_adev_bind());
			break;
		}
		/* Opening and writing the sysfs file can fail; unbinding cannot. */
		if (ret)
			ASSERT_EQ(0, egm_adev_unbind());
		EXPECT_FALSE(egm_exists(egm_node()));
		EXPECT_FALSE(egm_claimed(NULL));
		ASSERT_EQ(0, egm_adev_bind());
	}
	expect_swept(_metadata, n);
}

TEST_F(fail_nth, open)
{
	int n, fd;

	for (n = 1; n < MAX_POINTS; n++) {
		arm(self->in.nth, n);
		fd = egm_open();
		if (!fired(self->in.nth)) {
			EXPECT_LE(0, fd);
			close(fd);
			break;
		}
		if (fd >= 0)
			close(fd);
		EXPECT_TRUE(clean_and_mappable());
	}
	expect_swept(_metadata, n);
}

static void sweep_mapping(struct __test_metadata *_metadata, int nth,
			  void *(*map)(int fd, uint64_t offset, size_t len))
{
	int n, fd, code;
	char *p;

	for (n = 1; n < MAX_POINTS; n++) {
		fd = egm_open();
		ASSERT_LE(0, fd);
		arm(nth, n);
		p = map(fd, EGM_BLOCK, 3 * EGM_BLOCK);
		code = 0;
		if (p != MAP_FAILED) {
			code = egm_touch(p, 1);
			egm_touch(p + 3 * EGM_BLOCK - 1, 1);
		}
		if (!fired(nth)) {
			EXPECT_NE(MAP_FAILED, p);
			EXPECT_EQ(0, code);
			munmap(p, 3 * EGM_BLOCK);
			close(fd);
			break;
		}
		if (p != MAP_FAILED)
			munmap(p, 3 * EGM_BLOCK);
		/* Same file again, then another one. */
		EXPECT_EQ(0, egm_map_errno(fd, EGM_BLOCK, 3 * EGM_BLOCK, MAP_SHARED));
		close(fd);
		EXPECT_TRUE(clean_and_mappable());
	}
	expect_swept(_metadata, n);
}

TEST_F(fail_nth, mmap_and_touch)
{
	sweep_mapping(_metadata, self->in.nth, egm_map);
}

TEST_F(fail_nth, mmap_populate)
{
	sweep_mapping(_metadata, self->in.nth, egm_map_populated);
}

/*
 * If the kernel has no memory to list a reported page, it still sends SIGBUS with the address
 * to the process that maps the page. The next report lists the page. If it has no memory for
 * the ioctl, the ioctl fails with ENOMEM; it does not return an empty list.
 */
TEST_F(fail_nth, report_and_list)
{
	const uint64_t at = 2 * EGM_BLOCK;
	char start[32], end[32];
	struct fresh f;
	struct list l;
	int ret;

	/* Which can load the module to another place. */
	ASSERT_TRUE(make_fresh(&f));
	ASSERT_TRUE(symbol_range("egm_memory_failure_pfn_to_pgoff", start, end, sizeof(start)));
	ASSERT_EQ(0, egm_touch(f.p + at, 1));
	require_caller(start, end);
	arm(self->in.nth, 1);
	ret = inject(at);
	EXPECT_TRUE(fired(self->in.nth));
	any_caller();
	EXPECT_EQ(0, ret);
	EXPECT_EQ(BUS_MCEERR_AR, egm_bus_code);
	EXPECT_EQ(f.p + at, egm_bus_addr);
	EXPECT_EQ(0, bytes_retired());

	EXPECT_EQ(0, inject(at));
	EXPECT_EQ(BUS_MCEERR_AR, touch_until_blocked(f.p + at));
	arm(self->in.nth, 1);
	ret = get_list(f.fd, &l);
	EXPECT_TRUE(fired(self->in.nth));
	EXPECT_EQ(ENOMEM, ret);
	ASSERT_EQ(0, get_list(f.fd, &l));
	ASSERT_EQ(1, l.head.count);
	EXPECT_EQ(at, l.pages[0].offset);
}

static void all_gpus(char gpu[EGM_MAX_GPUS][32], int gpus,
		     int (*what)(const char *gpu))
{
	int i;

	for (i = 0; i < gpus; i++)
		what(gpu[i]);
}

/*
 * After each failure, in our code or in vfio's, the next try binds the GPU and creates the
 * node. vfio_device_set_group() is left out: vfio_group_release() of 7.3 warns of a group that
 * could not be added, and loses a reference of the IOMMU group.
 */
TEST_F_TIMEOUT(fail_nth, gpu_bind, 1200)
{
	char start[32], end[32];
	int n, ret;

	ASSERT_TRUE(symbol_range("vfio_device_set_group", start, end, sizeof(start)));
	reject_caller(start, end);
	for (n = 1; n < MAX_POINTS; n++) {
		all_gpus(self->in.gpu, self->in.gpus, egm_gpu_unbind);
		arm(self->in.nth, n);
		ret = egm_gpu_bind(self->in.gpu[0]);
		if (!fired(self->in.nth)) {
			EXPECT_EQ(0, ret);
			break;
		}
		EXPECT_EQ(ret == 0, egm_gpu_is_bound(self->in.gpu[0]));
		if (!egm_exists(egm_node())) {
			egm_gpu_unbind(self->in.gpu[0]);
			ASSERT_EQ(0, egm_gpu_bind(self->in.gpu[0]));
		}
		ASSERT_TRUE(egm_exists(egm_node()));
	}
	expect_swept(_metadata, n);
	all_gpus(self->in.gpu, self->in.gpus, egm_gpu_bind);
	EXPECT_TRUE(egm_exists(egm_node()));
}

/* Only what fails below our call: it must never cost the GPU its driver. */
TEST_F_TIMEOUT(fail_nth, gpu_bind_below_our_call, 1200)
{
	char start[32], end[32];
	int n, ret;

	ASSERT_TRUE(symbol_range("nvgrace_egm_gpu_bound", start, end, sizeof(start)));
	for (n = 1; n < MAX_POINTS; n++) {
		all_gpus(self->in.gpu, self->in.gpus, egm_gpu_unbind);
		require_caller(start, end);
		arm(self->in.nth, n);
		ret = egm_gpu_bind(self->in.gpu[0]);
		EXPECT_EQ(0, ret);
		EXPECT_TRUE(egm_gpu_is_bound(self->in.gpu[0]));
		any_caller();
		if (!fired(self->in.nth))
			break;
		if (!egm_exists(egm_node())) {
			ASSERT_EQ(0, egm_gpu_unbind(self->in.gpu[0]));
			ASSERT_EQ(0, egm_gpu_bind(self->in.gpu[0]));
		}
		ASSERT_TRUE(egm_exists(egm_node()));
	}
	expect_swept(_metadata, n);
	all_gpus(self->in.gpu, self->in.gpus, egm_gpu_bind);
	EXPECT_TRUE(egm_exists(egm_node()));
}

/* Not even an allocation that fails keeps a GPU from going. */
TEST_F_TIMEOUT(fail_nth, gpu_unbind, 1200)
{
	int n, ret;

	for (n = 1; n < MAX_POINTS; n++) {
		all_gpus(self->in.gpu, self->in.gpus, egm_gpu_unbind);
		ASSERT_EQ(0, egm_gpu_bind(self->in.gpu[0]));
		arm(self->in.nth, n);
		ret = egm_gpu_unbind(self->in.gpu[0]);
		if (!fired(self->in.nth)) {
			EXPECT_EQ(0, ret);
			break;
		}
		if (ret)
			ASSERT_EQ(0, egm_gpu_unbind(self->in.gpu[0]));
		EXPECT_FALSE(egm_exists(egm_node()));
		EXPECT_FALSE(egm_claimed(NULL));
	}
	expect_swept(_metadata, n);
	all_gpus(self->in.gpu, self->in.gpus, egm_gpu_bind);
	EXPECT_TRUE(egm_exists(egm_node()));
}

TEST_HARNESS_MAIN
