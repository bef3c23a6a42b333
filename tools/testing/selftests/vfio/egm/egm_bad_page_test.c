// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages that go bad in every state of a region. A page that mm accepts is on the list exactly
 * once, for the next owner too.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "egm_harness.h"
#include "egm_retired.h"

#define MANY		5000
#define OTHER_NODE	"/dev/egm5"

FIXTURE(bad_page) {
	struct fresh f;
	int workers;
};

FIXTURE_SETUP(bad_page)
{
	self->workers = egm_workers();
	ASSERT_TRUE(make_fresh(&self->f));
}

FIXTURE_TEARDOWN_PARENT(bad_page)
{
	egm_set_workers(self->workers);
	EXPECT_TRUE(forget_bad_pages());
}

static struct egm_retired_pages_list *whole_list(int fd)
{
	size_t size = sizeof(struct egm_retired_pages_list) +
		      MANY * sizeof(struct egm_retired_page);
	struct egm_retired_pages_list *list = calloc(1, size);

	list->argsz = size;
	if (ioctl(fd, EGM_RETIRED_PAGES_LIST, list) || list->argsz != size)
		abort();
	return list;
}

/* Is exactly this on the list, each page a range of its own? */
static bool listed(int fd, size_t page, const uint64_t *bad, size_t n)
{
	struct egm_retired_pages_list *list = whole_list(fd);
	bool same = list->count == n;
	size_t i;

	for (i = 0; same && i < n; i++)
		same = list->pages[i].offset == bad[i] && list->pages[i].size == page;
	if (!same)
		ksft_print_msg("the list has %u ranges, %zu expected\n", list->count, n);
	free(list);
	return same && bytes_retired() == (int64_t)(n * page);
}

/* The next owner: all but the bad pages is zero. */
static bool zero_but(char *p, size_t len, size_t page, const uint64_t *bad, size_t n)
{
	uint64_t at = 0;
	size_t i;

	for (i = 0; i < n && bad[i] < len; i++) {
		if (egm_first_nonzero(p + at, bad[i] - at) != bad[i] - at)
			return false;
		at = bad[i] + page;
	}
	return egm_first_nonzero(p + at, len - at) == len - at;
}

TEST_F(bad_page, first_and_last_page_are_unmapped_and_listed)
{
	uint64_t size = egm_size(self->f.fd), bad[] = { 0, size - self->f.page };
	char *last = egm_map(self->f.fd, size - self->f.page, self->f.page);

	ASSERT_NE(MAP_FAILED, last);
	/* The pages before and behind the region do not belong to it. */
	EXPECT_NE(0, inject(-(uint64_t)self->f.page));
	EXPECT_NE(0, inject(size));
	EXPECT_EQ(0, bytes_retired());
	ASSERT_EQ(0, inject(bad[0]));
	EXPECT_EQ(self->f.p, egm_bus_addr);
	ASSERT_EQ(0, inject(bad[1]));
	EXPECT_EQ(last, egm_bus_addr);
	EXPECT_EQ(BUS_MCEERR_AR, touch_until_blocked(self->f.p));
	EXPECT_EQ(BUS_MCEERR_AR, touch_until_blocked(last));
	EXPECT_TRUE(listed(self->f.fd, self->f.page, bad, 2));
}

/* The page is mapped, then owned, then free: each report leaves one entry. */
TEST_F(bad_page, repeated_report_is_listed_once)
{
	uint64_t bad = EGM_BLOCK;
	int i, fd = egm_open();

	for (i = 0; i < 6; i++) {
		if (i == 2)
			munmap(self->f.p, self->f.len);
		if (i == 4)
			close(self->f.fd);
		ASSERT_EQ(0, inject(bad));
		EXPECT_TRUE(listed(fd, self->f.page, &bad, 1));
	}
}

