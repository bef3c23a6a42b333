/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kinds of memory that egm_bench compares.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef EGM_BENCH_KINDS_H
#define EGM_BENCH_KINDS_H

#include <linux/mman.h>

#include "egm_bench_region.h"

#define POSTED		"/dev/egm_posted"
#define DAX		"/dev/dax0.0"
#define DAX_SIZE	"/sys/bus/dax/devices/dax0.0/size"

static inline void *map_congruent(int fd)
{
	return egm_map(fd, 0, BENCH_LEN);
}

static inline void *map_incongruent(int fd)
{
	return egm_map_populated(fd, 0, BENCH_LEN);
}

static inline void *map_hugetlb(int fd)
{
	return mmap(NULL, BENCH_LEN, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_2MB, fd, 0);
}

static inline void *map_thp(int fd)
{
	(void)fd;
	return bench_map_thp(BENCH_LEN);
}

static inline int open_posted(void)
{
	return open_node(POSTED);
}

static inline int open_dax(void)
{
	return open_node(DAX);
}

/* Why a case cannot be run, or NULL. */
static inline const char *no_hugetlb(void)
{
	return bench_hugepages(BENCH_LEN);
}

static inline const char *no_thp(void)
{
	void *p = bench_map_thp(BENCH_LEN);

	if (p == MAP_FAILED)
		return "this kernel has no transparent huge pages";
	munmap(p, BENCH_LEN);
	return NULL;
}

static inline const char *no_posted(void)
{
	int fd;

	if (!egm_exists(POSTED))
		return "module egm_posted is not loaded";
	fd = open_node(POSTED);
	if (egm_size(fd) < BENCH_LEN)
		bench_die("%s is smaller than 1 GiB", POSTED);
	close(fd);
	return NULL;
}

static inline const char *no_dax(void)
{
	static char why[128];
	void *p;
	int fd;

	if (!egm_exists(DAX))
		return "no " DAX;
	if (egm_read_number(DAX_SIZE) < (long)BENCH_LEN)
		return DAX " is smaller than 1 GiB";
	fd = open_node(DAX);
	p = map_congruent(fd);
	if (p == MAP_FAILED)
		snprintf(why, sizeof(why), DAX ": mmap: %s", strerror(errno));
	else
		munmap(p, BENCH_LEN);
	close(fd);
	return p == MAP_FAILED ? why : NULL;
}

/* A kind of memory. */
struct kind {
	const char *name;
	const char *(*unavailable)(void);
	int (*open)(void);	/* NULL for anonymous memory */
	void *(*map)(int fd);
	bool region;
	bool skip;
};

static struct kind kinds[] = {
	{ .name = "on-demand", .open = open_region, .map = map_congruent, .region = true },
	{ .name = "hugetlb", .unavailable = no_hugetlb, .map = map_hugetlb },
	{ .name = "remap", .open = open_region, .map = map_incongruent, .region = true },
	{ .name = "thp", .unavailable = no_thp, .map = map_thp },
	{ .name = "posted", .unavailable = no_posted, .open = open_posted,
	  .map = map_congruent },
	{ .name = "dax", .unavailable = no_dax, .open = open_dax, .map = map_congruent },
};

static const int kind_count = ARRAY_SIZE(kinds);

#endif /* EGM_BENCH_KINDS_H */
