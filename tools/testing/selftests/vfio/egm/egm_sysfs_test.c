// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sysfs ABI of a region: Documentation/ABI/testing/sysfs-class-egm.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "egm_harness.h"

FIXTURE(sysfs) {
	char gpu[EGM_MAX_GPUS][32];
	int gpus;
	char line[256];
};

FIXTURE_SETUP(sysfs)
{
	self->gpus = egm_gpus(self->gpu);
	ASSERT_LE(1, self->gpus);
}

FIXTURE_TEARDOWN_PARENT(sysfs)
{
	EXPECT_TRUE(egm_bind_all(self->gpu, self->gpus));
}

TEST_F(sysfs, egm_size_is_hex_size_of_file)
{
	int fd = egm_open();
	char *end;

	egm_read_line(egm_attr("egm_size"), self->line, sizeof(self->line));
	EXPECT_EQ(0, strncmp(self->line, "0x", 2));
	EXPECT_EQ(egm_size(fd), strtoull(self->line, &end, 16));
	EXPECT_EQ('\0', *end);
	close(fd);
}

/* Is the number in a list such as "0,2-3"? */
static bool is_listed(long number, const char *list)
{
	long first, last;
	char *end;

	for (;; list = end + 1) {
		first = strtol(list, &end, 10);
		if (end == list)
			return false;
		last = *end == '-' ? strtol(end + 1, &end, 10) : first;
		if (first <= number && number <= last)
			return true;
		if (*end != ',')
			return false;
	}
}

/* Not the PXM, which no node need have for its number. */
TEST_F(sysfs, numa_node_is_possible_node)
{
	char possible[256], *end;
	long node;

	egm_read_line(egm_attr("numa_node"), self->line, sizeof(self->line));
	ASSERT_NE('\0', self->line[0]);
	node = strtol(self->line, &end, 10);
	EXPECT_EQ('\0', *end);
	egm_read_line("/sys/devices/system/node/possible", possible, sizeof(possible));
	EXPECT_TRUE(is_listed(node, possible))
		TH_LOG("node %s of %s", self->line, possible);
}

TEST_F(sysfs, gpu_link_resolves_to_gpu)
{
	char target[PATH_MAX];
	int i;

	for (i = 0; i < self->gpus; i++) {
		ASSERT_NE(NULL, realpath(egm_attr(self->gpu[i]), target));
		EXPECT_STREQ(self->gpu[i], strrchr(target, '/') + 1);
		EXPECT_NE(NULL, strstr(target, "/pci"));
	}
}

TEST_F(sysfs, gpu_devices_follow_bind_and_unbind)
{
	char now[EGM_MAX_GPUS][32];

	if (self->gpus < 2)
		SKIP(return, "the socket has one GPU");
	ASSERT_EQ(0, egm_gpu_unbind(self->gpu[0]));
	EXPECT_EQ(self->gpus - 1, egm_gpus(now));
	EXPECT_STREQ(self->gpu[1], now[0]);
	EXPECT_FALSE(egm_exists(egm_attr(self->gpu[0])));
	ASSERT_EQ(0, egm_gpu_bind(self->gpu[0]));
	EXPECT_EQ(self->gpus, egm_gpus(now));
	EXPECT_STREQ(self->gpu[0], now[self->gpus - 1]);
	EXPECT_TRUE(egm_exists(egm_attr(self->gpu[0])));
}

TEST_F(sysfs, read_after_unbind_enodev)
{
	int size = open(egm_attr("egm_size"), O_RDONLY);
	int gpus = open(egm_attr("gpu_devices"), O_RDONLY);
	char byte;

	ASSERT_LE(0, size);
	ASSERT_LE(0, gpus);
	ASSERT_EQ(0, egm_adev_unbind());
	EXPECT_EQ(-1, read(size, &byte, 1));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(-1, read(gpus, &byte, 1));
	close(size);
	close(gpus);
	EXPECT_EQ(0, egm_adev_bind());
	EXPECT_TRUE(egm_exists(egm_attr(self->gpu[0])));
}

/* Did the test begin with @gpu bound? */
static bool is_known(struct _test_data_sysfs *self, const char *gpu)
{
	int i;

	for (i = 0; i < self->gpus; i++)
		if (!strcmp(self->gpu[i], gpu))
			return true;
	return false;
}

/*
 * Read until the other end of @stop is closed. Each file is whole, or absent. Returns 0 if so,
 * and if egm_size was there at least once.
 */
static int read_until_closed(struct _test_data_sysfs *self, int stop)
{
	char now[EGM_MAX_GPUS][32], line[256], target[PATH_MAX], byte;
	bool seen = false;
	int n;

	while (read(stop, &byte, 1) < 0) {
		for (n = egm_gpus(now); n; n--)
			if (!is_known(self, now[n - 1]))
				return 1;
		egm_read_line(egm_attr("egm_size"), line, sizeof(line));
		if (line[0] && strcmp(line, self->line))
			return 2;
		seen |= line[0];
		if (realpath(egm_attr(self->gpu[0]), target) &&
		    strcmp(self->gpu[0], strrchr(target, '/') + 1))
			return 3;
	}
	return seen ? 0 : 4;
}

TEST_F(sysfs, read_during_unbind_is_whole_or_fails)
{
	int i, status, stop[2];
	pid_t child;

	egm_read_line(egm_attr("egm_size"), self->line, sizeof(self->line));
	ASSERT_EQ(0, pipe2(stop, O_NONBLOCK));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(stop[1]);
		_exit(read_until_closed(self, stop[0]));
	}
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(0, egm_adev_unbind());
		EXPECT_EQ(0, egm_adev_bind());
	}
	close(stop[1]);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
}

