// SPDX-License-Identifier: GPL-2.0-only
/*
 * egm_bench [-n SAMPLES]			1 GiB of each kind of memory
 * egm_bench [-n SAMPLES] --huge NODE [NAME]	all of NODE, mapped and never touched
 * egm_bench [-n SAMPLES] --posted-huge [NAME]	the same for /dev/egm_posted
 *
 * Prints a JSON object for each measurement. The region is EGM_NODE, or /dev/egm4.
 * The kinds of memory, as "case":
 *
 *	on-demand	the region, where huge entries fit
 *	remap		the region, where they do not: all mapped in mmap
 *	hugetlb, thp	what a host would use without a region
 *	posted		egm_posted, if that module is loaded
 *	dax		/dev/dax0.0, if there is one
 *	memset		nothing but memset of mapped memory, to compare with
 *	scrub-1, -2	zeroing ahead of need by that many workers
 *	memset-1, -2	memset by that many threads: the memory bandwidth of this machine
 *
 * A round runs every case once, so that a drift of the machine's speed changes every case.
 * The results of the first round are dropped: an emulator backs memory at its first use.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <getopt.h>
#include <pthread.h>

#include "egm_bench_kinds.h"

static void measure_kind(const struct kind *k)
{
	const char *name = k->name;
	int fd = -1;
	long tables;
	double t;
	char *p;

	if (k->region)
		make_dirty();
	tables = bench_page_tables();

	t = bench_now();
	if (k->open) {
		fd = k->open();
		bench_lap(name, "open", &t);
	}
	p = k->map(fd);
	if (p == MAP_FAILED)
		bench_die("%s: mmap: %s", name, strerror(errno));
	bench_lap(name, "mmap", &t);
	bench_touch(p, BENCH_LEN);
	bench_lap(name, "first_touch", &t);

	bench_add(name, "page_table", "KiB", bench_page_tables() - tables);
	/* The page table that the kernel keeps aside for each huge page counts too. */
	if (!strcmp(name, "thp"))
		bench_add(name, "huge", "KiB",
			  egm_field("/proc/self/smaps_rollup", "AnonHugePages:"));

	t = bench_now();
	bench_touch(p, BENCH_LEN);
	bench_lap(name, "second_touch", &t);
	bench_random_read(p, BENCH_LEN);
	bench_lap(name, "random_read", &t);
	bench_unmap(p, BENCH_LEN);
	bench_lap(name, "munmap", &t);
	if (fd >= 0) {
		close(fd);
		bench_lap(name, "close", &t);
	}
}

static void measure_zeroed(const struct kind *k)
{
	double t;
	char *p;
	int fd;

	make_zeroed();
	fd = k->open();
	t = bench_now();
	p = k->map(fd);
	if (p == MAP_FAILED)
		bench_die("%s: mmap: %s", k->name, strerror(errno));
	bench_lap(k->name, "mmap_zeroed", &t);
	bench_touch(p, BENCH_LEN);
	bench_lap(k->name, "first_touch_zeroed", &t);
	bench_unmap(p, BENCH_LEN);
	close(fd);
}

/* The cost of memset of memory that is mapped already. */
static void measure_memset(void)
{
	char *p = bench_map_thp(BENCH_LEN);
	double t;

	if (p == MAP_FAILED)
		bench_die("memset: mmap: %s", strerror(errno));
	bench_touch(p, BENCH_LEN);

	t = bench_now();
	memset(p, 0, BENCH_LEN);
	/* Nothing reads it, but it must not be optimized away. */
	asm volatile("" : : "r" (p) : "memory");
	bench_lap("memset", "memset", &t);
	bench_touch(p, BENCH_LEN);
	bench_lap("memset", "second_touch", &t);
	bench_unmap(p, BENCH_LEN);
}

struct part {
	pthread_t thread;
	char *p;
	size_t len;
};

static void *set_part(void *arg)
{
	struct part *part = arg;

	memset(part->p, 0, part->len);
	asm volatile("" : : "r" (part->p) : "memory");
	return NULL;
}

static void measure_threads(const char *name, int threads)
{
	char *p = bench_map_thp(BENCH_LEN);
	struct part part[2];
	double t;
	int i;

	if (p == MAP_FAILED)
		bench_die("%s: mmap: %s", name, strerror(errno));
	bench_touch(p, BENCH_LEN);
	t = bench_now();
	for (i = 0; i < threads; i++) {
		part[i].len = BENCH_LEN / threads;
		part[i].p = p + i * part[i].len;
		if (pthread_create(&part[i].thread, NULL, set_part, &part[i]))
			bench_die("%s: no thread", name);
	}
	for (i = 0; i < threads; i++)
		pthread_join(part[i].thread, NULL);
	bench_add(name, "scrub", "MiB/s", BENCH_LEN / 1048576.0 / ((bench_now() - t) / 1e6));
	bench_unmap(p, BENCH_LEN);
}

