/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The state of the region under measurement, and the pool of huge pages.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef EGM_BENCH_REGION_H
#define EGM_BENCH_REGION_H

#include "egm_bench.h"
#include "egm_driver.h"

#define HUGETLB_POOL	"/sys/kernel/mm/hugepages/hugepages-2048kB/"

static int saved_workers = -1;
static long saved_hugepages = -1;

static inline void restore(void)
{
	char word[32];

	if (saved_workers >= 0)
		egm_set_workers(saved_workers);
	if (saved_hugepages >= 0) {
		snprintf(word, sizeof(word), "%ld", saved_hugepages);
		egm_write(HUGETLB_POOL "nr_hugepages", word);
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

static inline char *map_range(int fd, uint64_t offset, size_t len)
{
	char *p = egm_map(fd, offset, len);

	if (p == MAP_FAILED)
		bench_die("mmap of %zu bytes at %#llx: %s", len, (unsigned long long)offset,
			  strerror(errno));
	return p;
}

/* Use @len bytes from the region's start and release them: that starts the workers. */
static inline void own_once(size_t len)
{
	int fd = open_node(egm_node());
	char *p = map_range(fd, 0, len);

	bench_touch(p, BENCH_STEP);
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

/* Make all of the region dirty, as after boot, with no worker that zeroes it ahead. */
static inline void make_dirty(void)
{
	int ret;

	set_workers(0);
	ret = egm_adev_unbind();
	if (!ret)
		ret = egm_adev_bind();
	if (ret)
		bench_die("rebind %s: %s", egm_adev(), strerror(ret));
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

/*
 * Grow the pool until @len bytes of it are free, and shrink it in restore(); NULL, or the
 * reason why that fails.
 */
static inline const char *bench_hugepages(size_t len)
{
	static char why[128];
	long want, have, spare;
	char word[32];

	have = egm_read_number(HUGETLB_POOL "nr_hugepages");
	spare = egm_read_number(HUGETLB_POOL "free_hugepages");
	if (have < 0 || spare < 0)
		return "this kernel has no huge pages of 2 MiB";
	want = len / (2UL << 20);
	if (spare >= want)
		return NULL;
	saved_hugepages = have;
	want += have - spare;
	snprintf(word, sizeof(word), "%ld", want);
	egm_write(HUGETLB_POOL "nr_hugepages", word);
	have = egm_read_number(HUGETLB_POOL "nr_hugepages");
	if (have >= want)
		return NULL;
	snprintf(why, sizeof(why), "only %ld of %ld huge pages of 2 MiB to be had", have, want);
	return why;
}

#endif /* EGM_BENCH_REGION_H */
