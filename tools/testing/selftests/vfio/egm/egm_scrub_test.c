// SPDX-License-Identifier: GPL-2.0-only
/*
 * Zeroing: at first touch, ahead of need, in parallel, ended by a kill or a removal;
 * and never is anything of a previous owner seen.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <linux/limits.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "egm_util.h"
#include "egm_harness.h"

#define THREADS		4
#define PATTERN		0xa5

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

FIXTURE(scrub) {
	int fd;
	uint64_t size;
	size_t page;
	char workers[16];
};

FIXTURE_SETUP(scrub)
{
	egm_read_line(EGM_WORKERS, self->workers, sizeof(self->workers));
	ASSERT_NE('\0', self->workers[0]);
	egm_set_workers(0);
	self->page = sysconf(_SC_PAGESIZE);
	self->fd = egm_open();
	ASSERT_LE(0, self->fd);
	self->size = egm_size(self->fd);
}

FIXTURE_TEARDOWN(scrub)
{
	close(self->fd);
	egm_write(EGM_WORKERS, self->workers);
	if (!egm_exists(egm_node()))
		egm_adev_bind();
}

/* Leave [0, len) full of the pattern, dirty and unowned; a fresh file after that. */
static int leave_pattern(int fd, size_t len)
{
	char *p = egm_map(fd, 0, len);

	if (p == MAP_FAILED)
		return -1;
	memset(p, PATTERN, len);
	munmap(p, len);
	close(fd);
	return egm_open();
}

TEST_F(scrub, off_means_nothing_ahead)
{
	self->fd = leave_pattern(self->fd, 8 * EGM_BLOCK);
	ASSERT_LE(0, self->fd);
	EXPECT_LE(8 * EGM_BLOCK, egm_pending());
	usleep(200000);
	EXPECT_LE(8 * EGM_BLOCK, egm_pending());
}

/* Neither open nor an on-demand mmap zeroes; a touch zeroes what it maps. */
TEST_F(scrub, first_touch_zeroes_what_it_maps)
{
	size_t huge = self->page / sizeof(uint64_t) * self->page;
	size_t len = self->size / huge * huge;
	int64_t dirty;
	char *p;

	self->fd = leave_pattern(self->fd, len);
	ASSERT_LE(0, self->fd);
	dirty = egm_pending();
	ASSERT_LE((int64_t)len, dirty);
	p = egm_map(self->fd, 0, len);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(dirty, egm_pending());
	EXPECT_EQ(0, p[len - 1]);
	/* One entry, which may lie across a block on either side. */
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
	/* A release is what starts them, of any file. */
	close(egm_open());
	EXPECT_TRUE(egm_wait_zeroed());
	egm_set_workers(0);
	p = egm_map(self->fd, 0, len);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(len, egm_first_nonzero(p, len));
	munmap(p, len);
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
TEST_F(scrub, owned_content_is_left_alone)
{
	size_t len = 64 * EGM_BLOCK, i;
	char *p = egm_map(self->fd, 0, len);

	ASSERT_NE(MAP_FAILED, p);
	/* Every other block; workers zero those between. */
	for (i = 0; i < len; i += 2 * EGM_BLOCK)
		memset(p + i, PATTERN, EGM_BLOCK);
	egm_set_workers(4);
	close(egm_open());
	EXPECT_TRUE(egm_wait_zeroed());
	for (i = 0; i < len; i += 2 * EGM_BLOCK) {
		EXPECT_EQ(PATTERN, (unsigned char)p[i]);
		EXPECT_EQ(PATTERN, (unsigned char)p[i + EGM_BLOCK - 1]);
		EXPECT_EQ(0, p[i + EGM_BLOCK]);
	}
	munmap(p, len);
}

/* What was mapped, but not touched, was given to nobody. */
TEST_F(scrub, untouched_memory_stays_zero)
{
	size_t page = sysconf(_SC_PAGESIZE), huge = page * page / sizeof(uint64_t);
	size_t size = egm_size(self->fd);
	char *p;

	egm_set_workers(4);
	close(egm_open());
	ASSERT_TRUE(egm_wait_zeroed());
	egm_set_workers(0);
	p = egm_map(self->fd, 0, size);
	ASSERT_NE(MAP_FAILED, p);
	p[size / 2] = PATTERN;
	munmap(p, size);
	close(self->fd);
	/* An entry need not begin where a block does. */
	EXPECT_LT(0, egm_pending());
	EXPECT_GE(huge + EGM_BLOCK, egm_pending());
	self->fd = egm_open();
	p = egm_map(self->fd, 0, size);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0, p[size / 2]);
	munmap(p, size);
}

