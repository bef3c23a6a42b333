// SPDX-License-Identifier: GPL-2.0-only
/*
 * egm_bench_dma [-n SAMPLES] - map all of a region for DMA of a device, and unmap it
 *
 * Prints a JSON object for each measurement. The region is EGM_NODE, or /dev/egm4. Each
 * "what" ends in the region's size in MiB. The ways to map, as "case":
 *
 *	dma-file	iommufd, IOMMU_IOAS_MAP_FILE of the region
 *	dma-type1	VFIO type1, a mapping of the region that huge entries fill
 *	dma-hugetlb	iommufd, IOMMU_IOAS_MAP_FILE of as much of a hugetlb memfd
 *
 * All memory is zeroed before it is mapped for DMA, but for "map_dirty", where mapping
 * zeroes it. The memory of type1 and of hugetlb was touched before, so that neither has
 * to fault it in.
 *
 * A round runs every case once. The first one is thrown away: an emulator backs a
 * machine's memory at its first use.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <linux/memfd.h>

#include "egm_bench_region.h"
#include "egm_rig.h"

/* Above the window for interrupts, and aligned to blocks of 1 GiB of the IOMMU. */
#define IOVA		(4UL << 30)

static char map_name[32], map_dirty_name[32], unmap_name[32];

static void set_names(size_t len)
{
	snprintf(map_name, sizeof(map_name), "map_%zu", len >> 20);
	snprintf(map_dirty_name, sizeof(map_dirty_name), "map_dirty_%zu", len >> 20);
	snprintf(unmap_name, sizeof(unmap_name), "unmap_%zu", len >> 20);
}

static void check(const char *name, const char *what, int err)
{
	if (err)
		bench_die("%s: %s: %s", name, what, strerror(err));
}

/* Map @fd, which is mmapped as by a VMM, in an address space that has a device. */
static void measure_iommufd(const char *name, const char *what, int fd, size_t len)
{
	struct rig rig = { };
	double t;
	int err;

	rig_up(&rig, MODE_IOMMUFD);
	t = bench_now();
	err = map_file(&rig, fd, 0, IOVA, len);
	bench_lap(name, what, &t);
	check(name, "map", err);
	t = bench_now();
	err = unmap(&rig, IOVA, len);
	/* One sample a round: unmapping costs the same for dirty and for zeroed memory. */
	if (what == map_name)
		bench_lap(name, unmap_name, &t);
	check(name, "unmap", err);
	rig_down(&rig);
}

static void measure_file(const char *what, size_t len)
{
	int fd = open_region();
	char *p = map_range(fd, 0, len);

	measure_iommufd("dma-file", what, fd, len);
	munmap(p, len);
	close(fd);
}

static void measure_type1(size_t len)
{
	int fd = open_region(), err;
	char *p = map_range(fd, 0, len);
	struct dma_region region = { .vaddr = p, .iova = IOVA, .size = len };
	struct rig rig = { };
	double t;

	bench_touch_huge(p, len);
	rig_up(&rig, MODE_VFIO_TYPE1V2_IOMMU);
	t = bench_now();
	err = __iommu_map(rig.iommu, &region);
	bench_lap("dma-type1", map_name, &t);
	check("dma-type1", "map", -err);
	t = bench_now();
	err = __iommu_unmap(rig.iommu, &region, NULL);
	bench_lap("dma-type1", unmap_name, &t);
	check("dma-type1", "unmap", -err);
	rig_down(&rig);
	munmap(p, len);
	close(fd);
}

/* A memfd of huge pages, all of it mapped and touched, until the program ends. */
static int open_hugetlb(size_t len)
{
	const char *why = bench_hugepages(len);
	int fd;

	if (why) {
		printf("{\"case\": \"dma-hugetlb\", \"skipped\": \"%s\"}\n", why);
		return -1;
	}
	fd = memfd_create("egm_bench", MFD_CLOEXEC | MFD_HUGETLB | MFD_HUGE_2MB);
	if (fd < 0 || ftruncate(fd, len))
		bench_die("dma-hugetlb: memfd: %s", strerror(errno));
	bench_touch_huge(map_range(fd, 0, len), len);
	return fd;
}

static void measure_round(int hugetlb, size_t len)
{
	make_zeroed();
	measure_file(map_name, len);
	if (hugetlb >= 0)
		measure_iommufd("dma-hugetlb", map_name, hugetlb, len);
	make_zeroed();
	measure_type1(len);
	make_dirty();
	measure_file(map_dirty_name, len);
}

int main(int argc, char **argv)
{
	const char *why = rig_missing(MODE_IOMMUFD);
	int samples = 5, hugetlb, round;
	bool usage = argc != 1;
	size_t len;

	if (argc == 3 && !strcmp(argv[1], "-n")) {
		samples = atoi(argv[2]);
		usage = samples < 1 || samples > BENCH_MAX;
	}
	if (usage) {
		fputs("usage: egm_bench_dma [-n SAMPLES]\n", stderr);
		return 2;
	}
	if (why)
		bench_die("%s", why);
	saved_workers = egm_workers();
	if (saved_workers < 0)
		bench_die("no %s: is the driver loaded?", EGM_WORKERS);

	atexit(restore);
	len = region_size();
	set_names(len);
	hugetlb = open_hugetlb(len);
	for (round = 0; round <= samples; round++) {
		fprintf(stderr, "# round %d of %d\n", round, samples);
		bench_keep = round > 0;
		measure_round(hugetlb, len);
	}
	bench_print();
	return 0;
}
