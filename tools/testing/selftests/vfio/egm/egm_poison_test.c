// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages that go bad while a region is used: processes that receive SIGBUS and its address,
 * pages that are unmapped, and the memory that the next owner maps.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "egm_harness.h"
#include "egm_retired.h"

FIXTURE(poison) {
	struct fresh f;
};

FIXTURE_SETUP(poison)
{
	ASSERT_TRUE(make_fresh(&self->f));
}

FIXTURE_TEARDOWN_PARENT(poison)
{
	EXPECT_TRUE(forget_bad_pages());
}

/* SIGBUS has the address of the page, which is unmapped; the block around it keeps its content. */
static void expect_poisoned(struct __test_metadata *_metadata, char *p, uint64_t at,
			    size_t len, size_t page)
{
	size_t i;

	for (i = 0; i < len; i += EGM_BLOCK / 4)
		*(uint64_t *)(p + i + 8) = i + 1;
	ASSERT_EQ(0, inject(at));
	EXPECT_EQ(BUS_MCEERR_AR, egm_bus_code);
	EXPECT_EQ(p + at, egm_bus_addr);
	EXPECT_EQ(BUS_MCEERR_AR, touch_until_blocked(p + at));
	EXPECT_EQ(BUS_MCEERR_AR, egm_touch(p + at + page - 1, 1));
	EXPECT_EQ(0, egm_touch(p + at + page, 0));
	if (at)
		EXPECT_EQ(0, egm_touch(p + at - 1, 0));
	for (i = 0; i < len; i += EGM_BLOCK / 4)
		if (i != at)
			EXPECT_EQ(i + 1, *(uint64_t *)(p + i + 8));
}

TEST_F(poison, touched_page_sigbus)
{
	expect_poisoned(_metadata, self->f.p, 3 * EGM_BLOCK + EGM_BLOCK / 4, self->f.len,
			self->f.page);
}

TEST_F(poison, untouched_page_sigbus)
{
	ASSERT_EQ(0, inject(2 * EGM_BLOCK));
	EXPECT_EQ(BUS_MCEERR_AR, egm_bus_code);
	EXPECT_EQ(self->f.p + 2 * EGM_BLOCK, egm_bus_addr);
	EXPECT_EQ(BUS_MCEERR_AR, touch_until_blocked(self->f.p + 2 * EGM_BLOCK));
	EXPECT_EQ(0, egm_touch(self->f.p + 2 * EGM_BLOCK + self->f.page, 1));
}

TEST_F(poison, populated_page_sigbus)
{
	char *q = egm_map_populated(self->f.fd, 0, self->f.len);

	ASSERT_NE(MAP_FAILED, q);
	munmap(self->f.p, self->f.len);
	expect_poisoned(_metadata, q, 3 * EGM_BLOCK, self->f.len, self->f.page);
	munmap(q, self->f.len);
	/* A new mapping leaves the page out, with and without MAP_POPULATE. */
	q = egm_map_populated(self->f.fd, 0, self->f.len);
	ASSERT_NE(MAP_FAILED, q);
	EXPECT_EQ(BUS_MCEERR_AR, egm_touch(q + 3 * EGM_BLOCK, 0));
	EXPECT_EQ(0, egm_touch(q + 3 * EGM_BLOCK - 1, 0));
	munmap(q, self->f.len);
	self->f.p = egm_map(self->f.fd, 0, self->f.len);
	ASSERT_NE(MAP_FAILED, self->f.p);
	EXPECT_EQ(BUS_MCEERR_AR, egm_touch(self->f.p + 3 * EGM_BLOCK, 0));
	EXPECT_EQ(0, egm_touch(self->f.p + 3 * EGM_BLOCK + self->f.page, 0));
}

/* First and last page of a mapping, and the pages just outside it. */
TEST_F(poison, page_outside_the_mapping_no_sigbus)
{
	munmap(self->f.p, self->f.len);
	self->f.len = EGM_BLOCK;
	self->f.p = egm_map(self->f.fd, EGM_BLOCK, EGM_BLOCK);
	ASSERT_NE(MAP_FAILED, self->f.p);
	ASSERT_EQ(0, inject(EGM_BLOCK - self->f.page));
	EXPECT_EQ(0, egm_bus_code);
	ASSERT_EQ(0, inject(2 * EGM_BLOCK));
	EXPECT_EQ(0, egm_bus_code);
	ASSERT_EQ(0, inject(2 * EGM_BLOCK - self->f.page));
	EXPECT_EQ(BUS_MCEERR_AR, egm_bus_code);
	EXPECT_EQ(self->f.p + EGM_BLOCK - self->f.page, egm_bus_addr);
	ASSERT_EQ(0, inject(EGM_BLOCK));
	EXPECT_EQ(self->f.p, egm_bus_addr);
}

