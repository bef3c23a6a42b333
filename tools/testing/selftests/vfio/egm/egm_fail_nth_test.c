// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every allocation that can fail, failed once, with panic_on_warn: over bind, open,
 * mmap and touch, unbind. The next try must work each time.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <sys/syscall.h>

#include "egm_harness.h"
#include "egm_util.h"

#define DEBUGFS		"/sys/kernel/debug/"
#define MAX_POINTS	5000

FIXTURE(fail_nth) {
	char gpu[EGM_MAX_GPUS][32];
	int gpus;
	int nth;
	char warn[16];
};

static const char * const facility[] = { "failslab", "fail_page_alloc" };

static void setup_facility(const char *name, const char *knob, const char *value)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), DEBUGFS "%s/%s", name, knob);
	egm_write(path, value);
}

static void limit_callers(const char *how, const char *start, const char *end)
{
	char knob[32];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(facility); i++) {
		snprintf(knob, sizeof(knob), "%s-start", how);
		setup_facility(facility[i], knob, start);
		snprintf(knob, sizeof(knob), "%s-end", how);
		setup_facility(facility[i], knob, end);
	}
}

static void require_caller(const char *start, const char *end)
{
	limit_callers("require", start, end);
}

static void reject_caller(const char *start, const char *end)
{
	limit_callers("reject", start, end);
}

FIXTURE_SETUP(fail_nth)
{
	char path[PATH_MAX];
	size_t i;

	snprintf(path, sizeof(path), "/proc/self/task/%ld/fail-nth",
		 syscall(SYS_gettid));
	self->nth = open(path, O_RDWR);
	if (self->nth < 0 || !egm_exists(DEBUGFS "failslab"))
		SKIP(return, "the kernel has no fault injection (CONFIG_FAILSLAB)");

	for (i = 0; i < ARRAY_SIZE(facility); i++) {
		setup_facility(facility[i], "ignore-gfp-wait", "0");
		setup_facility(facility[i], "ignore-gfp-highmem", "0");
		setup_facility(facility[i], "min-order", "0");
		setup_facility(facility[i], "verbose", "0");
	}
	egm_read_line("/proc/sys/kernel/panic_on_warn", self->warn, sizeof(self->warn));
	ASSERT_EQ(0, egm_write("/proc/sys/kernel/panic_on_warn", "1"));
	self->gpus = egm_gpus(self->gpu);
	ASSERT_LE(1, self->gpus);
	ASSERT_TRUE(egm_exists(egm_node()));
}

FIXTURE_TEARDOWN(fail_nth)
{
	require_caller("0", "0xffffffffffffffff");
	reject_caller("0", "0");
	egm_write("/proc/sys/kernel/panic_on_warn", self->warn);
	close(self->nth);
}

/* Arm the @n-th failure point from here on. */
static void arm(int nth, int n)
{
	char word[16];
	int len = snprintf(word, sizeof(word), "%d", n);

	if (pwrite(nth, word, len, 0) != len)
		abort();
}

/* Disarm; was there an @n-th point? */
static bool fired(int nth)
{
	char left[16] = { };

	if (pread(nth, left, sizeof(left) - 1, 0) < 0)
		abort();
	if (pwrite(nth, "0", 1, 0) != 1)
		abort();
	return atoi(left) == 0;
}

static bool clean_and_mappable(void)
{
	int fd = egm_open();
	char *p;
	bool good;

	if (fd < 0)
		return false;
	p = egm_map(fd, 0, 2 * EGM_BLOCK);
	good = p != MAP_FAILED &&
	       egm_first_nonzero(p, 2 * EGM_BLOCK) == 2 * EGM_BLOCK;
	if (p != MAP_FAILED) {
		memset(p, 0x99, 2 * EGM_BLOCK);
		munmap(p, 2 * EGM_BLOCK);
	}
	close(fd);
	return good;
}

/* A sweep that met no failure point proves nothing. */
static void expect_swept(struct __test_metadata *_metadata, int n)
{
	EXPECT_LT(2, n);
	EXPECT_GT(MAX_POINTS, n);
	TH_LOG("%d failure points", n - 1);
}

