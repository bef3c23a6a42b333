// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ownership between processes: two share a region by offset, one exits, and a third reserves
 * the blocks that were freed; a process that receives a descriptor may use the file's blocks.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <linux/egm.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "egm_harness.h"

#define KILLS		300

/* A process that owns a range full of @byte, until the test ends it. */
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

/* However a test ended, no file owns a block after it. */
FIXTURE_TEARDOWN_PARENT(owner)
{
	int fd = egm_open();

	EXPECT_LE(0, fd);
	EXPECT_EQ(0, egm_wait_free(fd, egm_size(fd)));
	close(fd);
}

TEST_F(owner, each_file_owns_its_half_alone)
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
	/* A third file reserves the free half, which is zero, and cannot reserve a page more. */
	ASSERT_EQ('y', start_holder(&a, self->half - len, len, 0x77));
	EXPECT_EQ('b', start_holder(&c, self->half - len, len + self->page, 0x11));
	end_holder(&c, 0);
	EXPECT_EQ('y', intact(&b));
	EXPECT_EQ('y', intact(&a));
	end_holder(&b, 0);
	EXPECT_EQ('y', intact(&a));
	end_holder(&a, 0);
}

TEST_F(owner, range_of_killed_owner_is_zero)
{
	size_t len = 16 * EGM_BLOCK;
	struct holder a;
	int i;

	for (i = 0; i < 4; i++) {
		ASSERT_EQ('y', start_holder(&a, 0, len, 0x42 + i));
		end_holder(&a, SIGKILL);
	}
}

/* Two files cannot share a block, even on different pages. */
TEST_F(owner, map_in_block_of_another_file_ebusy)
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
TEST_F(owner, two_files_own_blocks_in_turn)
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

/* Open the region and read its attributes without end. */
static void read_about_region(void)
{
	static const char * const attributes[] = {
		"egm_size", "gpu_devices", "numa_node", "retired_bytes", "scrub_pending",
	};
	struct egm_retired_pages_list list;
	unsigned int i;
	char line[64];
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		fd = egm_open();
		list = (struct egm_retired_pages_list){ .argsz = sizeof(list) };
		if (fd < 0 || !egm_size(fd) || ioctl(fd, EGM_RETIRED_PAGES_LIST, &list))
			_exit(1);
		close(fd);
		for (i = 0; i < ARRAY_SIZE(attributes); i++) {
			egm_read_line(egm_attr(attributes[i]), line, sizeof(line));
			if (!line[0])
				_exit(2);
		}
	}
}

/* Own a range, report it, and write to all of it without end. */
static void write_until_killed(int to, size_t len, bool populated)
{
	int fd = egm_open();
	char *p = populated ? egm_map_populated(fd, 0, len) : egm_map(fd, 0, len);
	char byte = 1;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (p == MAP_FAILED || write(to, &byte, 1) != 1)
		_exit(1);
	for (;; byte++)
		memset(p, byte | 1, len);
}

/* A range that a killed process owned is free within a bounded time, and zero. */
TEST_F_TIMEOUT(owner, range_is_free_and_zero_after_each_of_300_kills, 1200)
{
	const size_t len = 4 * EGM_BLOCK;
	pid_t readers[2], child;
	long start, worst = 0;
	int i, fd, ready[2], status;
	char *p, byte;

	ASSERT_EQ(0, pipe(ready));
	for (i = 0; i < 2; i++) {
		readers[i] = fork();
		ASSERT_LE(0, readers[i]);
		if (!readers[i])
			read_about_region();
	}
	for (i = 0; i < KILLS; i++) {
		child = fork();
		ASSERT_LE(0, child);
		if (!child)
			write_until_killed(ready[1], len, i % 2);
		ASSERT_EQ(1, read(ready[0], &byte, 1));
		/* From the first page fault to the second time over all of the range. */
		usleep(i % 8 * 1000);
		ASSERT_EQ(0, kill(child, SIGKILL));
		start = egm_now_ms();
		fd = egm_open();
		ASSERT_LE(0, fd);
		p = egm_map_wait(fd, 0, len);
		ASSERT_NE(MAP_FAILED, p) {
			TH_LOG("round %d: %s", i, strerror(errno));
		}
		if (egm_now_ms() - start > worst)
			worst = egm_now_ms() - start;
		ASSERT_EQ(len, egm_first_nonzero(p, len));
		munmap(p, len);
		close(fd);
		ASSERT_EQ(child, waitpid(child, &status, 0));
		ASSERT_TRUE(WIFSIGNALED(status));
	}
	TH_LOG("busy for %ld ms at most after a kill", worst);
	/* No reader has met an error. */
	for (i = 0; i < 2; i++) {
		kill(readers[i], SIGKILL);
		ASSERT_EQ(readers[i], waitpid(readers[i], &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status));
	}
}