/* The owner does not map the page: its next mapping leaves the page out, the next owner maps it. */
TEST_F(poison, unmapped_page_is_left_out)
{
	if (!egm_core_has("memory-failure"))
		SKIP(return, EGM_CORE_LACKS "memory_failure()");
	munmap(self->f.p, self->f.len);
	ASSERT_EQ(0, inject(EGM_BLOCK));
	EXPECT_EQ(0, egm_bus_code);
	EXPECT_EQ((int64_t)self->f.page, bytes_retired());
	self->f.p = egm_map(self->f.fd, 0, self->f.len);
	ASSERT_NE(MAP_FAILED, self->f.p);
	EXPECT_EQ(BUS_MCEERR_AR, egm_touch(self->f.p + EGM_BLOCK, 1));
	EXPECT_EQ(0, egm_touch(self->f.p + EGM_BLOCK + self->f.page, 1));
}

/* A bad page of a free block is never zeroed. The next owner finds it on the list and maps it. */
TEST_F(poison, free_page_is_listed_and_not_zeroed)
{
	int workers = egm_workers(), fd = egm_open(), i, code;
	struct pollfd poll_fd = { .fd = fd, .events = POLLPRI };
	struct list l;

	if (!egm_core_has("memory-failure"))
		SKIP(return, EGM_CORE_LACKS "memory_failure()");
	ASSERT_LE(0, fd);
	egm_set_workers(0);
	memset(self->f.p, 0xa5, EGM_BLOCK);
	munmap(self->f.p, self->f.len);
	close(self->f.fd);
	EXPECT_EQ(0, poll(&poll_fd, 1, 0));
	ASSERT_EQ(0, inject(self->f.page));
	EXPECT_EQ(0, egm_bus_code);
	EXPECT_EQ((int64_t)self->f.page, bytes_retired());
	EXPECT_EQ(1, poll(&poll_fd, 1, 5000));
	ASSERT_EQ(0, get_list(fd, &l));
	ASSERT_EQ(1, l.head.count);
	EXPECT_EQ(self->f.page, l.pages[0].offset);
	EXPECT_EQ(self->f.page, l.pages[0].size);

	self->f.p = egm_map(fd, 0, self->f.len);
	ASSERT_NE(MAP_FAILED, self->f.p);
	for (i = 0; i < 3000 && (code = egm_touch(self->f.p + self->f.page, 0)); i++)
		usleep(1000);
	ASSERT_EQ(0, code);
	EXPECT_EQ(0, self->f.p[0]);
	EXPECT_EQ('\xa5', self->f.p[self->f.page]);
	EXPECT_EQ('\xa5', self->f.p[2 * self->f.page - 1]);
	EXPECT_EQ(0, self->f.p[2 * self->f.page]);
	egm_set_workers(workers);
}

struct victim {
	pid_t pid;
	int to;
	int from;
};

/*
 * The result of a victim after the injection: 'A' for SIGBUS with this address, 'x' for SIGBUS
 * with another one, '-' for no signal. The kernel sends signals before an injection returns.
 */
static void victim(int from, int to, char *p, uint64_t at)
{
	struct sigaction old;
	char seen = '-', over;
	ssize_t got;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0);
	egm_note_bus(&old);
	if (write(to, "r", 1) != 1)
		_exit(1);
	do
		got = read(from, &over, 1);
	while (got < 0 && errno == EINTR);
	if (got != 1)
		_exit(1);
	if (egm_bus_code)
		seen = egm_bus_addr == p + at && egm_bus_code == BUS_MCEERR_AO ? 'A' : 'x';
	if (seen == 'A' && touch_until_blocked(p + at) != BUS_MCEERR_AR)
		seen = 't';
	_exit(write(to, &seen, 1) != 1);
}

static void start_victim(struct victim *v, char *p, uint64_t at)
{
	int to[2], from[2];
	char ready;

	if (pipe(to) || pipe(from))
		abort();
	v->pid = fork();
	if (v->pid < 0)
		abort();
	if (!v->pid)
		victim(to[0], from[1], p, at);
	close(to[0]);
	close(from[1]);
	v->to = to[1];
	v->from = from[0];
	if (read(v->from, &ready, 1) != 1)
		abort();
}

static char victim_saw(struct victim *v)
{
	char seen = 0;

	if (write(v->to, "o", 1) != 1 || read(v->from, &seen, 1) != 1)
		seen = 0;
	close(v->to);
	close(v->from);
	waitpid(v->pid, NULL, 0);
	return seen;
}

