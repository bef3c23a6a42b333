// SPDX-License-Identifier: GPL-2.0-only
/*
 * The list of retired pages for user space: the ioctl, and waiting for a change.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <poll.h>
#include <pthread.h>
#include <sys/wait.h>

#include "egm_harness.h"
#include "egm_retired.h"

FIXTURE(retired) {
	struct fresh f;
};

FIXTURE_SETUP(retired)
{
	ASSERT_TRUE(make_fresh(&self->f));
}

FIXTURE_TEARDOWN_PARENT(retired)
{
	EXPECT_TRUE(forget_bad_pages());
}

TEST_F(retired, list_is_empty)
{
	struct list l;

	ASSERT_EQ(0, get_list(self->f.fd, &l));
	EXPECT_EQ(sizeof(l), l.head.argsz);
	EXPECT_EQ(0, l.head.count);
	EXPECT_EQ(0xeeeeeeeeeeeeeeeeULL, l.pages[0].offset);
	l.head.argsz = 8;
	EXPECT_EQ(0, ioctl(self->f.fd, EGM_RETIRED_PAGES_LIST, &l));
	EXPECT_EQ(8, l.head.argsz);
	EXPECT_EQ(0, l.head.count);
	EXPECT_EQ(0, bytes_retired());
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

	inject_three(_metadata, self->f.page);
	ASSERT_EQ(0, get_list(self->f.fd, &l));
	expect_three(_metadata, &l, self->f.page);
	EXPECT_EQ(0xeeeeeeeeeeeeeeeeULL, l.pages[3].offset);
	EXPECT_EQ(4 * (int64_t)self->f.page, bytes_retired());
}

/* Existing clients call twice: they ask for the size, then for the list. */
TEST_F(retired, two_calls_size_then_list)
{
	static const unsigned int commands[] = { 0x4564, 0xc0087801 };
	int i;

	inject_three(_metadata, self->f.page);
	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		struct list l = { .head.argsz = 8 };

		ASSERT_EQ(0, ioctl(self->f.fd, commands[i], &l));
		ASSERT_LT(8, l.head.argsz);
		ASSERT_GE(sizeof(l), l.head.argsz);
		ASSERT_EQ(0, ioctl(self->f.fd, commands[i], &l));
		EXPECT_EQ(8 + 3 * 16, l.head.argsz);
		expect_three(_metadata, &l, self->f.page);
	}
}

TEST_F(retired, small_argsz_einval_or_needed_size)
{
	const uint32_t need = 8 + 3 * 16;
	uint32_t argsz;
	struct list l;

	inject_three(_metadata, self->f.page);
	for (argsz = 0; argsz < 8; argsz++) {
		l.head.argsz = argsz;
		EXPECT_EQ(-1, ioctl(self->f.fd, EGM_RETIRED_PAGES_LIST, &l));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(argsz, l.head.argsz);
	}
	for (; argsz < need; argsz++) {
		memset(&l, 0xee, sizeof(l));
		l.head.argsz = argsz;
		ASSERT_EQ(0, ioctl(self->f.fd, EGM_RETIRED_PAGES_LIST, &l));
		EXPECT_EQ(need, l.head.argsz);
		EXPECT_EQ(0, l.head.count);
		EXPECT_EQ(0xeeeeeeeeeeeeeeeeULL, l.pages[0].offset);
	}
	l.head.argsz = need;
	EXPECT_EQ(0, ioctl(self->f.fd, EGM_RETIRED_PAGES_LIST, &l));
	expect_three(_metadata, &l, self->f.page);
}

