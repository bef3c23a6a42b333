// SPDX-License-Identifier: GPL-2.0-only
/*
 * A process in a memory cgroup at its limit uses memory of a region. The OOM killer that kills it
 * spares a process in another cgroup.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <sys/prctl.h>
#include <sys/wait.h>

#include "egm_harness.h"
#include "egm_memcg.h"

#define PART	(64 * EGM_BLOCK)
#define BYTE	0x5a

FIXTURE(memcg) {
	int fd;
	char *p;
};

/* This process is in another cgroup. It owns the second part of the region. */
FIXTURE_SETUP(memcg)
{
	const char *why = memcg_make();

	if (why)
		SKIP(return, "%s", why);
	self->fd = egm_open();
	ASSERT_LE(0, self->fd);
	self->p = egm_map(self->fd, PART, PART);
	ASSERT_NE(MAP_FAILED, self->p);
	memset(self->p, BYTE, PART);
}

FIXTURE_TEARDOWN_PARENT(memcg)
{
	memcg_remove();
}

/* A child in the cgroup, which ends with this process. */
static pid_t tenant(void)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!memcg_enter())
		_exit(1);
	return 0;
}

static bool has_bytes(const char *p, size_t len)
{
	return p[0] == BYTE && !memcmp(p, p + 1, len - 1);
}

/* Map the first part where it takes page tables for each block, and write to all blocks. */
static bool use_first_part(int fd, bool keep)
{
	char *p = egm_map_populated(fd, 0, PART);
	size_t at;

	if (p == MAP_FAILED)
		return false;
	for (at = 0; at < PART; at += EGM_BLOCK)
		p[at] = BYTE;
	return keep || !munmap(p, PART);
}

TEST_F(memcg, process_at_its_limit_faults_and_maps)
{
	pid_t press, user;
	int status, i, fd;
	long most = 0, start;
	char *p;

	press = tenant();
	if (!press)
		memcg_press();
	for (i = 0; i < 10000 && memcg_events("max ") <= 0; i++)
		usleep(1000);
	EXPECT_LT(0, memcg_events("max "));

	user = tenant();
	if (!user) {
		fd = egm_open();
		for (i = 0; i < 200; i++)
			if (!use_first_part(fd, false))
				_exit(2);
		_exit(0);
	}
	for (i = 0; !waitpid(user, &status, WNOHANG); i++) {
		start = egm_now_ms();
		p = egm_map(self->fd, PART, PART);
		ASSERT_NE(MAP_FAILED, p);
		EXPECT_EQ(BYTE, p[PART - 1]);
		munmap(p, PART);
		most = egm_now_ms() - start > most ? egm_now_ms() - start : most;
	}
	TH_LOG("the other tenant mapped %d times, in %ld ms at most", i, most);
	EXPECT_LT(0, i);
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
	kill(press, SIGKILL);
	waitpid(press, NULL, 0);
	EXPECT_TRUE(has_bytes(self->p, PART));
}

/* The page tables of its mappings exceed the limit. */
TEST_F(memcg, oom_kill_spares_the_other_cgroup)
{
	int status, i, fd;
	pid_t user;
	char *p;

	user = tenant();
	if (!user) {
		fd = egm_open();
		for (i = 0; i < 20000 && use_first_part(fd, true); i++)
			;
		_exit(0);
	}
	ASSERT_EQ(user, waitpid(user, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(SIGKILL, WTERMSIG(status));
	EXPECT_EQ(1, memcg_events("oom_kill "));

	EXPECT_TRUE(has_bytes(self->p, PART));
	fd = egm_open();
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, egm_wait_free(fd, PART));
	p = egm_map(fd, 0, PART);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(PART, egm_first_nonzero(p, PART));
	EXPECT_EQ(EBUSY, egm_map_errno(fd, PART, PART, MAP_SHARED));
}

TEST_HARNESS_MAIN
