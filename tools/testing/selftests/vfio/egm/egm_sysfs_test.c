// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sysfs ABI of a region: Documentation/ABI/testing/sysfs-class-egm.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <sys/wait.h>

#include "egm_util.h"
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

FIXTURE_TEARDOWN(sysfs)
{
	int i;

	for (i = 0; i < self->gpus; i++)
		if (!egm_gpu_is_bound(self->gpu[i]))
			egm_gpu_bind(self->gpu[i]);
}

/* Path of an attribute or link of the region, until the next call. */
static char *attr(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), EGM_CLASS "/%s/%s", egm_name(), name);
	return path;
}

TEST_F(sysfs, egm_size_is_hexadecimal_and_the_end_of_the_file)
{
	int fd = egm_open();
	char *end;

	egm_read_line(attr("egm_size"), self->line, sizeof(self->line));
	EXPECT_EQ(0, strncmp(self->line, "0x", 2));
	EXPECT_EQ(egm_size(fd), strtoull(self->line, &end, 16));
	EXPECT_EQ('\0', *end);
	close(fd);
}

TEST_F(sysfs, numa_node_is_the_kernels)
{
	char node[64], path[PATH_MAX];

	egm_read_line(attr("numa_node"), self->line, sizeof(self->line));
	ASSERT_NE('\0', self->line[0]);
	EXPECT_NE(0, strcmp(self->line, "-1"));
	/* A node that exists, and is not the PXM by name. */
	snprintf(node, sizeof(node), "%.32s", self->line);
	snprintf(path, sizeof(path), "/sys/devices/system/node/node%s", node);
	EXPECT_TRUE(egm_exists(path) || egm_exists("/sys/devices/system/node/possible"));
}

TEST_F(sysfs, every_gpu_has_a_link_to_itself)
{
	char target[PATH_MAX];
	int i;

	for (i = 0; i < self->gpus; i++) {
		ASSERT_NE(NULL, realpath(attr(self->gpu[i]), target));
		EXPECT_STREQ(self->gpu[i], strrchr(target, '/') + 1);
		EXPECT_NE(NULL, strstr(target, "/pci"));
	}
}

TEST_F(sysfs, follows_gpus_as_they_come_and_go)
{
	char now[EGM_MAX_GPUS][32];
	int i;

	if (self->gpus < 2)
		SKIP(return, "the socket has one GPU");
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, egm_gpu_unbind(self->gpu[i]));
		EXPECT_EQ(self->gpus - 1, egm_gpus(now));
		EXPECT_STREQ(self->gpu[1], now[0]);
		EXPECT_FALSE(egm_exists(attr(self->gpu[i])));
		ASSERT_EQ(0, egm_gpu_bind(self->gpu[i]));
		EXPECT_EQ(self->gpus, egm_gpus(now));
		EXPECT_STREQ(self->gpu[i], now[self->gpus - 1]);
		EXPECT_TRUE(egm_exists(attr(self->gpu[i])));
		if (self->gpus == 2)
			break;
	}
}

TEST_F(sysfs, gone_while_a_reader_has_it_open)
{
	int size = open(attr("egm_size"), O_RDONLY);
	int gpus = open(attr("gpu_devices"), O_RDONLY);
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
	EXPECT_TRUE(egm_exists(attr(self->gpu[0])));
}

/* Readers in a loop while the device comes and goes. */
TEST_F(sysfs, readers_during_bind_and_unbind)
{
	char now[EGM_MAX_GPUS][32], target[PATH_MAX];
	pid_t child = fork();
	int i, status;

	ASSERT_LE(0, child);
	if (!child) {
		for (;;) {
			egm_gpus(now);
			egm_read_line(attr("egm_size"), self->line,
				      sizeof(self->line));
			if (!realpath(attr(self->gpu[0]), target))
				continue;
		}
	}
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(0, egm_adev_unbind());
		EXPECT_EQ(0, egm_adev_bind());
	}
	kill(child, SIGKILL);
	ASSERT_EQ(child, waitpid(child, &status, 0));
}

TEST_HARNESS_MAIN