/* Two processes share it, a third has the next blocks by a file of its own. */
TEST_F(poison, shared_page_sigbus_to_each_process)
{
	int other = egm_open();
	char *q = egm_map(other, self->f.len, self->f.len);
	uint64_t at = self->f.len - self->f.page;
	struct victim v[3];

	ASSERT_NE(MAP_FAILED, q);
	munmap(q, self->f.len);
	start_victim(&v[0], self->f.p, at);
	start_victim(&v[1], self->f.p, at);
	munmap(self->f.p, self->f.len);
	q = egm_map(other, self->f.len, self->f.len);
	ASSERT_NE(MAP_FAILED, q);
	start_victim(&v[2], q, 0);
	ASSERT_EQ(0, inject(at));
	EXPECT_EQ(0, egm_bus_code);
	EXPECT_EQ('A', victim_saw(&v[0]));
	EXPECT_EQ('A', victim_saw(&v[1]));
	EXPECT_EQ('-', victim_saw(&v[2]));
	munmap(q, self->f.len);
	close(other);
	self->f.p = egm_map(self->f.fd, 0, self->f.len);
}

TEST_F(poison, page_of_a_second_node_sigbus)
{
	int fd = egm_open_mknod();
	char *q;

	unlink(egm_private_node());
	ASSERT_LE(0, fd);
	q = egm_map(fd, self->f.len, EGM_BLOCK);
	ASSERT_NE(MAP_FAILED, q);
	ASSERT_EQ(0, egm_touch(q, 1));
	ASSERT_EQ(0, inject(self->f.len));
	EXPECT_EQ(BUS_MCEERR_AR, egm_bus_code);
	EXPECT_EQ(q, egm_bus_addr);
	EXPECT_EQ(BUS_MCEERR_AR, touch_until_blocked(q));
	munmap(q, EGM_BLOCK);
	close(fd);
}

/* The next owner finds the page on the list and maps it with its content; the rest is zero. */
TEST_F(poison, next_owner_maps_the_page)
{
	struct pollfd pfd = { .events = POLLPRI };
	struct list l;

	memset(self->f.p, 0x77, self->f.len);
	ASSERT_EQ(0, inject(EGM_BLOCK));
	ASSERT_EQ(BUS_MCEERR_AR, touch_until_blocked(self->f.p + EGM_BLOCK));
	munmap(self->f.p, self->f.len);
	close(self->f.fd);

	self->f.fd = egm_open();
	pfd.fd = self->f.fd;
	EXPECT_EQ(0, poll(&pfd, 1, 0));
	ASSERT_EQ(0, get_list(self->f.fd, &l));
	ASSERT_EQ(1, l.head.count);
	EXPECT_EQ(EGM_BLOCK, l.pages[0].offset);
	self->f.p = egm_map(self->f.fd, 0, self->f.len);
	ASSERT_NE(MAP_FAILED, self->f.p);
	EXPECT_EQ(EGM_BLOCK, egm_first_nonzero(self->f.p, self->f.len));
	EXPECT_EQ(0x77, self->f.p[EGM_BLOCK + self->f.page - 1]);
	EXPECT_EQ(self->f.len - EGM_BLOCK - self->f.page,
		  egm_first_nonzero(self->f.p + EGM_BLOCK + self->f.page,
				    self->f.len - EGM_BLOCK - self->f.page));
	/* Bad again under this owner. */
	ASSERT_EQ(0, inject(EGM_BLOCK));
	EXPECT_EQ(BUS_MCEERR_AR, egm_bus_code);
	EXPECT_EQ(BUS_MCEERR_AR, touch_until_blocked(self->f.p + EGM_BLOCK));
}

/* A bad page stays on the list when the region is rebound, and the kernel does not zero it. */
TEST_F(poison, list_survives_rebind)
{
	const uint64_t bad[] = { EGM_BLOCK, self->f.len - self->f.page };
	struct list l;
	int i;

	memset(self->f.p, 0x77, self->f.len);
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, inject(bad[i]));
	/* One region after its file, the other with it. */
	for (i = 0; i < 2; i++) {
		if (i)
			EXPECT_EQ(0, egm_adev_unbind());
		munmap(self->f.p, self->f.len);
		close(self->f.fd);
		if (!i)
			EXPECT_EQ(0, egm_adev_unbind());
		ASSERT_EQ(0, egm_adev_bind());
		ASSERT_TRUE(egm_wait_zeroed());
		self->f.fd = egm_open();
		ASSERT_EQ(0, get_list(self->f.fd, &l));
		ASSERT_EQ(2, l.head.count);
		EXPECT_EQ(bad[0], l.pages[0].offset);
		EXPECT_EQ(bad[1], l.pages[1].offset);
		EXPECT_EQ(2 * (int64_t)self->f.page, bytes_retired());
		self->f.p = egm_map(self->f.fd, 0, self->f.len);
		ASSERT_NE(MAP_FAILED, self->f.p);
		EXPECT_EQ(bad[0], egm_first_nonzero(self->f.p, self->f.len));
		EXPECT_EQ(0x77, self->f.p[bad[0]]);
		EXPECT_EQ(0x77, self->f.p[bad[1]]);
	}
}

TEST_HARNESS_MAIN
