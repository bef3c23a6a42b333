// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every allocation that can fail, failed once, with panic_on_warn: over loading the
 * module, a further GPU, and the region of a vfio device. The next try must work.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <sys/utsname.h>

#include "egm_fail_nth.h"
#include "egm_touch.h"

#define LEN		(2 * EGM_BLOCK)
#define MODULE		"kernel/drivers/vfio/pci/nvgrace-gpu/egm/nvgrace-egm.ko"

FIXTURE(fail_use) {
	struct injection in;
};

FIXTURE_SETUP(fail_use)
{
	injection_begin(_metadata, &self->in);
}

FIXTURE_TEARDOWN_PARENT(fail_use)
{
	EXPECT_TRUE(injection_end(&self->in));
}

/*
 * The module is loaded as a whole, or not at all. Only its own init fails: what the
 * loader allocates before that is not ours, and binding, which init ends with, is swept
 * by fail_nth.driver_bind. A try that fails and leaves something behind fails the next
 * one, which has to come to a later point. Unloading takes some ten seconds under
 * CONFIG_DEBUG_KOBJECT_RELEASE.
 */
TEST_F_TIMEOUT(fail_use, module_load, 2400)
{
	char path[PATH_MAX], start[32], end[32];
	struct utsname name;
	int n, fd, ret;
	bool more;

	ASSERT_TRUE(symbol_range("do_one_initcall", start, end, sizeof(start)));
	require_caller(start, end);
	ASSERT_TRUE(symbol_range("really_probe", start, end, sizeof(start)));
	reject_caller(start, end);
	ASSERT_EQ(0, uname(&name));
	snprintf(path, sizeof(path), "/lib/modules/%s/" MODULE, name.release);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		SKIP(return, "the driver is no module");
	for (n = 1; n < MAX_POINTS; n++) {
		if (egm_exists(EGM_AUX_DRIVER))
			ASSERT_EQ(0, system("rmmod nvgrace-egm"));
		EXPECT_FALSE(egm_claimed(NULL));
		arm(self->in.nth, n);
		ret = syscall(SYS_finit_module, fd, "", 0);
		more = fired(self->in.nth);
		if (!more)
			EXPECT_EQ(0, ret);
		EXPECT_EQ(!ret, egm_exists(egm_node()));
		if (!more)
			break;
	}
	close(fd);
	expect_swept(_metadata, n);
	EXPECT_TRUE(clean_and_mappable());
}

/* A further GPU may be missing in sysfs. That must not cost it its driver. */
TEST_F(fail_use, further_gpu)
{
	char start[32], end[32];
	bool more;
	int n;

	ASSERT_LE(2, self->in.gpus);
	ASSERT_TRUE(symbol_range("nvgrace_egm_gpu_bound", start, end, sizeof(start)));
	for (n = 1; n < MAX_POINTS; n++) {
		ASSERT_EQ(0, egm_gpu_unbind(self->in.gpu[1]));
		require_caller(start, end);
		arm(self->in.nth, n);
		EXPECT_EQ(0, egm_gpu_bind(self->in.gpu[1]));
		more = fired(self->in.nth);
		any_caller();
		EXPECT_TRUE(egm_gpu_is_bound(self->in.gpu[1]));
		EXPECT_TRUE(egm_exists(egm_node()));
		if (!more)
			break;
	}
	expect_swept(_metadata, n);
	EXPECT_TRUE(clean_and_mappable());
}

/* A vfio device opens without its region if there is no memory for that. */
TEST_F(fail_use, vfio_device_open)
{
	int n, device, without = 0, iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	struct vfio_region_info info;
	char start[32], end[32];
	bool more, there;

	if (iommufd < 0)
		SKIP(return, "no /dev/iommu");
	ASSERT_TRUE(symbol_range("nvgrace_egm_open_device", start, end, sizeof(start)));
	for (n = 1; n < MAX_POINTS; n++) {
		require_caller(start, end);
		arm(self->in.nth, n);
		device = vfio_gpu_open(self->in.gpu[0], iommufd);
		more = fired(self->in.nth);
		any_caller();
		ASSERT_LE(0, device);
		/* Slabs get along without some pages that they would like. */
		there = vfio_egm_region(device, &info);
		EXPECT_TRUE(there || more);
		without += !there;
		close(device);
		if (!more)
			break;
	}
	expect_swept(_metadata, n);
	EXPECT_LE(2, without);
	close(iommufd);
}

/* The first use of the region makes a file of it. */
TEST_F(fail_use, vfio_region_use)
{
	int n, device, code, iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	struct vfio_region_info info;
	bool more;
	char *p;

	if (iommufd < 0)
		SKIP(return, "no /dev/iommu");
	for (n = 1; n < MAX_POINTS; n++) {
		device = vfio_gpu_open(self->in.gpu[0], iommufd);
		ASSERT_LE(0, device);
		ASSERT_TRUE(vfio_egm_region(device, &info));
		arm(self->in.nth, n);
		p = egm_map(device, info.offset, LEN);
		code = p == MAP_FAILED ? 0 : egm_touch(p, 1);
		more = fired(self->in.nth);
		if (!more) {
			EXPECT_NE(MAP_FAILED, p);
			EXPECT_EQ(0, code);
		}
		if (p != MAP_FAILED)
			munmap(p, LEN);
		EXPECT_EQ(0, egm_map_errno(device, info.offset, LEN, MAP_SHARED));
		close(device);
		EXPECT_TRUE(clean_and_mappable());
		if (!more)
			break;
	}
	expect_swept(_metadata, n);
	close(iommufd);
}

/* What cannot be exported for want of memory can be a moment later. */
TEST_F(fail_use, vfio_export)
{
	int n, device, fd, iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	struct vfio_region_info info;
	bool more;

	if (iommufd < 0)
		SKIP(return, "no /dev/iommu");
	for (n = 1; n < MAX_POINTS; n++) {
		device = vfio_gpu_open(self->in.gpu[0], iommufd);
		ASSERT_LE(0, device);
		ASSERT_TRUE(vfio_egm_region(device, &info));
		arm(self->in.nth, n);
		fd = vfio_export(device, info.index, 0, LEN);
		more = fired(self->in.nth);
		if (!more)
			EXPECT_LE(0, fd);
		if (fd >= 0)
			close(fd);
		fd = vfio_export(device, info.index, 0, LEN);
		EXPECT_LE(0, fd);
		close(fd);
		close(device);
		EXPECT_TRUE(clean_and_mappable());
		if (!more)
			break;
	}
	expect_swept(_metadata, n);
	close(iommufd);
}

TEST_HARNESS_MAIN
