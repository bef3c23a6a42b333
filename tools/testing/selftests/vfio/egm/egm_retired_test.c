// SPDX-License-Identifier: GPL-2.0-only
/*
 * Retired pages: the ioctl that lists them, and pages that go bad while a region is
 * used, injected through hard_offline_page.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <linux/egm.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "egm_util.h"
#include "egm_harness.h"

#define INJECT		"/sys/devices/system/memory/hard_offline_page"
#define MAX_PAGES	64

struct list {
	struct egm_retired_pages_list head;
	struct egm_retired_page pages[MAX_PAGES];
};

static int bus_code;
static void *bus_addr;

static void note_bus(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	bus_code = info->si_code;
	bus_addr = info->si_addr;
}

/* Declare a page bad; what this process was told goes to bus_code and bus_addr. */
static int inject(uint64_t offset)
{
	struct sigaction action = { .sa_sigaction = note_bus, .sa_flags = SA_SIGINFO }, old;
	char word[32];
	int ret;

	bus_code = 0;
	bus_addr = NULL;
	snprintf(word, sizeof(word), "%#llx", (unsigned long long)(egm_base() + offset));
	sigaction(SIGBUS, &action, &old);
	ret = egm_write(INJECT, word);
	sigaction(SIGBUS, &old, NULL);
	return ret;
}

/* The page is unmapped by a worker: soon, not at once. */
static int touch_until_blocked(char *p)
{
	int i, code = 0;

	for (i = 0; i < 3000 && !code; i++) {
		code = egm_touch(p, 0);
		if (!code)
			usleep(1000);
	}
	return code;
}

static int get_list(int fd, struct list *l)
{
	memset(l, 0xee, sizeof(*l));
	l->head.argsz = sizeof(*l);
	return ioctl(fd, EGM_RETIRED_PAGES_LIST, l) ? errno : 0;
}

static int64_t retired_bytes(void)
{
	char path[PATH_MAX], line[32];

	snprintf(path, sizeof(path), EGM_CLASS "/%s/retired_bytes", egm_name());
	egm_read_line(path, line, sizeof(line));
	return line[0] ? strtoll(line, NULL, 10) : -1;
}

FIXTURE(retired) {
	int fd;
	size_t page;
	char *p;
	size_t len;
};

/* A region that was bound anew has forgotten what was injected before. */
FIXTURE_SETUP(retired)
{
	struct list l;

	self->page = sysconf(_SC_PAGESIZE);
	self->len = 8 * EGM_BLOCK;
	egm_adev_unbind();
	ASSERT_EQ(0, egm_adev_bind());
	self->fd = egm_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, get_list(self->fd, &l));
	ASSERT_EQ(0, l.head.count);
	self->p = egm_map(self->fd, 0, self->len);
	ASSERT_NE(MAP_FAILED, self->p);
}

FIXTURE_TEARDOWN(retired)
{
	munmap(self->p, self->len);
	close(self->fd);
	if (!egm_exists(egm_node()))
		egm_adev_bind();
}

TEST_F(retired, list_is_empty)
{
	struct list l;

	ASSERT_EQ(0, get_list(self->fd, &l));
	EXPECT_EQ(sizeof(l), l.head.argsz);
	EXPECT_EQ(0, l.head.count);
	EXPECT_EQ(0xeeeeeeeeeeeeeeeeULL, l.pages[0].offset);
	l.head.argsz = 8;
	EXPECT_EQ(0, ioctl(self->fd, EGM_RETIRED_PAGES_LIST, &l));
	EXPECT_EQ(8, l.head.argsz);
	EXPECT_EQ(0, l.head.count);
	EXPECT_EQ(0, retired_bytes());
}

/* Three ranges, injected out of order, two pages of one touching. */
static void inject_three(struct __test_metadata *_metadata, size_t page)
{
	ASSERT_EQ(0, inject(5 * EGM_BLOCK));
	ASSERT_EQ(0, inject(EGM_BLOCK + page));
	ASSERT_EQ(0, inject(EGM_BLOCK));
	ASSERT_EQ(0, inject(8 * EGM_BLOCK - page));
	/* Once more changes nothing. */
	ASSERT_EQ(0, inject(EGM_BLOCK));
}

