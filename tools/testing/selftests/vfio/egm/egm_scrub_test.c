// SPDX-License-Identifier: GPL-2.0-only
/*
 * Zeroing: at first touch, ahead of need, ended by a kill or a removal.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <dirent.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "egm_scrub.h"

/* Once a worker has ended the block that it was at when it was switched off. */
static int64_t settled_pending(void)
{
	usleep(200000);
	return egm_pending();
}

TEST_F(scrub, no_workers_zero_nothing_ahead)
{
	int64_t dirty;

	self->fd = leave_pattern(self->fd, 8 * EGM_BLOCK);
	ASSERT_LE(0, self->fd);
	dirty = settled_pending();
	EXPECT_LE((int64_t)(8 * EGM_BLOCK), dirty);
	EXPECT_EQ(dirty, settled_pending());
}

/* Neither open nor an on-demand mmap zeroes; a touch zeroes what it maps. */
TEST_F(scrub, first_touch_zeroes_what_it_maps)
{
	size_t huge = egm_pmd_size();
	size_t len = self->size / huge * huge;
	int64_t dirty;
	char *p;

	if (egm_huge_missing())
		SKIP(return, "%s", egm_huge_missing());
	self->fd = leave_pattern(self->fd, len);
	ASSERT_LE(0, self->fd);
	dirty = egm_pending();
	ASSERT_LE((int64_t)len, dirty);
	p = egm_map(self->fd, 0, len);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(dirty, egm_pending());
	EXPECT_EQ(0, p[len - 1]);
	/* The blocks of one huge entry, which may overlap a block at each end. */
	EXPECT_LE(dirty - (int64_t)(huge + 2 * EGM_BLOCK), egm_pending());
	EXPECT_GE(dirty - (int64_t)EGM_BLOCK, egm_pending());
	EXPECT_EQ(len, egm_first_nonzero(p, len));
	munmap(p, len);
}

TEST_F(scrub, released_memory_is_zeroed_ahead)
{
	size_t len = 64 * EGM_BLOCK;
	char *p;

	self->fd = leave_pattern(self->fd, len);
	ASSERT_LE(0, self->fd);
	egm_set_workers(2);
	start_workers(len);
	EXPECT_TRUE(egm_wait_zeroed());
	egm_set_workers(0);
	p = egm_map(self->fd, 0, len);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(len, egm_first_nonzero(p, len));
	munmap(p, len);
}

/* The release of a file that used no block starts no zeroing. */
TEST_F(scrub, release_of_no_block_starts_no_worker)
{
	int64_t dirty;

	self->fd = leave_pattern(self->fd, 8 * EGM_BLOCK);
	ASSERT_LE(0, self->fd);
	dirty = settled_pending();
	ASSERT_LE((int64_t)(8 * EGM_BLOCK), dirty);
	egm_set_workers(4);
	close(egm_open());
	EXPECT_EQ(dirty, settled_pending());
}

/*
 * Workers that zero ahead turn to the blocks that a thread waits for. They zero other blocks until
 * the thread waits, and on a busy machine it waits late. So one of ten attempts must succeed.
 */
TEST_F(scrub, waiting_thread_has_priority)
{
	size_t part = self->size / 4 / EGM_BLOCK * EGM_BLOCK;
	uint64_t at = self->size / EGM_BLOCK * EGM_BLOCK - part;
	int64_t before, elsewhere = part;
	int i;

	if (iommufd_missing())
		SKIP(return, "%s", iommufd_missing());
	for (i = 0; i < 10 && elsewhere >= (int64_t)part / 2; i++) {
		self->fd = leave_pattern(self->fd, self->size);
		ASSERT_LE(0, self->fd);
		egm_set_workers(4);
		start_workers(0);
		before = egm_pending();
		ASSERT_EQ(0, use_for_dma(self->fd, at, part));
		elsewhere = before - egm_pending() - part;
		egm_set_workers(0);
	}
	TH_LOG("workers zeroed %lld MiB while the thread zeroed %zu", (long long)elsewhere >> 20,
	       part >> 20);
	EXPECT_GT((int64_t)part / 2, elsewhere);
}