TEST_F(fail_nth, driver_bind)
{
	int n, ret;

	for (n = 1; n < MAX_POINTS; n++) {
		ASSERT_EQ(0, egm_adev_unbind());
		arm(self->nth, n);
		ret = egm_adev_bind();
		if (!fired(self->nth)) {
			EXPECT_EQ(0, ret);
			break;
		}
		EXPECT_EQ(ret == 0, egm_exists(egm_node()));
		EXPECT_EQ(ret == 0, egm_claimed(NULL));
		EXPECT_TRUE(egm_gpu_is_bound(self->gpu[0]));
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

		arm(self->nth, n);
		ret = egm_adev_unbind();
		if (!fired(self->nth)) {
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
		arm(self->nth, n);
		fd = egm_open();
		if (!fired(self->nth)) {
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

TEST_F(fail_nth, mmap_and_touch)
{
	int n, fd, code;
	char *p;

	for (n = 1; n < MAX_POINTS; n++) {
		fd = egm_open();
		ASSERT_LE(0, fd);
		arm(self->nth, n);
		p = egm_map(fd, EGM_BLOCK, 3 * EGM_BLOCK);
		code = 0;
		if (p != MAP_FAILED) {
			code = egm_touch(p, 1);
			egm_touch(p + 3 * EGM_BLOCK - 1, 1);
		}
		if (!fired(self->nth)) {
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

static void all_gpus(char gpu[EGM_MAX_GPUS][32], int gpus,
		     int (*what)(const char *gpu))
{
	int i;

	for (i = 0; i < gpus; i++)
		what(gpu[i]);
}

/* The address range of a function, from its symbol and the next one. */
static bool symbol_range(const char *name, char *start, char *end, size_t len)
{
	unsigned long long addr = 0, next = ~0ULL, at;
	char line[256], symbol[128];
	int pass;

	for (pass = 0; pass < 2; pass++) {
		FILE *f = fopen("/proc/kallsyms", "r");

		if (!f)
			return false;
		while (fgets(line, sizeof(line), f)) {
			if (sscanf(line, "%llx %*c %127s", &at, symbol) != 2)
				continue;
			if (!pass && !strcmp(symbol, name))
				addr = at;
			if (pass && at > addr && at < next)
				next = at;
		}
		fclose(f);
		if (!addr)
			return false;
	}
	snprintf(start, len, "%#llx", addr);
	snprintf(end, len, "%#llx", next);
	return true;
}

/*
 * Whatever fails, in our code or in vfio's, the next try gives GPU and node. Except
 * for vfio's groups: vfio_group_release() of 7.3 warns of a group that could not be
 * added, and loses a reference of the IOMMU group.
 */
TEST_F_TIMEOUT(fail_nth, gpu_bind, 1200)
{
	char start[32], end[32];
	int n, ret;

	ASSERT_TRUE(symbol_range("vfio_device_set_group", start, end, sizeof(start)));
	reject_caller(start, end);
	for (n = 1; n < MAX_POINTS; n++) {
		all_gpus(self->gpu, self->gpus, egm_gpu_unbind);
		arm(self->nth, n);
		ret = egm_gpu_bind(self->gpu[0]);
		if (!fired(self->nth)) {
			EXPECT_EQ(0, ret);
			break;
		}
		EXPECT_EQ(ret == 0, egm_gpu_is_bound(self->gpu[0]));
		if (!egm_exists(egm_node())) {
			egm_gpu_unbind(self->gpu[0]);
			ASSERT_EQ(0, egm_gpu_bind(self->gpu[0]));
		}
		ASSERT_TRUE(egm_exists(egm_node()));
	}
	expect_swept(_metadata, n);
	all_gpus(self->gpu, self->gpus, egm_gpu_bind);
}

/* Only what fails below our call: it must never cost the GPU its driver. */
TEST_F_TIMEOUT(fail_nth, gpu_bind_below_our_call, 1200)
{
	char start[32], end[32];
	int n, ret;

	ASSERT_TRUE(symbol_range("nvgrace_egm_gpu_bound", start, end, sizeof(start)));
	for (n = 1; n < MAX_POINTS; n++) {
		all_gpus(self->gpu, self->gpus, egm_gpu_unbind);
		require_caller(start, end);
		arm(self->nth, n);
		ret = egm_gpu_bind(self->gpu[0]);
		EXPECT_EQ(0, ret);
		EXPECT_TRUE(egm_gpu_is_bound(self->gpu[0]));
		require_caller("0", "0xffffffffffffffff");
		if (!fired(self->nth))
			break;
		if (!egm_exists(egm_node())) {
			ASSERT_EQ(0, egm_gpu_unbind(self->gpu[0]));
			ASSERT_EQ(0, egm_gpu_bind(self->gpu[0]));
		}
		ASSERT_TRUE(egm_exists(egm_node()));
	}
	expect_swept(_metadata, n);
	all_gpus(self->gpu, self->gpus, egm_gpu_bind);
}

/* Not even an allocation that fails keeps a GPU from going. */
TEST_F_TIMEOUT(fail_nth, gpu_unbind, 1200)
{
	int n, ret;

	for (n = 1; n < MAX_POINTS; n++) {
		all_gpus(self->gpu, self->gpus, egm_gpu_unbind);
		ASSERT_EQ(0, egm_gpu_bind(self->gpu[0]));
		arm(self->nth, n);
		ret = egm_gpu_unbind(self->gpu[0]);
		if (!fired(self->nth)) {
			EXPECT_EQ(0, ret);
			break;
		}
		if (ret)
			ASSERT_EQ(0, egm_gpu_unbind(self->gpu[0]));
		EXPECT_FALSE(egm_exists(egm_node()));
		EXPECT_FALSE(egm_claimed(NULL));
	}
	expect_swept(_metadata, n);
	all_gpus(self->gpu, self->gpus, egm_gpu_bind);
}

TEST_HARNESS_MAIN