static void expect_three(struct __test_metadata *_metadata, const struct list *l,
			 size_t page)
{
	ASSERT_EQ(3, l->head.count);
	EXPECT_EQ(EGM_BLOCK, l->pages[0].offset);
	EXPECT_EQ(2 * page, l->pages[0].size);
	EXPECT_EQ(5 * EGM_BLOCK, l->pages[1].offset);
	EXPECT_EQ(page, l->pages[1].size);
	EXPECT_EQ(8 * EGM_BLOCK - page, l->pages[2].offset);
	EXPECT_EQ(page, l->pages[2].size);
}

TEST_F(retired, list_is_sorted_and_merged)
{
	struct list l;

	inject_three(_metadata, self->page);
	ASSERT_EQ(0, get_list(self->fd, &l));
	expect_three(_metadata, &l, self->page);
	EXPECT_EQ(0xeeeeeeeeeeeeeeeeULL, l.pages[3].offset);
	EXPECT_EQ(4 * (int64_t)self->page, retired_bytes());
}

/* The way of the clients in the field: ask for the size, then for the list. */
TEST_F(retired, client_of_the_field)
{
	struct list l = { .head.argsz = 8 };

	inject_three(_metadata, self->page);
	ASSERT_EQ(0, ioctl(self->fd, EGM_RETIRED_PAGES_LIST, &l));
	ASSERT_LT(8, l.head.argsz);
	ASSERT_GE(sizeof(l), l.head.argsz);
	ASSERT_EQ(0, ioctl(self->fd, EGM_RETIRED_PAGES_LIST, &l));
	EXPECT_EQ(8 + 3 * 16, l.head.argsz);
	expect_three(_metadata, &l, self->page);
}

TEST_F(retired, argsz_too_small_by_every_amount)
{
	const uint32_t need = 8 + 3 * 16;
	uint32_t argsz;
	struct list l;

	inject_three(_metadata, self->page);
	for (argsz = 0; argsz < 8; argsz++) {
		l.head.argsz = argsz;
		EXPECT_EQ(-1, ioctl(self->fd, EGM_RETIRED_PAGES_LIST, &l));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(argsz, l.head.argsz);
	}
	for (; argsz < need; argsz++) {
		memset(&l, 0xee, sizeof(l));
		l.head.argsz = argsz;
		ASSERT_EQ(0, ioctl(self->fd, EGM_RETIRED_PAGES_LIST, &l));
		EXPECT_EQ(need, l.head.argsz);
		EXPECT_EQ(0, l.head.count);
		EXPECT_EQ(0xeeeeeeeeeeeeeeeeULL, l.pages[0].offset);
	}
	l.head.argsz = need;
	EXPECT_EQ(0, ioctl(self->fd, EGM_RETIRED_PAGES_LIST, &l));
	expect_three(_metadata, &l, self->page);
}

TEST_F(retired, bad_buffers)
{
	char *page = mmap(NULL, 2 * self->page, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct egm_retired_pages_list *l;

	ASSERT_NE(MAP_FAILED, page);
	inject_three(_metadata, self->page);
	EXPECT_EQ(-1, ioctl(self->fd, EGM_RETIRED_PAGES_LIST, NULL));
	EXPECT_EQ(EFAULT, errno);
	munmap(page + self->page, self->page);
	EXPECT_EQ(-1, ioctl(self->fd, EGM_RETIRED_PAGES_LIST, page + self->page));
	EXPECT_EQ(EFAULT, errno);
	/* Room as it says, but the last entry is beyond the mapping. */
	l = (void *)(page + self->page - 8 - 2 * 16);
	l->argsz = 8 + 3 * 16;
	EXPECT_EQ(-1, ioctl(self->fd, EGM_RETIRED_PAGES_LIST, l));
	EXPECT_EQ(EFAULT, errno);
	/* Readable, not writable. */
	l = (void *)page;
	l->argsz = 8;
	mprotect(page, self->page, PROT_READ);
	EXPECT_EQ(-1, ioctl(self->fd, EGM_RETIRED_PAGES_LIST, l));
	EXPECT_EQ(EFAULT, errno);
	munmap(page, self->page);
}

TEST_F(retired, other_commands)
{
	static const unsigned int cmd[] = {
		0, _IO('E', 99), _IO('E', 101), _IO('F', 100), _IOWR('E', 100, int), ~0U,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cmd); i++) {
		EXPECT_EQ(-1, ioctl(self->fd, cmd[i], NULL));
		EXPECT_EQ(ENOTTY, errno);
	}
}

