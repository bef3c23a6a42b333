// SPDX-License-Identifier: GPL-2.0-only
/*
 * A debugger reads and writes EGM memory of another process: ptrace() and /proc/PID/mem.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "egm_harness.h"
#include "egm_retired.h"

#define PATTERN		0x5a

FIXTURE(access) {
	struct fresh f;
	int mem;
	int workers;
};

FIXTURE_SETUP(access)
{
	self->workers = egm_workers();
	ASSERT_TRUE(make_fresh(&self->f));
	self->mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->mem);
	egm_set_workers(0);
}

FIXTURE_TEARDOWN_PARENT(access)
{
	egm_set_workers(self->workers);
	EXPECT_TRUE(forget_bad_pages());
}

static ssize_t peek(int mem, const void *p, void *buf, size_t len)
{
	return pread(mem, buf, len, (uintptr_t)p);
}

static ssize_t poke(int mem, void *p, const void *buf, size_t len)
{
	return pwrite(mem, buf, len, (uintptr_t)p);
}

TEST_F(access, reads_and_writes_across_blocks)
{
	char *edge = self->f.p + EGM_BLOCK - 100, out[200], in[200];

	memset(edge, PATTERN, 100);
	memset(edge + 100, PATTERN + 1, 100);
	ASSERT_EQ(200, peek(self->mem, edge, out, 200));
	EXPECT_EQ(0, memcmp(out, edge, 200));
	memset(in, PATTERN + 2, sizeof(in));
	ASSERT_EQ(200, poke(self->mem, edge, in, 200));
	EXPECT_EQ(0, memcmp(in, edge, 200));
	EXPECT_EQ(0, edge[-1]);
	EXPECT_EQ(0, edge[200]);
}

/* The last byte of the VMA is the last that is read. */
TEST_F(access, read_past_the_vma_eio)
{
	char *end = self->f.p + self->f.len, out[16];

	munmap(end - EGM_BLOCK, EGM_BLOCK);
	end -= EGM_BLOCK;
	end[-1] = PATTERN;
	EXPECT_EQ(8, peek(self->mem, end - 8, out, 16));
	EXPECT_EQ(PATTERN, out[7]);
	EXPECT_EQ(-1, peek(self->mem, end, out, 1));
	EXPECT_EQ(EIO, errno);
}

/* Memory that no process has touched yet: a block is zeroed before it is read or written. */
TEST_F(access, block_is_zeroed_before_access)
{
	char *out = malloc(2 * EGM_BLOCK), byte = PATTERN;

	memset(self->f.p, PATTERN, self->f.len);
	munmap(self->f.p, self->f.len);
	close(self->f.fd);
	ASSERT_NE(0, egm_pending());

	self->f.fd = egm_open();
	self->f.p = egm_map(self->f.fd, 0, self->f.len);
	ASSERT_NE(MAP_FAILED, self->f.p);
	ASSERT_EQ(2 * EGM_BLOCK, peek(self->mem, self->f.p, out, 2 * EGM_BLOCK));
	EXPECT_EQ(2 * EGM_BLOCK, egm_first_nonzero(out, 2 * EGM_BLOCK));
	ASSERT_EQ(1, poke(self->mem, self->f.p + 3 * EGM_BLOCK, &byte, 1));
	EXPECT_EQ(PATTERN, self->f.p[3 * EGM_BLOCK]);
	EXPECT_EQ(0, self->f.p[3 * EGM_BLOCK + 1]);
	free(out);
}

/* A block that only a debugger has written is dirty for the next owner. */
TEST_F(access, written_content_is_zeroed_after_close)
{
	char byte = PATTERN;

	ASSERT_EQ(1, poke(self->mem, self->f.p, &byte, 1));
	munmap(self->f.p, self->f.len);
	close(self->f.fd);
	self->f.fd = egm_open();
	self->f.p = egm_map(self->f.fd, 0, self->f.len);
	ASSERT_NE(MAP_FAILED, self->f.p);
	EXPECT_EQ(0, *self->f.p);
}

TEST_F(access, write_to_read_only_mapping_eio)
{
	char byte = PATTERN, out = 1;

	ASSERT_EQ(0, mprotect(self->f.p, self->f.len, PROT_READ));
	EXPECT_EQ(-1, poke(self->mem, self->f.p, &byte, 1));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(1, peek(self->mem, self->f.p, &out, 1));
	EXPECT_EQ(0, out);
}

TEST_F(access, bad_page_eio)
{
	char *bad = self->f.p + EGM_BLOCK + self->f.page, out[16];
	char byte = PATTERN;

	bad[-1] = PATTERN;
	ASSERT_EQ(0, inject(bad - self->f.p));
	EXPECT_EQ(BUS_MCEERR_AR, touch_until_blocked(bad));
	EXPECT_EQ(-1, peek(self->mem, bad, out, 1));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(-1, poke(self->mem, bad, &byte, 1));
	EXPECT_EQ(EIO, errno);
	/* Up to it, and after it. */
	EXPECT_EQ(8, peek(self->mem, bad - 8, out, 16));
	EXPECT_EQ(PATTERN, out[7]);
	EXPECT_EQ(16, peek(self->mem, bad + self->f.page, out, 16));
}

TEST_F(access, after_unbind_eio)
{
	char out, byte = PATTERN;

	*self->f.p = PATTERN;
	ASSERT_EQ(0, egm_adev_unbind());
	EXPECT_EQ(-1, peek(self->mem, self->f.p, &out, 1));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(-1, poke(self->mem, self->f.p + EGM_BLOCK, &byte, 1));
	EXPECT_EQ(EIO, errno);
	munmap(self->f.p, self->f.len);
	close(self->f.fd);
	EXPECT_TRUE(egm_bind_again());
}

/* A process that reads all the time, until it is refused; its status is 0 then. */
static pid_t start_reader(int mem, const char *p, size_t len)
{
	pid_t child = fork();
	char out[64];
	size_t at;

	if (child)
		return child;
	for (at = 0;; at = (at + 4096) % len)
		if (peek(mem, p + at, out, sizeof(out)) < 0)
			_exit(errno != EIO);
}

TEST_F(access, readers_during_unbind_eio)
{
	pid_t reader[4];
	int i, status;

	/* /proc/self/mem of this process, which they inherit. */
	for (i = 0; i < 4; i++)
		reader[i] = start_reader(self->mem, self->f.p, self->f.len);
	usleep(100000);
	ASSERT_EQ(0, egm_adev_unbind());
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(reader[i], waitpid(reader[i], &status, 0));
		EXPECT_EQ(0, status);
	}
	munmap(self->f.p, self->f.len);
	close(self->f.fd);
	EXPECT_TRUE(egm_bind_again());
}

TEST_F(access, ptrace_peeks_and_pokes)
{
	long *word = (long *)self->f.p;
	pid_t child;
	int status;

	*word = 1;
	child = fork();
	if (!child) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(*word != 3);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	ASSERT_TRUE(WIFSTOPPED(status));
	errno = 0;
	EXPECT_EQ(1, ptrace(PTRACE_PEEKDATA, child, word, NULL));
	EXPECT_EQ(0, errno);
	EXPECT_EQ(0, ptrace(PTRACE_POKEDATA, child, word, 3L));
	EXPECT_EQ(0, ptrace(PTRACE_CONT, child, NULL, NULL));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_HARNESS_MAIN