static void read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, text, size - 1);

	text[n > 0 ? n : 0] = '\0';
	close(fd);
}

/* One line of the attribute "owners" for a file that this process opened. */
static size_t owners_line(char *text, size_t size, size_t offset, size_t len)
{
	char comm[32];

	egm_read_line("/proc/self/comm", comm, sizeof(comm));
	return snprintf(text, size, "0x%zx 0x%zx %d %s\n", offset, len, getpid(), comm);
}

/* A mapping is not needed: the file owns what it mapped once. */
TEST_F(sysfs, owners_lists_each_range_with_its_opener)
{
	int fd = egm_open(), other = egm_open();
	char *p = egm_map(fd, 4 * EGM_BLOCK, 2 * EGM_BLOCK);
	char *q = egm_map(other, 0, EGM_BLOCK);
	char want[1024], text[1024];
	size_t n;

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_NE(MAP_FAILED, q);
	munmap(p, 2 * EGM_BLOCK);
	n = owners_line(want, sizeof(want), 0, EGM_BLOCK);
	owners_line(want + n, sizeof(want) - n, 4 * EGM_BLOCK, 2 * EGM_BLOCK);
	read_text(egm_attr("owners"), text, sizeof(text));
	EXPECT_STREQ(want, text);
	close(fd);
	owners_line(want, sizeof(want), 0, EGM_BLOCK);
	read_text(egm_attr("owners"), text, sizeof(text));
	EXPECT_STREQ(want, text);
	close(other);
	/* The mapping holds the file. */
	read_text(egm_attr("owners"), text, sizeof(text));
	EXPECT_STREQ(want, text);
	munmap(q, EGM_BLOCK);
	read_text(egm_attr("owners"), text, sizeof(text));
	EXPECT_STREQ("", text);
}

/* More ranges than lines that fit. */
TEST_F(sysfs, owners_ends_with_dots_if_it_does_not_fit)
{
	size_t page = sysconf(_SC_PAGESIZE), i;
	int fd = egm_open();
	char *text = malloc(page + 1);
	size_t size = egm_size(fd);

	for (i = 0; i < size / EGM_BLOCK; i += 2) {
		char *p = egm_map(fd, i * EGM_BLOCK, page);

		ASSERT_NE(MAP_FAILED, p);
		munmap(p, page);
	}
	read_text(egm_attr("owners"), text, page + 1);
	if (page == 4096) {
		ASSERT_LT(4, strlen(text));
		EXPECT_STREQ("...\n", text + strlen(text) - 4);
	}
	EXPECT_GE(page, strlen(text));
	free(text);
	close(fd);
}

/* Any byte can be in the name of a process: a line stays a line. */
TEST_F(sysfs, owners_escapes_the_command)
{
	char comm[32], text[1024];
	int fd;
	char *p;

	egm_read_line("/proc/self/comm", comm, sizeof(comm));
	ASSERT_EQ(0, prctl(PR_SET_NAME, "a\nb \1"));
	fd = egm_open();
	prctl(PR_SET_NAME, comm);
	p = egm_map(fd, 0, EGM_BLOCK);
	ASSERT_NE(MAP_FAILED, p);
	read_text(egm_attr("owners"), text, sizeof(text));
	ASSERT_NE(NULL, strchr(text, '\n'));
	EXPECT_EQ('\0', strchr(text, '\n')[1]);
	EXPECT_NE(NULL, strstr(text, "a\\nb \\001"))
		TH_LOG("%s", text);
	munmap(p, EGM_BLOCK);
	close(fd);
}

/* The last block can be smaller than the others. */
TEST_F(sysfs, owned_ranges_end_with_the_region)
{
	size_t page = sysconf(_SC_PAGESIZE), size, last;
	char path[64], line[64], want[128], text[1024];
	int fd = egm_open();
	char *p;

	size = egm_size(fd);
	last = (size - 1) / EGM_BLOCK * EGM_BLOCK;
	p = egm_map(fd, size - page, page);
	ASSERT_NE(MAP_FAILED, p);
	owners_line(want, sizeof(want), last, size - last);
	read_text(egm_attr("owners"), text, sizeof(text));
	EXPECT_STREQ(want, text);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	snprintf(line, sizeof(line), "\negm-owned:\t0x%zx 0x%zx\n", last, size - last);
	read_text(path, text, sizeof(text));
	ASSERT_NE(NULL, strstr(text, line)) TH_LOG("%s", text);
	EXPECT_EQ('\0', strstr(text, line)[strlen(line)]);
	munmap(p, page);
	close(fd);
}

TEST_F(sysfs, owners_is_for_root_alone)
{
	struct stat st;

	ASSERT_EQ(0, stat(egm_attr("owners"), &st));
	EXPECT_EQ(0400, st.st_mode & 0777);
}

TEST_F(sysfs, fdinfo_lists_the_ranges_of_the_file)
{
	int fd = egm_open(), other = egm_open();
	char *p = egm_map(fd, 4 * EGM_BLOCK, EGM_BLOCK);
	char *q = egm_map(other, 0, EGM_BLOCK);
	char path[64], text[1024];

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_NE(MAP_FAILED, q);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	read_text(path, text, sizeof(text));
	EXPECT_NE(NULL, strstr(text, "\negm-region:\tegm"));
	EXPECT_NE(NULL, strstr(text, "\negm-owned:\t0x800000 0x200000\n"));
	EXPECT_EQ(NULL, strstr(text, "\negm-owned:\t0x0 "));
	munmap(p, EGM_BLOCK);
	munmap(q, EGM_BLOCK);
	close(other);
	close(fd);
}

TEST_HARNESS_MAIN