TEST_F(bad_page, second_region_leaves_the_first)
{
	uint64_t bad = 3 * EGM_BLOCK;
	char *p;
	int fd;

	if (!egm_exists(OTHER_NODE))
		SKIP(return, "there is no second region");
	setenv("EGM_NODE", OTHER_NODE, 1);
	fd = egm_open();
	ASSERT_LE(0, fd);
	p = egm_map(fd, 0, self->f.len);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, inject(bad));
	EXPECT_EQ(p + bad, egm_bus_addr);
	EXPECT_EQ(BUS_MCEERR_AR, touch_until_blocked(p + bad));
	EXPECT_TRUE(listed(fd, self->f.page, &bad, 1));
	munmap(p, self->f.len);
	close(fd);
	EXPECT_TRUE(forget_bad_pages());
	unsetenv("EGM_NODE");
	EXPECT_EQ(0, bytes_retired());
	EXPECT_EQ(0, egm_touch(self->f.p + bad, 0));
}

/* A process without PR_MCE_KILL_EARLY receives SIGBUS when it touches the page. */
TEST_F(bad_page, process_without_early_kill_gets_sigbus_on_touch)
{
	uint64_t bad = EGM_BLOCK;
	int to[2], from[2], status;
	pid_t pid;
	char word;

	if (!egm_core_has("memory-failure"))
		SKIP(return, EGM_CORE_LACKS "memory_failure()");
	ASSERT_EQ(0, pipe(to));
	ASSERT_EQ(0, pipe(from));
	ASSERT_EQ(0, egm_touch(self->f.p + bad, 1));
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (egm_touch(self->f.p + bad, 1) || write(from[1], "r", 1) != 1 ||
		    read(to[0], &word, 1) != 1)
			_exit(0);
		_exit(touch_until_blocked(self->f.p + bad));
	}
	ASSERT_EQ(1, read(from[0], &word, 1));
	munmap(self->f.p, self->f.len);
	ASSERT_EQ(0, inject(bad));
	ASSERT_EQ(1, write(to[1], "x", 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(BUS_MCEERR_AR, WEXITSTATUS(status));
	EXPECT_TRUE(listed(self->f.fd, self->f.page, &bad, 1));
}

/* Workers zero the block during the reports: only the bad page is left out. */
TEST_F(bad_page, reports_during_zeroing_spare_the_rest)
{
	size_t blocks = self->f.len / EGM_BLOCK, i;
	uint64_t bad[8];

	if (!egm_core_has("memory-failure"))
		SKIP(return, EGM_CORE_LACKS "memory_failure()");
	ASSERT_GE(ARRAY_SIZE(bad), blocks);
	egm_set_workers(0);
	memset(self->f.p, 0xa5, self->f.len);
	munmap(self->f.p, self->f.len);
	egm_set_workers(2);
	close(self->f.fd);
	for (i = 0; i < blocks; i++) {
		bad[i] = (i + 1) * EGM_BLOCK - 2 * self->f.page;
		ASSERT_EQ(0, inject(bad[i]));
	}
	ASSERT_TRUE(egm_wait_zeroed());
	self->f.fd = egm_open();
	EXPECT_TRUE(listed(self->f.fd, self->f.page, bad, blocks));
	self->f.p = egm_map(self->f.fd, 0, self->f.len);
	ASSERT_NE(MAP_FAILED, self->f.p);
	EXPECT_TRUE(zero_but(self->f.p, self->f.len, self->f.page, bad, blocks));
}

static void expect_many(struct __test_metadata *_metadata, struct fresh *f,
			const uint64_t *bad)
{
	char line[64], last[64] = "";
	unsigned int lines = 0;
	FILE *attribute;

	ASSERT_TRUE(listed(f->fd, f->page, bad, MANY));
	/* For people: as many as fit in a page. */
	attribute = fopen(egm_attr("retired_pages"), "r");
	ASSERT_NE(NULL, attribute);
	while (fgets(line, sizeof(line), attribute)) {
		if (!lines++)
			EXPECT_EQ(bad[0], strtoull(line, NULL, 0));
		strcpy(last, line);
	}
	fclose(attribute);
	EXPECT_STREQ("...\n", last);
	EXPECT_LT(50, lines);
}

/* Half of the pages are mapped. */
TEST_F(bad_page, five_thousand_are_unmapped_and_listed)
{
	uint64_t size = egm_size(self->f.fd), step = 2 * self->f.page, len, *bad;
	size_t i;

	if (!egm_core_has("memory-failure"))
		SKIP(return, EGM_CORE_LACKS "memory_failure()");
	if (size < MANY * step)
		SKIP(return, "the region is too small");
	bad = calloc(MANY, sizeof(*bad));
	len = MANY / 2 * step / EGM_BLOCK * EGM_BLOCK;
	munmap(self->f.p, self->f.len);
	self->f.p = egm_map(self->f.fd, 0, len);
	ASSERT_NE(MAP_FAILED, self->f.p);
	memset(self->f.p, 0xa5, len);
	for (i = 0; i < MANY; i++) {
		bad[i] = i * step;
		ASSERT_EQ(0, inject(bad[i]));
	}
	EXPECT_EQ(BUS_MCEERR_AR, touch_until_blocked(self->f.p + len - step));
	EXPECT_EQ(0, egm_touch(self->f.p + len - self->f.page, 1));
	expect_many(_metadata, &self->f, bad);
	munmap(self->f.p, len);
	close(self->f.fd);

	ASSERT_EQ(0, egm_adev_unbind());
	ASSERT_EQ(0, egm_adev_bind());
	ASSERT_TRUE(egm_wait_zeroed());
	self->f.fd = egm_open();
	expect_many(_metadata, &self->f, bad);
	self->f.p = egm_map(self->f.fd, 0, len);
	ASSERT_NE(MAP_FAILED, self->f.p);
	EXPECT_TRUE(zero_but(self->f.p, len, self->f.page, bad, MANY));
}

/* Run @work over and over in a child, until it is killed. */
static pid_t start_over_and_over(void (*work)(void *arg), void *arg)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		work(arg);
}