TEST_F(retired, list_of_a_revoked_file)
{
	struct list l;

	ASSERT_EQ(0, egm_adev_unbind());
	EXPECT_EQ(ENODEV, get_list(self->fd, &l));
}

TEST_F(retired, poll_tells_of_changes)
{
	struct pollfd pfd = { .fd = self->fd, .events = POLLPRI };
	struct list l;

	EXPECT_EQ(0, poll(&pfd, 1, 0));
	ASSERT_EQ(0, inject(0));
	EXPECT_EQ(1, poll(&pfd, 1, 5000));
	EXPECT_EQ(POLLPRI, pfd.revents);
	ASSERT_EQ(0, get_list(self->fd, &l));
	EXPECT_EQ(0, poll(&pfd, 1, 0));
	ASSERT_EQ(0, egm_adev_unbind());
	EXPECT_EQ(1, poll(&pfd, 1, 0));
	EXPECT_EQ(POLLERR | POLLHUP, pfd.revents & (POLLERR | POLLHUP));
}

/* Waiting, not asking. */
TEST_F(retired, poll_wakes)
{
	pid_t child = fork();
	int status;

	ASSERT_LE(0, child);
	if (!child) {
		struct pollfd pfd = { .fd = self->fd, .events = POLLPRI };

		_exit(poll(&pfd, 1, 20000) == 1 ? 0 : 1);
	}
	usleep(200000);
	ASSERT_EQ(0, inject(0));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
}

/* Who is told, at which address, and what is left of the block around it. */
static void expect_poisoned(struct __test_metadata *_metadata, char *p, uint64_t at,
			    size_t len, size_t page)
{
	size_t i;

	for (i = 0; i < len; i += EGM_BLOCK / 4)
		*(uint64_t *)(p + i + 8) = i + 1;
	ASSERT_EQ(0, inject(at));
	EXPECT_EQ(BUS_MCEERR_AR, bus_code);
	EXPECT_EQ(p + at, bus_addr);
	EXPECT_EQ(BUS_MCEERR_AR, touch_until_blocked(p + at));
	EXPECT_EQ(BUS_MCEERR_AR, egm_touch(p + at + page - 1, 1));
	EXPECT_EQ(0, egm_touch(p + at + page, 0));
	if (at)
		EXPECT_EQ(0, egm_touch(p + at - 1, 0));
	for (i = 0; i < len; i += EGM_BLOCK / 4)
		if (i != at)
			EXPECT_EQ(i + 1, *(uint64_t *)(p + i + 8));
}

TEST_F(retired, poison_of_a_touched_page)
{
	expect_poisoned(_metadata, self->p, 3 * EGM_BLOCK + EGM_BLOCK / 4, self->len,
			self->page);
}

TEST_F(retired, poison_of_an_untouched_page)
{
	ASSERT_EQ(0, inject(2 * EGM_BLOCK));
	EXPECT_EQ(BUS_MCEERR_AR, bus_code);
	EXPECT_EQ(self->p + 2 * EGM_BLOCK, bus_addr);
	EXPECT_EQ(BUS_MCEERR_AR, touch_until_blocked(self->p + 2 * EGM_BLOCK));
	EXPECT_EQ(0, egm_touch(self->p + 2 * EGM_BLOCK + self->page, 1));
}

TEST_F(retired, poison_of_a_page_mapped_at_once)
{
	char *q = egm_map_populated(self->fd, 0, self->len);

	ASSERT_NE(MAP_FAILED, q);
	munmap(self->p, self->len);
	expect_poisoned(_metadata, q, 3 * EGM_BLOCK, self->len, self->page);
	munmap(q, self->len);
	/* Mapped again, it stays out, whichever way. */
	q = egm_map_populated(self->fd, 0, self->len);
	ASSERT_NE(MAP_FAILED, q);
	EXPECT_EQ(BUS_MCEERR_AR, egm_touch(q + 3 * EGM_BLOCK, 0));
	EXPECT_EQ(0, egm_touch(q + 3 * EGM_BLOCK - 1, 0));
	munmap(q, self->len);
	self->p = egm_map(self->fd, 0, self->len);
	ASSERT_NE(MAP_FAILED, self->p);
	EXPECT_EQ(BUS_MCEERR_AR, egm_touch(self->p + 3 * EGM_BLOCK, 0));
	EXPECT_EQ(0, egm_touch(self->p + 3 * EGM_BLOCK + self->page, 0));
}

