/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by the tests of zeroing: a region that no worker zeroes ahead, and a dirty region.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef EGM_SCRUB_H
#define EGM_SCRUB_H

#include "egm_harness.h"
#include "egm_iommufd.h"

#define PATTERN		0xa5

FIXTURE(scrub) {
	int fd;
	uint64_t size;
	size_t page;
	int workers;
};

FIXTURE_SETUP(scrub)
{
	ASSERT_TRUE(egm_bind_again());
	self->workers = egm_workers();
	ASSERT_LE(0, self->workers);
	self->page = sysconf(_SC_PAGESIZE);
	self->fd = egm_open();
	ASSERT_LE(0, self->fd);
	self->size = egm_size(self->fd);
	/* Last: no teardown runs after an assertion that fails above. */
	egm_set_workers(0);
}

/* The kernel has closed the files of the test's process. */
FIXTURE_TEARDOWN_PARENT(scrub)
{
	egm_set_workers(self->workers);
	EXPECT_TRUE(egm_bind_again());
}

/* Leave [0, len) full of the pattern, dirty and unowned; a fresh file after that. */
static inline int leave_pattern(int fd, size_t len)
{
	char *p = egm_map(fd, 0, len);

	if (p == MAP_FAILED)
		return -1;
	memset(p, PATTERN, len);
	munmap(p, len);
	close(fd);
	return egm_open();
}

/* Touch a free block and close the file: its release starts the workers. */
static inline void start_workers(uint64_t offset)
{
	int fd = egm_open();
	char *p = egm_map(fd, offset, EGM_BLOCK);

	if (p != MAP_FAILED)
		*p = PATTERN;
	munmap(p, EGM_BLOCK);
	close(fd);
}

/* How long use_for_dma() takes for [0, size); or -errno. */
static inline long time_to_map_dma(int fd, uint64_t size)
{
	long start = egm_now_ms();
	int err = use_for_dma(fd, 0, size);

	return err ? -err : egm_now_ms() - start;
}

#endif /* EGM_SCRUB_H */
