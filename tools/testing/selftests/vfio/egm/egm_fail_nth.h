/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fault injection: make the n-th allocation of a task fail, for every n.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef EGM_FAIL_NTH_H
#define EGM_FAIL_NTH_H

#include <sys/syscall.h>

#include "egm_harness.h"

#define DEBUGFS		"/sys/kernel/debug/"
#define MAX_POINTS	5000

/* This task's fail-nth file, the saved panic_on_warn, and the GPUs of the region's socket. */
struct injection {
	int nth;
	char warn[16];
	char gpu[EGM_MAX_GPUS][32];	/* in ascending order */
	int gpus;
};

static const char * const facility[] = { "failslab", "fail_page_alloc" };

static inline void setup_facility(const char *name, const char *knob, const char *value)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), DEBUGFS "%s/%s", name, knob);
	egm_write(path, value);
}

static inline void limit_callers(const char *how, const char *start, const char *end)
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

static inline void require_caller(const char *start, const char *end)
{
	limit_callers("require", start, end);
}

static inline void reject_caller(const char *start, const char *end)
{
	limit_callers("reject", start, end);
}

static inline void any_caller(void)
{
	require_caller("0", "0xffffffffffffffff");
}

/* Get ready, with panic_on_warn; skips what runs if the kernel cannot. */
static inline void injection_begin(struct __test_metadata *_metadata, struct injection *in)
{
	char path[PATH_MAX];
	size_t i;

	snprintf(path, sizeof(path), "/proc/self/task/%ld/fail-nth",
		 syscall(SYS_gettid));
	in->nth = open(path, O_RDWR);
	/* Without the filter allocations of other code would fail too. */
	if (in->nth < 0 || !egm_exists(DEBUGFS "failslab/require-start"))
		SKIP(return, "the kernel lacks CONFIG_FAILSLAB or its filter of stack traces");

	ASSERT_TRUE(egm_bind_again());
	in->gpus = egm_gpus_sorted(in->gpu);
	ASSERT_LE(1, in->gpus);
	for (i = 0; i < ARRAY_SIZE(facility); i++) {
		setup_facility(facility[i], "ignore-gfp-wait", "0");
		setup_facility(facility[i], "ignore-gfp-highmem", "0");
		setup_facility(facility[i], "min-order", "0");
		setup_facility(facility[i], "verbose", "0");
	}
	egm_read_line("/proc/sys/kernel/panic_on_warn", in->warn, sizeof(in->warn));
	ASSERT_EQ(0, egm_write("/proc/sys/kernel/panic_on_warn", "1"));
}

/*
 * For the parent, after the test has passed, failed or crashed: the test may have unbound the
 * GPUs or removed the module. Its fail-nth count ended with its task.
 */
static inline bool injection_end(struct injection *in)
{
	any_caller();
	reject_caller("0", "0");
	egm_write("/proc/sys/kernel/panic_on_warn", in->warn);
	return egm_bind_all(in->gpu, in->gpus);
}

/* Make the @n-th allocation after this call fail. */
static inline void arm(int nth, int n)
{
	char word[16];
	int len = snprintf(word, sizeof(word), "%d", n);

	if (pwrite(nth, word, len, 0) != len)
		abort();
}

/* Disarm; was there an @n-th point? */
static inline bool fired(int nth)
{
	char left[16] = { };

	if (pread(nth, left, sizeof(left) - 1, 0) < 0)
		abort();
	if (pwrite(nth, "0", 1, 0) != 1)
		abort();
	return atoi(left) == 0;
}

static inline bool clean_and_mappable(void)
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
static inline void expect_swept(struct __test_metadata *_metadata, int n)
{
	EXPECT_LT(2, n);
	EXPECT_GT(MAX_POINTS, n);
	TH_LOG("%d failure points", n - 1);
}

/* The address range of a function, from its symbol and the next one. */
static inline bool symbol_range(const char *name, char *start, char *end, size_t len)
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

#endif /* EGM_FAIL_NTH_H */
