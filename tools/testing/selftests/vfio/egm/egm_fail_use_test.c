// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every allocation that can fail, failed once, with panic_on_warn: over loading the
 * module, a further GPU, and DMA mappings of iommufd. The next try must work.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <sys/utsname.h>

#include "egm_fail_nth.h"
#include "egm_rig.h"

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
 * The module is loaded as a whole, or not at all. Allocations fail in its init only: those of
 * the module loader are not ours, and fail_nth.driver_bind sweeps those of binding. If a
 * failed try leaves something behind, the next try fails before it reaches a later
 * allocation. Unloading takes some ten seconds under
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
TEST_F(fail_use, second_gpu_bind)
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

/* An address space with a device attached, or none. */
static void sweep_iommufd(struct __test_metadata *_metadata, int nth, bool by_file)
{
	struct rig rig;
	int n, fd, ret;
	bool more;
	char *p;

	rig_up(&rig, MODE_IOMMUFD);
	for (n = 1; n < MAX_POINTS; n++) {
		fd = egm_open();
		p = egm_map(fd, 0, LEN);
		ASSERT_NE(MAP_FAILED, p);
		arm(nth, n);
		ret = by_file ? map_file(&rig, fd, 0, 0, LEN) : map_memory(&rig, p, 0, LEN);
		more = fired(nth);
		if (!more)
			EXPECT_EQ(0, ret);
		if (!ret)
			EXPECT_EQ(0, unmap(&rig, 0, LEN));
		EXPECT_EQ(0, map_file(&rig, fd, 0, 0, LEN));
		EXPECT_EQ(0, unmap(&rig, 0, LEN));
		munmap(p, LEN);
		close(fd);
		/* A map that failed has left no reference to the file. */
		EXPECT_TRUE(clean_and_mappable());
		if (!more)
			break;
	}
	rig_down(&rig);
	expect_swept(_metadata, n);
}

TEST_F_TIMEOUT(fail_use, iommufd_map_file, 1200)
{
	if (rig_missing(MODE_IOMMUFD))
		SKIP(return, "%s", rig_missing(MODE_IOMMUFD));
	sweep_iommufd(_metadata, self->in.nth, true);
}

TEST_F_TIMEOUT(fail_use, iommufd_map_addresses, 1200)
{
	if (rig_missing(MODE_IOMMUFD))
		SKIP(return, "%s", rig_missing(MODE_IOMMUFD));
	sweep_iommufd(_metadata, self->in.nth, false);
}

/* Attach a device to an address space that maps EGM already. */
TEST_F_TIMEOUT(fail_use, iommufd_attach, 1200)
{
	uint32_t ioas = 0;
	struct rig rig;
	int n, fd, ret;
	bool more;

	if (rig_missing(MODE_IOMMUFD))
		SKIP(return, "%s", rig_missing(MODE_IOMMUFD));
	rig_up(&rig, MODE_IOMMUFD);
	ASSERT_EQ(0, ioas_alloc(rig.iommu->iommufd, &ioas));
	fd = egm_open();
	ASSERT_EQ(0, ioas_map_file(rig.iommu->iommufd, ioas, fd, 0, 0, LEN));
	for (n = 1; n < MAX_POINTS; n++) {
		arm(self->in.nth, n);
		ret = rig_attach(&rig, ioas);
		more = fired(self->in.nth);
		if (!more)
			EXPECT_EQ(0, ret);
		EXPECT_EQ(0, rig_attach(&rig, rig.iommu->ioas_id));
		if (!more)
			break;
	}
	EXPECT_EQ(0, ioas_unmap(rig.iommu->iommufd, ioas, 0, LEN));
	close(fd);
	rig_down(&rig);
	expect_swept(_metadata, n);
	EXPECT_TRUE(clean_and_mappable());
}

/* Revocation allocates nothing, so nothing of it can fail. */
TEST_F_TIMEOUT(fail_use, iommufd_revoke, 1200)
{
	struct rig rig;
	int n, fd, ret;
	bool more;

	if (rig_missing(MODE_IOMMUFD))
		SKIP(return, "%s", rig_missing(MODE_IOMMUFD));
	rig_up(&rig, MODE_IOMMUFD);
	for (n = 1; n < MAX_POINTS; n++) {
		fd = egm_open();
		ASSERT_EQ(0, map_file(&rig, fd, 0, 0, LEN));
		close(fd);
		arm(self->in.nth, n);
		ret = egm_adev_unbind();
		more = fired(self->in.nth);
		/* Opening and writing the sysfs file can fail; unbinding cannot. */
		if (ret)
			ASSERT_EQ(0, egm_adev_unbind());
		EXPECT_EQ(0, unmap(&rig, 0, LEN));
		ASSERT_EQ(0, egm_adev_bind());
		if (!more)
			break;
	}
	rig_down(&rig);
	expect_swept(_metadata, n);
	EXPECT_TRUE(clean_and_mappable());
}

TEST_HARNESS_MAIN