/* First and last page of a mapping, and the pages just outside it. */
TEST_F(retired, poison_beside_a_mapping)
{
	munmap(self->p, self->len);
	self->len = EGM_BLOCK;
	self->p = egm_map(self->fd, EGM_BLOCK, EGM_BLOCK);
	ASSERT_NE(MAP_FAILED, self->p);
	ASSERT_EQ(0, inject(EGM_BLOCK - self->page));
	EXPECT_EQ(0, bus_code);
	ASSERT_EQ(0, inject(2 * EGM_BLOCK));
	EXPECT_EQ(0, bus_code);
	ASSERT_EQ(0, inject(2 * EGM_BLOCK - self->page));
	EXPECT_EQ(BUS_MCEERR_AR, bus_code);
	EXPECT_EQ(self->p + EGM_BLOCK - self->page, bus_addr);
	ASSERT_EQ(0, inject(EGM_BLOCK));
	EXPECT_EQ(self->p, bus_addr);
}

/* mm tells nobody of a page that nobody maps; nothing may come of it. */
TEST_F(retired, poison_while_not_mapped)
{
	munmap(self->p, self->len);
	ASSERT_EQ(0, inject(0));
	EXPECT_EQ(0, bus_code);
	close(self->fd);
	ASSERT_EQ(0, inject(EGM_BLOCK));
	self->fd = egm_open();
	ASSERT_LE(0, self->fd);
	self->p = egm_map(self->fd, 0, self->len);
	ASSERT_NE(MAP_FAILED, self->p);
	EXPECT_EQ(0, egm_touch(self->p, 1));
	EXPECT_EQ(0, egm_touch(self->p + EGM_BLOCK, 1));
}

struct victim {
	pid_t pid;
	int from;
};

/* What a victim saw: 'A' told of this address, 'x' of another, '-' of none. */
static void victim(int to, char *p, uint64_t at)
{
	struct sigaction action = { .sa_sigaction = note_bus, .sa_flags = SA_SIGINFO };
	char seen = '-';
	int i;

	prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0);
	sigaction(SIGBUS, &action, NULL);
	if (write(to, "r", 1) != 1)
		_exit(1);
	for (i = 0; i < 2000 && !bus_code; i++)
		usleep(1000);
	if (bus_code)
		seen = bus_addr == p + at && bus_code == BUS_MCEERR_AO ? 'A' : 'x';
	if (seen == 'A' && touch_until_blocked(p + at) != BUS_MCEERR_AR)
		seen = 't';
	_exit(write(to, &seen, 1) != 1);
}

static void start_victim(struct victim *v, char *p, uint64_t at)
{
	char ready;
	int fds[2];

	if (pipe(fds))
		abort();
	v->pid = fork();
	if (!v->pid)
		victim(fds[1], p, at);
	close(fds[1]);
	v->from = fds[0];
	if (read(v->from, &ready, 1) != 1)
		abort();
}

static char victim_saw(struct victim *v)
{
	char seen = 0;

	if (read(v->from, &seen, 1) != 1)
		seen = 0;
	close(v->from);
	waitpid(v->pid, NULL, 0);
	return seen;
}

/* Two processes share it, a third has the next blocks by a file of its own. */
TEST_F(retired, poison_of_a_shared_page)
{
	int other = egm_open();
	char *q = egm_map(other, self->len, self->len);
	uint64_t at = self->len - self->page;
	struct victim v[3];

	ASSERT_NE(MAP_FAILED, q);
	munmap(q, self->len);
	start_victim(&v[0], self->p, at);
	start_victim(&v[1], self->p, at);
	munmap(self->p, self->len);
	q = egm_map(other, self->len, self->len);
	ASSERT_NE(MAP_FAILED, q);
	start_victim(&v[2], q, 0);
	ASSERT_EQ(0, inject(at));
	EXPECT_EQ(0, bus_code);
	EXPECT_EQ('A', victim_saw(&v[0]));
	EXPECT_EQ('A', victim_saw(&v[1]));
	EXPECT_EQ('-', victim_saw(&v[2]));
	munmap(q, self->len);
	close(other);
	self->p = egm_map(self->fd, 0, self->len);
}