static void bind_anew(void *arg)
{
	egm_adev_unbind();
	egm_adev_bind();
}

static void map_and_release(void *arg)
{
	size_t len = *(size_t *)arg;
	int fd = egm_open();
	char *p = egm_map(fd, 0, len);
	size_t i;

	for (i = 0; p != MAP_FAILED && i < len; i += EGM_BLOCK)
		egm_touch(p + i, 1);
	munmap(p, len);
	close(fd);
}

/*
 * Inject @n pages, one after the other, while a child does @work. mm refuses a page while no
 * region is bound; the injection is then repeated, as firmware would repeat its report.
 */
static void inject_while(struct __test_metadata *_metadata, struct fresh *f,
			 void (*work)(void *arg), uint64_t *bad, size_t n)
{
	uint64_t base = egm_base(), size = egm_size(f->fd);
	size_t i, tries, len = f->len;
	char word[32];
	pid_t pid;

	ASSERT_LE(2 * n * f->page, size);
	munmap(f->p, f->len);
	close(f->fd);
	pid = start_over_and_over(work, &len);
	ASSERT_LT(0, pid);
	for (i = 0; i < n; i++) {
		bad[i] = 2 * i * f->page;
		snprintf(word, sizeof(word), "%#llx", (unsigned long long)(base + bad[i]));
		for (tries = 0; tries < 100000 && egm_write(INJECT, word); tries++)
			usleep(100);
		ASSERT_NE(100000, tries);
	}
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	ASSERT_TRUE(egm_bind_again());
	f->fd = egm_open();
	ASSERT_TRUE(listed(f->fd, f->page, bad, n));
	ASSERT_TRUE(egm_wait_zeroed());
	f->p = egm_map(f->fd, 0, f->len);
	ASSERT_NE(MAP_FAILED, f->p);
	EXPECT_TRUE(zero_but(f->p, f->len, f->page, bad, n));
}

TEST_F(bad_page, reports_during_bind_and_unbind_are_listed)
{
	uint64_t bad[200];

	if (!egm_core_has("memory-failure"))
		SKIP(return, EGM_CORE_LACKS "memory_failure()");
	inject_while(_metadata, &self->f, bind_anew, bad, ARRAY_SIZE(bad));
}