/* Kernel threads that are at a region now: a worker's name ends with what it does. */
static int zeroing_threads(void)
{
	char path[PATH_MAX], name[128];
	DIR *dir = opendir("/proc");
	struct dirent *d;
	int n = 0;

	while (dir && (d = readdir(dir))) {
		if (d->d_name[0] < '1' || d->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%.20s/comm", d->d_name);
		egm_read_line(path, name, sizeof(name));
		n += !!strstr(name, "+egm_scrub");
	}
	closedir(dir);
	return n;
}

TEST_F(scrub, workers_zero_in_parallel)
{
	size_t len = self->size / EGM_BLOCK * EGM_BLOCK;
	int i, most = 0;

	for (i = 0; i < 10 && most < 2; i++) {
		self->fd = leave_pattern(self->fd, len);
		ASSERT_LE(0, self->fd);
		egm_set_workers(4);
		start_workers(0);
		while (egm_pending() > 0) {
			int now = zeroing_threads();

			most = now > most ? now : most;
		}
		egm_set_workers(0);
	}
	EXPECT_LE(2, most);
}

TEST_F(scrub, bind_zeroes_ahead)
{
	close(self->fd);
	ASSERT_EQ(0, egm_adev_unbind());
	egm_set_workers(2);
	ASSERT_EQ(0, egm_adev_bind());
	EXPECT_TRUE(egm_wait_zeroed());
	self->fd = egm_open();
}

/* The owner's content is not what a worker takes for dirty. */
TEST_F(scrub, owned_content_is_not_zeroed)
{
	size_t len = 64 * EGM_BLOCK, i;
	char *p = egm_map(self->fd, 0, len);

	ASSERT_NE(MAP_FAILED, p);
	/* Every other block; workers zero those between. */
	for (i = 0; i < len; i += 2 * EGM_BLOCK)
		memset(p + i, PATTERN, EGM_BLOCK);
	egm_set_workers(4);
	start_workers(len);
	EXPECT_TRUE(egm_wait_zeroed());
	for (i = 0; i < len; i += 2 * EGM_BLOCK) {
		EXPECT_EQ(PATTERN, (unsigned char)p[i]);
		EXPECT_EQ(PATTERN, (unsigned char)p[i + EGM_BLOCK - 1]);
		EXPECT_EQ(0, p[i + EGM_BLOCK]);
	}
	munmap(p, len);
}

/* Blocks that were mapped, but not touched, stay zero when they are freed. */
TEST_F(scrub, untouched_block_is_freed_as_zero)
{
	int64_t huge = egm_pmd_size();
	size_t size = egm_size(self->fd);
	char *p;

	egm_set_workers(4);
	start_workers(0);
	ASSERT_TRUE(egm_wait_zeroed());
	egm_set_workers(0);
	p = egm_map(self->fd, 0, size);
	ASSERT_NE(MAP_FAILED, p);
	p[size / 2] = PATTERN;
	munmap(p, size);
	close(self->fd);
	/* An entry need not begin where a block does. */
	EXPECT_LT(0, egm_pending());
	EXPECT_GE(huge + (int64_t)EGM_BLOCK, egm_pending());
	self->fd = egm_open();
	p = egm_map(self->fd, 0, size);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0, p[size / 2]);
	munmap(p, size);
}

/* Wait until there is less to zero than that; false if that takes more than a minute. */
static bool zeroing_began(int64_t dirty)
{
	int i;

	for (i = 0; i < 60000 && egm_pending() >= dirty; i++)
		usleep(1000);
	return egm_pending() < dirty;
}

TEST_F(scrub, kill_ends_zeroing)
{
	long whole, start, killed;
	int64_t dirty;
	pid_t child;
	int status;

	if (iommufd_missing())
		SKIP(return, "%s", iommufd_missing());
	self->fd = leave_pattern(self->fd, self->size);
	whole = time_to_map_dma(self->fd, self->size);
	ASSERT_LT(0, whole);
	close(self->fd);
	self->fd = egm_open();
	dirty = egm_pending();
	ASSERT_LE((int64_t)self->size, dirty);

	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		time_to_map_dma(self->fd, self->size);
		_exit(0);
	}
	ASSERT_TRUE(zeroing_began(dirty));
	start = egm_now_ms();
	kill(child, SIGKILL);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	killed = egm_now_ms() - start;
	TH_LOG("whole region %ld ms, dead %ld ms after the kill", whole, killed);
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_GT(whole / 2, killed);
	EXPECT_LT(0, egm_pending());
	/* The next mapping zeroes the rest. */
	EXPECT_LE(0, time_to_map_dma(self->fd, self->size));
	EXPECT_EQ(0, egm_pending());
}

TEST_F(scrub, removal_ends_zeroing)
{
	long whole, start, removed;
	int64_t dirty;

	if (iommufd_missing())
		SKIP(return, "%s", iommufd_missing());
	self->fd = leave_pattern(self->fd, self->size);
	whole = time_to_map_dma(self->fd, self->size);
	ASSERT_LT(0, whole);
	close(self->fd);
	dirty = egm_pending();
	ASSERT_LE((int64_t)self->size, dirty);
	egm_set_workers(1);
	start_workers(0);
	ASSERT_TRUE(zeroing_began(dirty));
	EXPECT_LT(0, egm_pending());
	start = egm_now_ms();
	ASSERT_EQ(0, egm_adev_unbind());
	removed = egm_now_ms() - start;
	TH_LOG("whole region %ld ms, removed in %ld ms", whole, removed);
	EXPECT_GT(whole / 2, removed);
	egm_set_workers(0);
	ASSERT_EQ(0, egm_adev_bind());
	self->fd = egm_open();
	EXPECT_EQ(0, egm_map_errno(self->fd, 0, EGM_BLOCK, MAP_SHARED));
}

/* A thread that zeroes for a DMA mapping returns ENODEV when the driver is unbound. */
TEST_F(scrub, removal_ends_zeroing_for_dma)
{
	long whole, start, gave_up;
	int64_t dirty;
	pid_t child;
	int status;

	if (iommufd_missing())
		SKIP(return, "%s", iommufd_missing());
	self->fd = leave_pattern(self->fd, self->size);
	whole = time_to_map_dma(self->fd, self->size);
	ASSERT_LT(0, whole);
	close(self->fd);
	self->fd = egm_open();
	ASSERT_LE(0, self->fd);
	dirty = egm_pending();
	ASSERT_LE((int64_t)self->size, dirty);
	child = fork();
	ASSERT_LE(0, child);
	if (!child)
		_exit(-time_to_map_dma(self->fd, self->size));
	ASSERT_TRUE(zeroing_began(dirty));
	EXPECT_LT(0, egm_pending());
	close(self->fd);
	start = egm_now_ms();
	ASSERT_EQ(0, egm_adev_unbind());
	ASSERT_EQ(child, waitpid(child, &status, 0));
	gave_up = egm_now_ms() - start;
	TH_LOG("whole region %ld ms, gave up in %ld ms", whole, gave_up);
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(ENODEV, WEXITSTATUS(status));
	EXPECT_GT(whole / 3, gave_up);
	ASSERT_EQ(0, egm_adev_bind());
	self->fd = egm_open();
}

TEST_HARNESS_MAIN