TEST_F(retired, poison_through_a_private_node)
{
	const char *node = "/tmp/private-egm";
	struct stat st;
	char *q;
	int fd;

	ASSERT_EQ(0, stat(egm_node(), &st));
	unlink(node);
	ASSERT_EQ(0, mknod(node, S_IFCHR | 0600, st.st_rdev));
	fd = open(node, O_RDWR);
	unlink(node);
	ASSERT_LE(0, fd);
	q = egm_map(fd, self->len, EGM_BLOCK);
	ASSERT_NE(MAP_FAILED, q);
	ASSERT_EQ(0, egm_touch(q, 1));
	ASSERT_EQ(0, inject(self->len));
	EXPECT_EQ(BUS_MCEERR_AR, bus_code);
	EXPECT_EQ(q, bus_addr);
	EXPECT_EQ(BUS_MCEERR_AR, touch_until_blocked(q));
	munmap(q, EGM_BLOCK);
	close(fd);
}

/* The next owner is told, and has the page as it is; the rest is zero. */
TEST_F(retired, next_owner_of_a_bad_page)
{
	struct pollfd pfd = { .events = POLLPRI };
	struct list l;

	memset(self->p, 0x77, self->len);
	ASSERT_EQ(0, inject(EGM_BLOCK));
	ASSERT_EQ(BUS_MCEERR_AR, touch_until_blocked(self->p + EGM_BLOCK));
	munmap(self->p, self->len);
	close(self->fd);

	self->fd = egm_open();
	pfd.fd = self->fd;
	EXPECT_EQ(0, poll(&pfd, 1, 0));
	ASSERT_EQ(0, get_list(self->fd, &l));
	ASSERT_EQ(1, l.head.count);
	EXPECT_EQ(EGM_BLOCK, l.pages[0].offset);
	self->p = egm_map(self->fd, 0, self->len);
	ASSERT_NE(MAP_FAILED, self->p);
	EXPECT_EQ(EGM_BLOCK, egm_first_nonzero(self->p, self->len));
	EXPECT_EQ(0x77, self->p[EGM_BLOCK + self->page - 1]);
	EXPECT_EQ(self->len - EGM_BLOCK - self->page,
		  egm_first_nonzero(self->p + EGM_BLOCK + self->page,
				    self->len - EGM_BLOCK - self->page));
	/* Bad again under this owner. */
	ASSERT_EQ(0, inject(EGM_BLOCK));
	EXPECT_EQ(BUS_MCEERR_AR, bus_code);
	EXPECT_EQ(BUS_MCEERR_AR, touch_until_blocked(self->p + EGM_BLOCK));
}

static void *inject_many(void *arg)
{
	int i;

	for (i = 0; i < MAX_PAGES; i++)
		inject((i * 37 % MAX_PAGES) * 2 * *(size_t *)arg);
	return NULL;
}

/* Whatever moment a snapshot is of, it is in order and in the region. */
TEST_F(retired, list_while_pages_go_bad)
{
	size_t page = self->page;
	pthread_t thread;
	unsigned int last = 0, i;
	struct list l;

	ASSERT_EQ(0, pthread_create(&thread, NULL, inject_many, &page));
	do {
		ASSERT_EQ(0, get_list(self->fd, &l));
		ASSERT_GE(sizeof(l), l.head.argsz);
		ASSERT_LE(last, l.head.count);
		last = l.head.count;
		for (i = 0; i < last; i++) {
			ASSERT_EQ(page, l.pages[i].size);
			ASSERT_EQ(0, l.pages[i].offset % (2 * page));
			if (i)
				ASSERT_LT(l.pages[i - 1].offset, l.pages[i].offset);
		}
	} while (last < MAX_PAGES);
	pthread_join(thread, NULL);
	EXPECT_EQ(MAX_PAGES * (int64_t)page, retired_bytes());
}

TEST_HARNESS_MAIN
