// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ownership between processes: two share a region by offset, one goes, a third takes
 * its place; a descriptor that is passed takes its owner's rights along.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <sys/wait.h>

#include "egm_harness.h"

/* A process that owns a range, full of @byte, until told to go. */
struct holder {
	pid_t pid;
	int to;
	int from;
};

static bool all_bytes(const char *p, size_t len, char byte)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (p[i] != byte)
			return false;
	return true;
}

/* Answers: 'y' map and fill worked, 'b' busy, 'd' dirty; then 'y'/'n' for intact. */
static void hold(int from, int to, uint64_t offset, size_t len, char byte)
{
	char answer = 'y', word;
	int fd = egm_open();
	char *p = egm_map(fd, offset, len);

	if (p == MAP_FAILED)
		answer = errno == EBUSY ? 'b' : 'e';
	else if (egm_first_nonzero(p, len) != len)
		answer = 'd';
	else
		memset(p, byte, len);
	if (write(to, &answer, 1) != 1)
		_exit(1);
	while (read(from, &word, 1) == 1 && word == '?' && p != MAP_FAILED) {
		answer = all_bytes(p, len, byte) ? 'y' : 'n';
		if (write(to, &answer, 1) != 1)
			break;
	}
	_exit(0);
}

static char start_holder(struct holder *h, uint64_t offset, size_t len, char byte)
{
	int to[2], from[2];
	char answer = 0;

	if (pipe(to) || pipe(from))
		return 0;
	h->pid = fork();
	if (h->pid < 0)
		return 0;
	if (!h->pid) {
		close(to[1]);
		close(from[0]);
		hold(to[0], from[1], offset, len, byte);
	}
	close(to[0]);
	close(from[1]);
	h->to = to[1];
	h->from = from[0];
	return read(h->from, &answer, 1) == 1 ? answer : 0;
}

static char intact(struct holder *h)
{
	char answer = 0;

	if (write(h->to, "?", 1) != 1 || read(h->from, &answer, 1) != 1)
		return 0;
	return answer;
}

static void end_holder(struct holder *h, int sig)
{
	/* A word and not the end of the pipe: later holders inherit its other end. */
	if (sig)
		kill(h->pid, sig);
	else if (write(h->to, "q", 1) != 1)
		perror("end_holder");
	close(h->to);
	close(h->from);
	waitpid(h->pid, NULL, 0);
}

FIXTURE(owner) {
	uint64_t half;
	size_t page;
};

FIXTURE_SETUP(owner)
{
	int fd = egm_open();

	ASSERT_LE(0, fd);
	self->half = egm_size(fd) / 2 / EGM_BLOCK * EGM_BLOCK;
	self->page = sysconf(_SC_PAGESIZE);
	close(fd);
}

FIXTURE_TEARDOWN(owner)
{
}

TEST_F(owner, halves)
{
	size_t len = 16 * EGM_BLOCK;
	struct holder a, b, c;

	/* At the border: the last blocks of one half, the first of the other. */
	ASSERT_EQ('y', start_holder(&a, self->half - len, len, 0x5a));
	ASSERT_EQ('y', start_holder(&b, self->half, len, 0x66));
	EXPECT_EQ('b', start_holder(&c, self->half - len, len, 0x11));
	end_holder(&c, 0);
	end_holder(&a, 0);
	EXPECT_EQ('y', intact(&b));
	/* A third takes the half that is free, clean, and no page more. */
	ASSERT_EQ('y', start_holder(&a, self->half - len, len, 0x77));
	EXPECT_EQ('b', start_holder(&c, self->half - len, len + self->page, 0x11));
	end_holder(&c, 0);
	EXPECT_EQ('y', intact(&b));
	EXPECT_EQ('y', intact(&a));
	end_holder(&b, 0);
	EXPECT_EQ('y', intact(&a));
	end_holder(&a, 0);
}

TEST_F(owner, killed_owner_leaves_nothing)
{
	size_t len = 16 * EGM_BLOCK;
	struct holder a;
	int i;

	for (i = 0; i < 4; i++) {
		ASSERT_EQ('y', start_holder(&a, 0, len, 0x42 + i));
		end_holder(&a, SIGKILL);
	}
}

/* Blocks, not pages: sharing one would let two owners meet in a block. */
TEST_F(owner, neighbours_in_a_block)
{
	int a = egm_open(), b = egm_open();

	ASSERT_EQ(0, egm_map_errno(a, 0, self->page, MAP_SHARED));
	EXPECT_EQ(EBUSY, egm_map_errno(b, EGM_BLOCK - self->page, self->page, MAP_SHARED));
	EXPECT_EQ(0, egm_map_errno(b, EGM_BLOCK, self->page, MAP_SHARED));
	close(a);
	EXPECT_EQ(0, egm_map_errno(b, EGM_BLOCK - self->page, self->page, MAP_SHARED));
	close(b);
}

/* As many claims as there are blocks, of two files in turn. */
TEST_F(owner, claims_of_one_block_each)
{
	int fd = egm_open(), other = egm_open();
	uint64_t offset;

	for (offset = 0; offset < 2 * self->half; offset += 2 * EGM_BLOCK)
		ASSERT_EQ(0, egm_map_errno(fd, offset, self->page, MAP_SHARED));
	for (offset = EGM_BLOCK; offset < 2 * self->half; offset += 2 * EGM_BLOCK)
		ASSERT_EQ(0, egm_map_errno(other, offset, self->page, MAP_SHARED));
	EXPECT_EQ(EBUSY, egm_map_errno(fd, 0, 2 * self->half, MAP_SHARED));
	close(other);
	EXPECT_EQ(0, egm_map_errno(fd, 0, 2 * self->half, MAP_SHARED));
	close(fd);
}

TEST_HARNESS_MAIN
