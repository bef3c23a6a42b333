// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads and workers that zero one block concurrently, and owners that follow each other: no
 * owner reads content of a previous one.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "egm_scrub.h"

#define THREADS		4

struct toucher {
	pthread_t thread;
	pthread_barrier_t *barrier;
	char *p;
	size_t len;
	int n;
	int wrong;
};

/* Threads touch each block concurrently, each its own byte: no write is lost to zeroing. */
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
	int i, first, wrong = 0;

	pthread_barrier_init(&barrier, NULL, THREADS);
	for (i = 0; i < THREADS; i++) {
		t[i] = (struct toucher) { .barrier = &barrier, .len = len, .n = i };
		/* The same blocks by different addresses: half of the threads by either. */
		first = two_mappings && i >= THREADS / 2 ? THREADS / 2 : 0;
		t[i].p = i == first ? egm_map(fd, 0, len) : t[first].p;
		if (t[i].p == MAP_FAILED)
			return -1;
	}
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&t[i].thread, NULL, touch_blocks, &t[i]))
			abort();
	for (i = 0; i < THREADS; i++) {
		pthread_join(t[i].thread, NULL);
		wrong += t[i].wrong;
	}
	munmap(t[0].p, len);
	if (two_mappings)
		munmap(t[THREADS / 2].p, len);
	pthread_barrier_destroy(&barrier);
	return wrong;
}

TEST_F(scrub, threads_touch_one_block_no_write_lost)
{
	size_t len = 128 * EGM_BLOCK;

	self->fd = leave_pattern(self->fd, len);
	ASSERT_LE(0, self->fd);
	EXPECT_EQ(0, race_touchers(self->fd, len, false));
}

TEST_F(scrub, threads_and_workers_in_one_block_no_write_lost)
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
TEST_F(scrub, huge_pages_disabled_during_faults)
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

/* One owner after the other, of random ranges, each leaving its pattern. */
static void owner(unsigned int seed, long until, uint64_t size)
{
	int turns = 0;

	while (egm_now_ms() < until) {
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
		turns++;
	}
	_exit(turns ? 0 : 4);
}

TEST_F_TIMEOUT(scrub, content_of_previous_owner_is_not_read, 600)
{
	long until = egm_now_ms() + 15000;
	pid_t child[THREADS];
	int i, status;

	for (i = 0; i < THREADS; i++) {
		child[i] = fork();
		ASSERT_LE(0, child[i]);
		if (!child[i])
			owner(i + 1, until, self->size);
	}
	/* Change the number of workers while the owners run. */
	for (i = 0; egm_now_ms() < until; i++) {
		egm_set_workers(i % 4);
		usleep(20000);
	}
	for (i = 0; i < THREADS; i++) {
		ASSERT_EQ(child[i], waitpid(child[i], &status, 0));
		EXPECT_EQ(0, status);
	}
}

TEST_HARNESS_MAIN