struct toucher {
	pthread_t thread;
	pthread_barrier_t *barrier;
	char *p;
	size_t len;
	int n;
	int wrong;
};

/* All touch each block at once, each its own byte: zeroed once, no byte is lost. */
static void *touch_blocks(void *arg)
{
	struct toucher *t = arg;
	size_t i;

	for (i = 0; i < t->len; i += EGM_BLOCK) {
		pthread_barrier_wait(t->barrier);
		t->wrong += t->p[i + t->n] != 0;
		t->p[i + t->n] = t->n + 1;
	}
	pthread_barrier_wait(t->barrier);
	for (i = 0; i < t->len; i += EGM_BLOCK)
		t->wrong += t->p[i + t->n] != t->n + 1;
	return NULL;
}

static int race_touchers(int fd, size_t len, bool two_mappings)
{
	pthread_barrier_t barrier;
	struct toucher t[THREADS];
	int i, wrong = 0;

	pthread_barrier_init(&barrier, NULL, THREADS);
	for (i = 0; i < THREADS; i++) {
		t[i] = (struct toucher) { .barrier = &barrier, .len = len, .n = i };
		/* The same blocks by different addresses, for half of them. */
		t[i].p = i && (!two_mappings || i % 2) ? t[0].p : egm_map(fd, 0, len);
		if (t[i].p == MAP_FAILED)
			return -1;
	}
	for (i = 0; i < THREADS; i++)
		pthread_create(&t[i].thread, NULL, touch_blocks, &t[i]);
	for (i = 0; i < THREADS; i++) {
		pthread_join(t[i].thread, NULL);
		wrong += t[i].wrong;
	}
	munmap(t[0].p, len);
	if (two_mappings)
		munmap(t[2].p, len);
	pthread_barrier_destroy(&barrier);
	return wrong;
}

TEST_F(scrub, threads_touch_one_block)
{
	size_t len = 128 * EGM_BLOCK;

	self->fd = leave_pattern(self->fd, len);
	ASSERT_LE(0, self->fd);
	EXPECT_EQ(0, race_touchers(self->fd, len, false));
}

TEST_F(scrub, threads_and_workers_touch_one_block)
{
	size_t len = 128 * EGM_BLOCK;

	self->fd = leave_pattern(self->fd, len);
	ASSERT_LE(0, self->fd);
	egm_set_workers(2);
	close(egm_open());
	EXPECT_EQ(0, race_touchers(self->fd, len, true));
}

static void *toggle_huge(void *arg)
{
	const bool *stop = arg;
	int off = 0;

	while (!__atomic_load_n(stop, __ATOMIC_RELAXED)) {
		off = !off;
		prctl(PR_SET_THP_DISABLE, off, 0, 0, 0);
	}
	prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
	return NULL;
}

/* Threads that disagree on whether a block is mapped by a huge entry or by pages. */
TEST_F(scrub, huge_pages_switched_off_while_faulting)
{
	size_t len = 128 * EGM_BLOCK;
	bool stop = false;
	pthread_t thread;

	self->fd = leave_pattern(self->fd, len);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, pthread_create(&thread, NULL, toggle_huge, &stop));
	EXPECT_EQ(0, race_touchers(self->fd, len, false));
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
}

/* How long it takes to zero the whole region in mmap. */
static long time_to_map_all(int fd, uint64_t size)
{
	long start = now_ms();
	char *p = egm_map_populated(fd, 0, size);

	if (p == MAP_FAILED)
		return -1;
	munmap(p, size);
	return now_ms() - start;
}

