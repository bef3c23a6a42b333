/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by the benchmarks: a clock, a table of samples, and functions that map and touch
 * memory.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef EGM_BENCH_H
#define EGM_BENCH_H

#include <stdarg.h>
#include <time.h>

#include "kselftest.h"
#include "egm_util.h"

#define BENCH_LEN	(1024UL << 20)
/* The same on every kernel, so that a touch is the same work. */
#define BENCH_STEP	4096UL
#define BENCH_READS	200000
#define BENCH_MAX	100

/* All samples of one measurement. */
struct bench_series {
	const char *name;
	const char *what;
	const char *unit;
	double samples[BENCH_MAX];
	int count;
};

static struct bench_series bench_series[128];
static int bench_series_count;
/* Off during a warm-up round. */
static bool bench_keep = true;

static inline __printf(1, 2) void __noreturn bench_die(const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fputs("egm_bench: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

/* @name, @what and @unit must outlive the program's last bench_print(). */
static inline void bench_add(const char *name, const char *what, const char *unit,
			     double value)
{
	struct bench_series *s;

	if (!bench_keep)
		return;
	for (s = bench_series; s < bench_series + bench_series_count; s++)
		if (!strcmp(s->name, name) && !strcmp(s->what, what))
			break;
	if (s == bench_series + bench_series_count) {
		if (s == bench_series + ARRAY_SIZE(bench_series))
			bench_die("too many measurements");
		s->name = name;
		s->what = what;
		s->unit = unit;
		bench_series_count++;
	}
	if (s->count == BENCH_MAX)
		bench_die("too many samples");
	s->samples[s->count++] = value;
}

static inline void bench_print(void)
{
	const struct bench_series *s;
	int i;

	for (s = bench_series; s < bench_series + bench_series_count; s++) {
		printf("{\"case\": \"%s\", \"what\": \"%s\", \"unit\": \"%s\", \"samples\": [",
		       s->name, s->what, s->unit);
		for (i = 0; i < s->count; i++)
			printf("%s%.1f", i ? ", " : "", s->samples[i]);
		puts("]}");
	}
	fflush(stdout);
}

/* Microseconds. */
static inline double bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

/* Add the time since @*start, which becomes now. */
static inline void bench_lap(const char *name, const char *what, double *start)
{
	bench_add(name, what, "us", bench_now() - *start);
	*start = bench_now();
}

/* KiB of this process's page tables. */
static inline long bench_page_tables(void)
{
	long kib = egm_page_tables();

	if (kib < 0)
		bench_die("/proc/self/status has no VmPTE");
	return kib;
}

/* One read and one write in every step. */
static inline void bench_touch(char *p, size_t len)
{
	size_t at;

	for (at = 0; at < len; at += BENCH_STEP) {
		(*(uint64_t *)(p + at))++;
		asm volatile("" : : : "memory");
	}
}

/* Enough to fault in each huge entry. */
static inline void bench_touch_huge(char *p, size_t len)
{
	size_t at;

	for (at = 0; at < len; at += EGM_BLOCK)
		bench_touch(p + at, BENCH_STEP);
}

/* The same reads in every run: a linear congruential generator, fixed seed. */
static inline void bench_random_read(const char *p, size_t len)
{
	uint64_t state = 0x2545f4914f6cdd1dULL, sum = 0;
	int i;

	for (i = 0; i < BENCH_READS; i++) {
		state = state * 6364136223846793005ULL + 1442695040888963407ULL;
		sum += *(const uint64_t *)(p + (((state >> 20) % len) & ~7UL));
	}
	asm volatile("" : : "r" (sum));
}

static inline void bench_unmap(void *p, size_t len)
{
	if (munmap(p, len))
		bench_die("munmap: %s", strerror(errno));
}

/* Anonymous memory that can be all huge entries. */
static inline void *bench_map_thp(size_t len)
{
	size_t huge = EGM_HUGE_MAX;
	char *area, *p;

	area = mmap(NULL, len + huge, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (area == MAP_FAILED)
		return area;
	p = area + (huge - (uintptr_t)area % huge) % huge;
	if (p != area)
		munmap(area, p - area);
	if (p != area + huge)
		munmap(p + len, area + huge - p);
	if (madvise(p, len, MADV_HUGEPAGE)) {
		munmap(p, len);
		return MAP_FAILED;
	}
	return p;
}

#endif /* EGM_BENCH_H */
