/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kinds of memory that egm_bench compares, and the state of the region.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef EGM_BENCH_KINDS_H
#define EGM_BENCH_KINDS_H

#include <linux/mman.h>

#include "egm_bench.h"
#include "egm_driver.h"

#define POSTED		"/dev/egm_posted"
#define DAX		"/dev/dax0.0"
#define DAX_SIZE	"/sys/bus/dax/devices/dax0.0/size"
#define HUGETLB_POOL	"/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"

static int saved_workers = -1;
static long saved_hugepages = -1;

static inline void restore(void)
{
	char word[32];

	if (saved_workers >= 0)
		egm_set_workers(saved_workers);
	if (saved_hugepages >= 0) {
		snprintf(word, sizeof(word), "%ld", saved_hugepages);
		egm_write(HUGETLB_POOL, word);
	}
}

/* egm_set_workers(), but sure of it: the memory may not be zeroed behind our back. */
static inline void set_workers(int n)
{
	egm_set_workers(n);
	if (egm_workers() != n)
		bench_die("cannot set %s to %d", EGM_WORKERS, n);
}

static inline int open_node(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		bench_die("%s: %s", path, strerror(errno));
	return fd;
}

/* Own @len bytes from the region's start and give them up again. */
static inline void own_once(size_t len)
{
	int fd = open_node(egm_node());
	void *p = egm_map(fd, 0, len);

	if (p == MAP_FAILED)
		bench_die("%s: mmap: %s", egm_node(), strerror(errno));
	bench_unmap(p, len);
	close(fd);
}

static inline uint64_t region_size(void)
{
	int fd = open_node(egm_node());
	uint64_t size = egm_size(fd);

	close(fd);
	return size;
}

/* Nothing of the region is zeroed, and nobody zeroes ahead: as if just found. */
static inline void make_dirty(void)
{
	int ret;

	set_workers(0);
	ret = egm_adev_unbind();
	if (!ret)
		ret = egm_adev_bind();
	if (ret)
		bench_die("bind %s anew: %s", egm_adev(), strerror(ret));
	if (egm_pending() < (int64_t)region_size())
		bench_die("%s: only %lld bytes are dirty though workers are off", egm_node(),
			  (long long)egm_pending());
}

/* All of it is zeroed. The end of a file starts the workers. */
static inline void make_zeroed(void)
{
	set_workers(4);
	own_once(sysconf(_SC_PAGESIZE));
	if (!egm_wait_zeroed())
		bench_die("%s: still %lld bytes to zero after a minute", egm_node(),
			  (long long)egm_pending());
	set_workers(0);
}

static inline int open_region(void)
{
	return open_node(egm_node());
}

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
	static char why[128];
	long want, have;
	char word[32];

	have = egm_read_number(HUGETLB_POOL);
	if (have < 0)
		return "this kernel has no huge pages of 2 MiB";
	saved_hugepages = have;
	want = have + BENCH_LEN / (2UL << 20);
	snprintf(word, sizeof(word), "%ld", want);
	egm_write(HUGETLB_POOL, word);
	have = egm_read_number(HUGETLB_POOL);
	if (have >= want)
		return NULL;
	snprintf(why, sizeof(why), "only %ld of %ld huge pages of 2 MiB to be had", have, want);
	return why;
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
