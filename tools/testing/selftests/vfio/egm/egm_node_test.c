// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nodes in /dev and devices in /sys: names, numbers, modes.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <dirent.h>
#include <sys/sysmacros.h>

#include "egm_harness.h"

#define EGM_FIRST_PXM	4
#define EGM_LAST_PXM	19

/* Major number and count of minors that /proc/devices has for the class. */
static int egm_major(void)
{
	char line[128], name[64];
	int major = -1, n;
	FILE *f = fopen("/proc/devices", "r");

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%d %63s", &n, name) == 2 && !strcmp(name, "egm"))
			major = n;
	fclose(f);
	return major;
}

FIXTURE(node) {
	int regions;
	int pxm[32];
};

FIXTURE_SETUP(node)
{
	struct dirent *d;
	DIR *dir = opendir(EGM_CLASS);
	int pxm, end, n;

	ASSERT_NE(NULL, dir);
	while ((d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		/* Tools parse the PXM from the name, which must end with it. */
		n = sscanf(d->d_name, "egm%d%n", &pxm, &end);
		ASSERT_EQ(1, n);
		ASSERT_EQ('\0', d->d_name[end]);
		self->pxm[self->regions++] = pxm;
	}
	closedir(dir);
	ASSERT_LT(0, self->regions);
}

static int adev_write(const char *file, int pxm)
{
	char name[32];

	snprintf(name, sizeof(name), "nvgrace_gpu_vfio_pci.egm.%d", pxm);
	return egm_write(file, name);
}

FIXTURE_TEARDOWN_PARENT(node)
{
	char path[PATH_MAX];
	int i;

	for (i = 0; i < self->regions; i++) {
		snprintf(path, sizeof(path), "/dev/egm%d", self->pxm[i]);
		if (!egm_exists(path))
			EXPECT_EQ(0, adev_write(EGM_AUX_DRIVER "bind", self->pxm[i]));
	}
}

TEST_F(node, named_by_pxm)
{
	int i;

	for (i = 0; i < self->regions; i++) {
		EXPECT_LE(EGM_FIRST_PXM, self->pxm[i]);
		EXPECT_GE(EGM_LAST_PXM, self->pxm[i]);
	}
}

TEST_F(node, character_device_only_for_root)
{
	char path[PATH_MAX];
	struct stat st;
	int i;

	for (i = 0; i < self->regions; i++) {
		snprintf(path, sizeof(path), "/dev/egm%d", self->pxm[i]);
		ASSERT_EQ(0, stat(path, &st));
		EXPECT_TRUE(S_ISCHR(st.st_mode));
		EXPECT_EQ(0, st.st_uid);
		EXPECT_EQ(0600, st.st_mode & 07707);
		/* A udev rule may set a group. */
		if (!st.st_gid)
			EXPECT_EQ(0600, st.st_mode & 07777);
	}
}

/*
 * The PXM is not the minor: minors are within what the driver reserved. One outside
 * would be another driver's.
 */
TEST_F(node, minor_in_reserved_range)
{
	char path[PATH_MAX], line[64];
	unsigned int major, minor;
	struct stat st;
	int i, n;

	for (i = 0; i < self->regions; i++) {
		snprintf(path, sizeof(path), "/dev/egm%d", self->pxm[i]);
		ASSERT_EQ(0, stat(path, &st));
		EXPECT_EQ(egm_major(), (int)major(st.st_rdev));
		EXPECT_GT(256, minor(st.st_rdev));

		snprintf(path, sizeof(path), EGM_CLASS "/egm%d/dev", self->pxm[i]);
		egm_read_line(path, line, sizeof(line));
		n = sscanf(line, "%u:%u", &major, &minor);
		ASSERT_EQ(2, n);
		EXPECT_EQ(major, major(st.st_rdev));
		EXPECT_EQ(minor, minor(st.st_rdev));
	}
}

/*
 * A node of mknod must not open another socket's region, in whichever order the regions are
 * bound again. While the device of the last bind still exists, a region has a minor above the
 * reserved range.
 */
TEST_F(node, minor_is_its_own_or_dynamic)
{
	char path[PATH_MAX];
	struct stat st;
	int i, pxm, own;

	if (self->regions < 2)
		SKIP(return, "one region only");
	for (i = 0; i < self->regions; i++)
		ASSERT_EQ(0, adev_write(EGM_AUX_DRIVER "unbind", self->pxm[i]));
	for (pxm = EGM_LAST_PXM; pxm >= EGM_FIRST_PXM; pxm--)
		for (i = 0; i < self->regions; i++)
			if (self->pxm[i] == pxm)
				EXPECT_EQ(0, adev_write(EGM_AUX_DRIVER "bind", pxm));
	for (i = 0; i < self->regions; i++) {
		snprintf(path, sizeof(path), "/dev/egm%d", self->pxm[i]);
		ASSERT_EQ(0, stat(path, &st));
		own = self->pxm[i] - EGM_FIRST_PXM;
		EXPECT_TRUE((int)minor(st.st_rdev) == own ||
			    minor(st.st_rdev) > EGM_LAST_PXM - EGM_FIRST_PXM);
	}
}

TEST_F(node, below_its_auxiliary_device)
{
	char path[PATH_MAX], target[PATH_MAX], expect[64];
	int i;

	for (i = 0; i < self->regions; i++) {
		snprintf(path, sizeof(path), EGM_CLASS "/egm%d/device", self->pxm[i]);
		ASSERT_NE(NULL, realpath(path, target));
		snprintf(expect, sizeof(expect), "/nvgrace_gpu_vfio_pci.egm.%d",
			 self->pxm[i]);
		EXPECT_STREQ(expect, strrchr(target, '/'));
	}
}

TEST_F(node, seek_end_is_size)
{
	char path[PATH_MAX];
	int i, fd;

	for (i = 0; i < self->regions; i++) {
		snprintf(path, sizeof(path), "/dev/egm%d", self->pxm[i]);
		fd = open(path, O_RDWR);
		ASSERT_LE(0, fd);
		EXPECT_LT(0, lseek(fd, 0, SEEK_END));
		EXPECT_EQ(0, lseek(fd, 0, SEEK_END) % sysconf(_SC_PAGESIZE));
		EXPECT_EQ(0, lseek(fd, 0, SEEK_SET));
		EXPECT_EQ(-1, lseek(fd, -1, SEEK_SET));
		EXPECT_EQ(-1, lseek(fd, 1, SEEK_END));
		close(fd);
	}
}

TEST_F(node, read_and_write_einval)
{
	char byte = 1;
	int fd = egm_open();

	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, read(fd, &byte, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, write(fd, &byte, 1));
	EXPECT_EQ(EINVAL, errno);
	close(fd);
}

TEST_HARNESS_MAIN