TEST_F(scrub, kill_ends_zeroing)
{
	long whole, start, killed;
	int status, ready[2];
	int64_t dirty;
	pid_t child;
	char byte;

	self->fd = leave_pattern(self->fd, self->size);
	whole = time_to_map_all(self->fd, self->size);
	ASSERT_LT(0, whole);
	close(self->fd);
	self->fd = egm_open();
	dirty = egm_pending();
	ASSERT_LE((int64_t)self->size, dirty);

	ASSERT_EQ(0, pipe(ready));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (write(ready[1], "", 1) != 1)
			_exit(1);
		egm_map_populated(self->fd, 0, self->size);
		_exit(0);
	}
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	usleep(whole * 1000 / 8);
	start = now_ms();
	kill(child, SIGKILL);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	killed = now_ms() - start;
	TH_LOG("whole region %ld ms, dead %ld ms after the kill", whole, killed);
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_GT(whole / 2, killed);
	EXPECT_LT(0, egm_pending());
	/* What was begun is finished by the next. */
	EXPECT_LE(0, time_to_map_all(self->fd, self->size));
	EXPECT_EQ(0, egm_pending());
}

TEST_F(scrub, removal_ends_zeroing)
{
	long whole, start, removed;

	self->fd = leave_pattern(self->fd, self->size);
	whole = time_to_map_all(self->fd, self->size);
	close(self->fd);
	egm_set_workers(1);
	close(egm_open());
	usleep(whole * 1000 / 8);
	EXPECT_LT(0, egm_pending());
	start = now_ms();
	ASSERT_EQ(0, egm_adev_unbind());
	removed = now_ms() - start;
	TH_LOG("whole region %ld ms, removed in %ld ms", whole, removed);
	EXPECT_GT(whole / 2, removed);
	egm_set_workers(0);
	ASSERT_EQ(0, egm_adev_bind());
	self->fd = egm_open();
	EXPECT_EQ(0, egm_map_errno(self->fd, 0, EGM_BLOCK, MAP_SHARED));
}

/* A thread that zeroes on its own account gives up when the driver goes. */
TEST_F(scrub, removal_while_mmap_zeroes)
{
	long whole, start, gave_up;
	int status;
	pid_t child;

	self->fd = leave_pattern(self->fd, self->size);
	whole = time_to_map_all(self->fd, self->size);
	ASSERT_LT(0, whole);
	close(self->fd);
	self->fd = egm_open();
	ASSERT_LE(0, self->fd);
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		char *p = egm_map_populated(self->fd, 0, self->size);

		_exit(p == MAP_FAILED ? errno : 0);
	}
	usleep(whole * 1000 / 8);
	close(self->fd);
	start = now_ms();
	ASSERT_EQ(0, egm_adev_unbind());
	ASSERT_EQ(child, waitpid(child, &status, 0));
	gave_up = now_ms() - start;
	TH_LOG("whole region %ld ms, gave up in %ld ms", whole, gave_up);
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(ENODEV, WEXITSTATUS(status));
	EXPECT_GT(whole / 3, gave_up);
	ASSERT_EQ(0, egm_adev_bind());
	self->fd = egm_open();
}

/* One owner after the other, of random ranges, each leaving its pattern. */
static void owner(unsigned int seed, long until, uint64_t size)
{
	while (now_ms() < until) {
		size_t len = (1 + rand_r(&seed) % 8) * EGM_BLOCK / 2, i;
		uint64_t offset = rand_r(&seed) % (size / 8 / EGM_BLOCK) * (EGM_BLOCK / 2);
		int fd = egm_open();
		char *p;

		p = rand_r(&seed) % 2 ? egm_map(fd, offset, len) :
					egm_map_populated(fd, offset, len);
		if (p == MAP_FAILED) {
			if (errno != EBUSY)
				_exit(2);
			close(fd);
			continue;
		}
		for (i = 0; i < len; i += 4096)
			if (*(uint64_t *)(p + i))
				_exit(3);
		memset(p, PATTERN, len);
		if (rand_r(&seed) % 2)
			close(fd), fd = -1;
		munmap(p, len);
		if (fd >= 0)
			close(fd);
	}
	_exit(0);
}

TEST_F_TIMEOUT(scrub, previous_owner_is_never_seen, 600)
{
	long until = now_ms() + 15000;
	pid_t child[THREADS];
	int i, status;

	for (i = 0; i < THREADS; i++) {
		child[i] = fork();
		if (!child[i])
			owner(i + 1, until, self->size);
	}
	/* Workers come and go meanwhile. */
	for (i = 0; now_ms() < until; i++) {
		egm_set_workers(i % 4);
		usleep(20000);
	}
	for (i = 0; i < THREADS; i++) {
		ASSERT_EQ(child[i], waitpid(child[i], &status, 0));
		EXPECT_EQ(0, status);
	}
}

TEST_HARNESS_MAIN