TEST_F(retired, bad_buffer_efault)
{
	char *page = mmap(NULL, 2 * self->f.page, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct egm_retired_pages_list *l;

	ASSERT_NE(MAP_FAILED, page);
	inject_three(_metadata, self->f.page);
	EXPECT_EQ(-1, ioctl(self->f.fd, EGM_RETIRED_PAGES_LIST, NULL));
	EXPECT_EQ(EFAULT, errno);
	munmap(page + self->f.page, self->f.page);
	EXPECT_EQ(-1, ioctl(self->f.fd, EGM_RETIRED_PAGES_LIST, page + self->f.page));
	EXPECT_EQ(EFAULT, errno);
	/* argsz has room for every entry, but the last one is beyond the mapping. */
	l = (void *)(page + self->f.page - 8 - 2 * 16);
	l->argsz = 8 + 3 * 16;
	EXPECT_EQ(-1, ioctl(self->f.fd, EGM_RETIRED_PAGES_LIST, l));
	EXPECT_EQ(EFAULT, errno);
	/* Readable, not writable. */
	l = (void *)page;
	l->argsz = 8;
	mprotect(page, self->f.page, PROT_READ);
	EXPECT_EQ(-1, ioctl(self->f.fd, EGM_RETIRED_PAGES_LIST, l));
	EXPECT_EQ(EFAULT, errno);
	munmap(page, self->f.page);
}

TEST_F(retired, other_command_enotty)
{
	static const unsigned int cmd[] = {
		0, _IO('E', 99), _IO('E', 101), _IO('F', 100), _IOWR('E', 100, int), ~0U,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cmd); i++) {
		EXPECT_EQ(-1, ioctl(self->f.fd, cmd[i], NULL));
		EXPECT_EQ(ENOTTY, errno);
	}
}

TEST_F(retired, revoked_file_enodev)
{
	struct list l;

	ASSERT_EQ(0, egm_adev_unbind());
	EXPECT_EQ(ENODEV, get_list(self->f.fd, &l));
}

TEST_F(retired, poll_reports_a_change_once)
{
	struct pollfd pfd = { .fd = self->f.fd, .events = POLLPRI };
	struct list l;

	EXPECT_EQ(0, poll(&pfd, 1, 0));
	ASSERT_EQ(0, inject(0));
	EXPECT_EQ(1, poll(&pfd, 1, 5000));
	EXPECT_EQ(POLLPRI, pfd.revents);
	ASSERT_EQ(0, get_list(self->f.fd, &l));
	EXPECT_EQ(0, poll(&pfd, 1, 0));
	ASSERT_EQ(0, egm_adev_unbind());
	EXPECT_EQ(1, poll(&pfd, 1, 0));
	EXPECT_EQ(POLLERR | POLLHUP, pfd.revents & (POLLERR | POLLHUP));
}

/* Does the process come to sleep, within ten seconds? */
static bool falls_asleep(pid_t pid)
{
	char path[32], line[256], *name_end;
	int i;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	for (i = 0; i < 10000; i++) {
		egm_read_line(path, line, sizeof(line));
		name_end = strrchr(line, ')');
		if (name_end && !strncmp(name_end, ") S", 3))
			return true;
		usleep(1000);
	}
	return false;
}

/* poll() must wake before its timeout, after which it checks the file once more. */
TEST_F(retired, poll_wakes_on_a_report)
{
	const int limit = 60000;
	long start = egm_now_ms();
	pid_t child = fork();
	int status;

	ASSERT_LE(0, child);
	if (!child) {
		struct pollfd pfd = { .fd = self->f.fd, .events = POLLPRI };

		_exit(poll(&pfd, 1, limit) != 1 || pfd.revents != POLLPRI);
	}
	ASSERT_TRUE(falls_asleep(child));
	ASSERT_EQ(0, inject(0));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_GT(limit / 2, egm_now_ms() - start);
}

static void *inject_many(void *arg)
{
	int i;

	for (i = 0; i < MAX_PAGES; i++)
		inject((i * 37 % MAX_PAGES) * 2 * *(size_t *)arg);
	return NULL;
}

/* Every snapshot of the list is in ascending order and inside the region. */
TEST_F(retired, list_during_reports_is_in_order)
{
	size_t page = self->f.page;
	pthread_t thread;
	unsigned int last = 0, i;
	struct list l;

	ASSERT_EQ(0, pthread_create(&thread, NULL, inject_many, &page));
	do {
		ASSERT_EQ(0, get_list(self->f.fd, &l));
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
	EXPECT_EQ(MAX_PAGES * (int64_t)page, bytes_retired());
}

TEST_HARNESS_MAIN