/* In a child: own a block full of @byte, send its file to the other end, end. */
static void send_owned_block(int sock, char byte)
{
	int fd = egm_open();
	char *p = egm_map(fd, 0, EGM_BLOCK);

	if (p == MAP_FAILED)
		_exit(1);
	memset(p, byte, EGM_BLOCK);
	egm_send_fd(sock, fd);
	_exit(0);
}

/* The sender has exited and the message is unread: only the queue of the socket holds the file. */
TEST_F(owner, queued_descriptor_holds_memory)
{
	int fd = egm_open(), other, pair[2], status, i;
	pid_t child;
	char *p;

	ASSERT_LE(0, fd);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
		child = fork();
		ASSERT_LE(0, child);
		if (!child)
			send_owned_block(pair[0], 0x3c);
		ASSERT_EQ(child, waitpid(child, &status, 0));
		ASSERT_EQ(0, status);
		close(pair[0]);
		EXPECT_EQ(EBUSY, egm_map_errno(fd, 0, self->page, MAP_SHARED));
		if (i) {
			/* The reader of the message maps the block with its content. */
			other = egm_receive_fd(pair[1]);
			ASSERT_LE(0, other);
			p = egm_map(other, 0, EGM_BLOCK);
			ASSERT_NE(MAP_FAILED, p);
			EXPECT_TRUE(all_bytes(p, EGM_BLOCK, 0x3c));
			munmap(p, EGM_BLOCK);
			close(pair[1]);
			EXPECT_EQ(EBUSY, egm_map_errno(fd, 0, self->page, MAP_SHARED));
			close(other);
		} else {
			close(pair[1]);
		}
		p = egm_map(fd, 0, EGM_BLOCK);
		ASSERT_NE(MAP_FAILED, p);
		EXPECT_EQ(EGM_BLOCK, egm_first_nonzero(p, EGM_BLOCK));
		munmap(p, EGM_BLOCK);
		close(fd);
		fd = egm_open();
		ASSERT_LE(0, fd);
	}
	close(fd);
}

/*
 * Two sockets, each in the queue of the other: only the kernel's garbage collector frees them.
 * The collector runs when a socket is closed that is in no queue.
 */
TEST_F(owner, descriptor_in_cycle_of_sockets_is_released)
{
	int fd = egm_open(), other = egm_open(), pair[2];
	char *p = egm_map(fd, 0, EGM_BLOCK);

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	egm_send_fd(pair[0], fd);
	egm_send_fd(pair[0], pair[0]);
	egm_send_fd(pair[1], pair[1]);
	munmap(p, EGM_BLOCK);
	close(fd);
	EXPECT_EQ(EBUSY, egm_map_errno(other, 0, self->page, MAP_SHARED));
	close(pair[0]);
	close(pair[1]);
	EXPECT_EQ(EBUSY, egm_map_errno(other, 0, self->page, MAP_SHARED));
	close(socket(AF_UNIX, SOCK_STREAM, 0));
	EXPECT_EQ(0, egm_wait_free(other, self->page));
	close(other);
}

TEST_HARNESS_MAIN