static void measure_scrub(const char *name, int workers)
{
	int64_t before, left;
	double t, us;

	make_dirty();
	before = egm_pending();
	set_workers(workers);
	t = bench_now();
	own_once(sysconf(_SC_PAGESIZE));
	/* Poll seldom, since polling takes CPU time from a worker; stop before the last block. */
	do {
		usleep(20000);
		left = egm_pending();
		us = bench_now() - t;
		if (left < 0 || us > 6e7)
			bench_die("%s: %lld bytes left to zero after %.0f s", egm_node(),
				  (long long)left, us / 1e6);
	} while (left > before / 4);
	if (!left)
		bench_die("%s: zeroed before the first poll", egm_node());
	before -= left;
	bench_add(name, "scrub", "MiB/s", before / 1048576.0 / (us / 1e6));
	set_workers(0);
}

/*
 * The first use of a page of this machine's memory is a page fault of the emulator. Touch the
 * free memory before the first measurement.
 */
static void warm_memory(void)
{
	long kib = egm_field("/proc/meminfo", "MemAvailable:");
	size_t len;
	void *p;

	if (kib < 0)
		bench_die("/proc/meminfo has no MemAvailable");
	len = (kib / 10 * 9 * 1024UL) & ~(EGM_BLOCK - 1);
	p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (p == MAP_FAILED)
		bench_die("%zu bytes to warm up: %s", len, strerror(errno));
	munmap(p, len);
}

static void measure_all(int samples)
{
	const char *why;
	int round, i;

	saved_workers = egm_workers();
	if (saved_workers < 0)
		bench_die("no %s: is the driver loaded?", EGM_WORKERS);
	if (region_size() < BENCH_LEN)
		bench_die("%s is smaller than 1 GiB", egm_node());
	atexit(restore);
	warm_memory();

	for (i = 0; i < kind_count; i++) {
		why = kinds[i].unavailable ? kinds[i].unavailable() : NULL;
		if (!why)
			continue;
		printf("{\"case\": \"%s\", \"skipped\": \"%s\"}\n", kinds[i].name, why);
		kinds[i].skip = true;
	}

	for (round = 0; round <= samples; round++) {
		fprintf(stderr, "# round %d of %d\n", round, samples);
		bench_keep = round > 0;
		for (i = 0; i < kind_count; i++) {
			if (kinds[i].skip)
				continue;
			measure_kind(&kinds[i]);
			/* Cases that are compared run one after the other. */
			if (!i)
				measure_memset();
			if (kinds[i].region)
				measure_zeroed(&kinds[i]);
		}
		/* Short cases, which depend on the load of the second CPU: three samples. */
		for (i = 0; i < 3; i++) {
			measure_scrub("scrub-1", 1);
			measure_scrub("scrub-2", 2);
			measure_threads("memset-1", 1);
			measure_threads("memset-2", 2);
		}
	}
}

static void measure_whole(const char *node, const char *name, int samples)
{
	uint64_t size;
	long tables;
	int i, fd;
	double t;
	void *p;

	/* A release would start to zero hundreds of GiB that nothing backs. */
	if (strcmp(node, POSTED) && egm_workers())
		bench_die("%s must be 0", EGM_WORKERS);
	for (i = 0; i <= samples; i++) {
		bench_keep = i > 0;
		t = bench_now();
		fd = open_node(node);
		bench_lap(name, "open", &t);

		size = egm_size(fd);
		tables = bench_page_tables();
		t = bench_now();
		p = egm_map(fd, 0, size);
		if (p == MAP_FAILED)
			bench_die("%s: mmap of %llu bytes: %s", node,
				  (unsigned long long)size, strerror(errno));
		bench_lap(name, "mmap", &t);
		bench_add(name, "page_table", "KiB", bench_page_tables() - tables);

		t = bench_now();
		bench_unmap(p, size);
		bench_lap(name, "munmap", &t);
		close(fd);
		bench_lap(name, "close", &t);
		bench_add(name, "size", "KiB", size / 1024.0);
	}
}

static void __noreturn die_usage(void)
{
	fputs("usage: egm_bench [-n SAMPLES]\n"
	      "       egm_bench [-n SAMPLES] --huge NODE [NAME]\n"
	      "       egm_bench [-n SAMPLES] --posted-huge [NAME]\n", stderr);
	exit(2);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "huge", required_argument, NULL, 'h' },
		{ "posted-huge", no_argument, NULL, 'p' },
		{ },
	};
	const char *node = NULL, *name = NULL;
	int samples = 5, c;

	while ((c = getopt_long(argc, argv, "n:", options, NULL)) != -1) {
		if (c == 'n') {
			samples = atoi(optarg);
		} else if (c == 'h') {
			node = optarg;
			name = "huge";
		} else if (c == 'p') {
			node = POSTED;
			name = "posted-huge";
		} else {
			die_usage();
		}
	}
	if (node && optind < argc)
		name = argv[optind++];
	if (optind < argc || samples < 1 || samples > BENCH_MAX)
		die_usage();

	if (node)
		measure_whole(node, name, samples);
	else
		measure_all(samples);
	bench_print();
	return 0;
}