/* The block is free, owned, mapped, released: a page is blocked for an owner, and for no other. */
TEST_F(bad_page, reports_during_map_and_release_are_listed)
{
	uint64_t bad[200];

	if (!egm_core_has("memory-failure"))
		SKIP(return, EGM_CORE_LACKS "memory_failure()");
	inject_while(_metadata, &self->f, map_and_release, bad, ARRAY_SIZE(bad));
}

TEST_F(bad_page, report_during_fork_reaches_children)
{
	uint64_t bad = 2 * EGM_BLOCK;
	pid_t injector, pid[40];
	int i, status;

	if (!egm_core_has("kvm-poison"))
		SKIP(return, EGM_CORE_LACKS "fork");
	memset(self->f.p, 1, self->f.len);
	injector = fork();
	ASSERT_LE(0, injector);
	if (!injector) {
		usleep(20000);
		_exit(inject(bad));
	}
	for (i = 0; i < (int)ARRAY_SIZE(pid); i++) {
		pid[i] = fork();
		ASSERT_LE(0, pid[i]);
		if (!pid[i])
			_exit(touch_until_blocked(self->f.p + bad));
	}
	for (i = 0; i < (int)ARRAY_SIZE(pid); i++) {
		ASSERT_EQ(pid[i], waitpid(pid[i], &status, 0));
		EXPECT_TRUE(WIFEXITED(status));
		EXPECT_EQ(BUS_MCEERR_AR, WEXITSTATUS(status));
	}
	ASSERT_EQ(injector, waitpid(injector, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(BUS_MCEERR_AR, egm_touch(self->f.p + bad, 0));
	EXPECT_TRUE(listed(self->f.fd, self->f.page, &bad, 1));
}

/* The list survives an unbind of all GPUs, and the module cannot be unloaded. */
TEST_F(bad_page, list_survives_gpu_unbind_and_pins_the_module)
{
	uint64_t bad = EGM_BLOCK;
	char gpus[EGM_MAX_GPUS][32];
	int i, n = egm_gpus(gpus);

	if (!egm_core_has("memory-failure"))
		SKIP(return, EGM_CORE_LACKS "memory_failure()");
	munmap(self->f.p, self->f.len);
	close(self->f.fd);
	ASSERT_EQ(0, inject(bad));
	for (i = 0; i < n; i++)
		ASSERT_EQ(0, egm_gpu_unbind(gpus[i]));
	EXPECT_NE(0, system("rmmod nvgrace-egm 2>/dev/null"));
	EXPECT_TRUE(egm_exists(EGM_MODULE));
	ASSERT_TRUE(egm_bind_all(gpus, n));
	self->f.fd = egm_open();
	EXPECT_TRUE(listed(self->f.fd, self->f.page, &bad, 1));
}

/* Monitors poll the attribute; mm can report a page twice. */
TEST_F(bad_page, report_wakes_pollers_of_the_attribute)
{
	struct pollfd poll_fd = { .events = POLLPRI };
	char text[64] = "", want[64];
	int i;

	poll_fd.fd = open(egm_attr("retired_pages"), O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, poll_fd.fd);
	ASSERT_EQ(0, read(poll_fd.fd, text, sizeof(text)));
	EXPECT_EQ(0, poll(&poll_fd, 1, 100));
	ASSERT_EQ(0, inject(EGM_BLOCK));
	EXPECT_EQ(1, poll(&poll_fd, 1, 10000));
	for (i = 0; i < 2 && poll(&poll_fd, 1, 1000); i++) {
		ASSERT_EQ(0, lseek(poll_fd.fd, 0, SEEK_SET));
		ASSERT_LT(0, read(poll_fd.fd, text, sizeof(text) - 1));
	}
	EXPECT_EQ(0, poll(&poll_fd, 1, 1000));
	snprintf(want, sizeof(want), "%#lx %#zx\n", EGM_BLOCK, self->f.page);
	EXPECT_STREQ(want, text);
	ASSERT_EQ(0, egm_adev_unbind());
	EXPECT_EQ(1, poll(&poll_fd, 1, 0));
}

TEST_HARNESS_MAIN
