// SPDX-License-Identifier: GPL-2.0-only
/*
 * EGM as a region of a GPU's vfio device: the same memory as that of the device node,
 * by the same rules.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <pthread.h>

#include "egm_harness.h"
#include "egm_iommufd.h"
#include "egm_retired.h"
#include "egm_touch.h"

#define LEN		(4 * EGM_BLOCK)
#define REFCNT		EGM_MODULE "/refcnt"

FIXTURE(region) {
	char gpu[EGM_MAX_GPUS][32];
	int gpus;
	int iommufd;
	int device;
	int node;
	int workers;
	struct vfio_region_info info;
	char *p;
};

FIXTURE_SETUP(region)
{
	self->workers = -1;
	self->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (self->iommufd < 0)
		SKIP(return, "no /dev/iommu");
	ASSERT_TRUE(egm_bind_again());
	self->gpus = vfio_egm_gpus(self->gpu);
	ASSERT_LE(1, self->gpus);
	self->device = vfio_gpu_open(self->gpu[0], self->iommufd);
	ASSERT_LE(0, self->device);
	ASSERT_TRUE(vfio_egm_region(self->device, &self->info));
	self->node = egm_open();
	ASSERT_LE(0, self->node);
}

/* However a test ended, its mappings are gone by now, and its files are closed. */
FIXTURE_TEARDOWN_PARENT(region)
{
	if (self->workers >= 0)
		egm_set_workers(self->workers);
	EXPECT_TRUE(egm_bind_all(self->gpu, self->gpus));
	EXPECT_TRUE(forget_bad_pages());
}

static char *map_region(int device, const struct vfio_region_info *info, uint64_t offset)
{
	return egm_map(device, info->offset + offset, LEN);
}

static int map_region_errno(int device, const struct vfio_region_info *info,
			    uint64_t offset, size_t len, int flags)
{
	return egm_map_errno(device, info->offset + offset, len, flags);
}

TEST_F(region, is_described)
{
	char byte;

	EXPECT_LE(VFIO_PCI_NUM_REGIONS, self->info.index);
	EXPECT_EQ(egm_size(self->node), self->info.size);
	EXPECT_EQ(VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_CAPS, self->info.flags);
	EXPECT_EQ(-1, pread(self->device, &byte, 1, self->info.offset));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, pwrite(self->device, "", 1, self->info.offset));
	EXPECT_EQ(EINVAL, errno);
}

/* One device of a socket has it, and there always is one. */
TEST_F(region, is_the_lowest_gpu_s)
{
	struct vfio_region_info info;
	int device;

	if (self->gpus < 2)
		SKIP(return, "the socket has one GPU");
	device = vfio_gpu_open(self->gpu[1], self->iommufd);
	ASSERT_LE(0, device);
	EXPECT_FALSE(vfio_egm_region(device, &info));
	close(device);

	close(self->device);
	ASSERT_EQ(0, egm_gpu_unbind(self->gpu[0]));
	device = vfio_gpu_open(self->gpu[1], self->iommufd);
	ASSERT_LE(0, device);
	EXPECT_TRUE(vfio_egm_region(device, &info));
	close(device);
}

TEST_F(region, maps_within_its_bounds)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	const uint64_t size = self->info.size;

	EXPECT_EQ(0, map_region_errno(self->device, &self->info, size - page, page,
				      MAP_SHARED));
	EXPECT_EQ(EINVAL, map_region_errno(self->device, &self->info, size, page, MAP_SHARED));
	EXPECT_EQ(EINVAL, map_region_errno(self->device, &self->info, size - page, 2 * page,
					   MAP_SHARED));
	EXPECT_EQ(EINVAL, map_region_errno(self->device, &self->info, 0, page, MAP_PRIVATE));
}

/* At its offset, zeroed, and page by page where no huge entry fits. */
TEST_F(region, maps_the_memory_of_the_node)
{
	const uint64_t at = 2 * EGM_BLOCK;
	char *q;

	self->p = map_region(self->device, &self->info, at);
	ASSERT_NE(MAP_FAILED, self->p);
	EXPECT_EQ(LEN, egm_first_nonzero(self->p, LEN));
	self->p[0] = 1;
	self->p[LEN - 1] = 2;

	q = egm_map_populated(self->device, self->info.offset + at, LEN);
	ASSERT_NE(MAP_FAILED, q);
	EXPECT_EQ(1, q[0]);
	EXPECT_EQ(2, q[LEN - 1]);
	q[EGM_BLOCK] = 3;
	EXPECT_EQ(3, self->p[EGM_BLOCK]);
	munmap(q, LEN);
}

TEST_F(region, maps_by_huge_entries)
{
	const size_t huge = EGM_HUGE_MAX;
	char *area = mmap(NULL, 2 * huge, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *p;
	long before, after;
	size_t i;

	ASSERT_NE(MAP_FAILED, area);
	p = area + (huge - (uintptr_t)area % huge) % huge;
	before = egm_page_tables();
	ASSERT_LE(0, before);
	ASSERT_EQ(p, mmap(p, huge, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			  self->device, self->info.offset));
	for (i = 0; i < huge; i += EGM_BLOCK)
		ASSERT_EQ(0, egm_touch(p + i, 1));
	after = egm_page_tables();
	/* By pages it were 1 MiB with 4 KiB pages, and 64 KiB with 64 KiB pages. */
	EXPECT_GT(64, after - before);
	munmap(area, 2 * huge);
}

TEST_F(region, owns_what_is_mapped)
{
	const size_t page = sysconf(_SC_PAGESIZE);

	self->p = map_region(self->device, &self->info, 0);
	ASSERT_NE(MAP_FAILED, self->p);
	EXPECT_EQ(EBUSY, egm_map_errno(self->node, LEN - page, page, MAP_SHARED));
	EXPECT_EQ(0, egm_map_errno(self->node, LEN, EGM_BLOCK, MAP_SHARED));
	EXPECT_EQ(EBUSY, map_region_errno(self->device, &self->info, LEN, EGM_BLOCK,
					  MAP_SHARED));
	/* munmap gives nothing back, here as there. */
	munmap(self->p, LEN);
	EXPECT_EQ(EBUSY, egm_map_errno(self->node, 0, EGM_BLOCK, MAP_SHARED));
}

/* The device's hold ends when it is closed, that of a mapping with the mapping. */
TEST_F(region, ends_with_the_device_and_its_mappings)
{
	char *q;

	self->p = map_region(self->device, &self->info, 0);
	ASSERT_NE(MAP_FAILED, self->p);
	memset(self->p, 0xa5, LEN);
	close(self->device);
	EXPECT_EQ(0xa5, (unsigned char)self->p[LEN - 1]);
	EXPECT_EQ(EBUSY, egm_map_errno(self->node, 0, EGM_BLOCK, MAP_SHARED));
	munmap(self->p, LEN);

	q = egm_map(self->node, 0, LEN);
	ASSERT_NE(MAP_FAILED, q);
	EXPECT_EQ(LEN, egm_first_nonzero(q, LEN));
	munmap(q, LEN);
}

TEST_F(region, is_revoked_when_its_driver_goes)
{
	struct vfio_region_info again;

	self->p = map_region(self->device, &self->info, 0);
	ASSERT_NE(MAP_FAILED, self->p);
	ASSERT_EQ(0, egm_touch(self->p, 7));
	close(self->node);

	ASSERT_EQ(0, egm_adev_unbind());
	EXPECT_EQ(BUS_ADRERR, egm_touch(self->p, 1));
	EXPECT_EQ(ENODEV, map_region_errno(self->device, &self->info, 0, LEN, MAP_SHARED));
	EXPECT_EQ(ENODEV, map_region_errno(self->device, &self->info, LEN, LEN, MAP_SHARED));
	/* What is described does not change under a VMM. */
	EXPECT_TRUE(vfio_egm_region(self->device, &again));

	/* The device still has its file: nobody else can have the memory. */
	munmap(self->p, LEN);
	EXPECT_TRUE(egm_claimed(NULL));
	EXPECT_EQ(EBUSY, egm_adev_bind());
	close(self->device);
	EXPECT_EQ(0, egm_adev_bind());
}

/* The mapping is in the region's address_space: mm finds it, and so does the worker. */
TEST_F(region, poison_is_unmapped_and_not_exported)
{
	const uint64_t at = EGM_BLOCK + EGM_BLOCK / 2, page = sysconf(_SC_PAGESIZE);
	int fd;

	self->p = map_region(self->device, &self->info, 0);
	ASSERT_NE(MAP_FAILED, self->p);
	ASSERT_EQ(0, egm_touch(self->p + at, 1));
	ASSERT_EQ(0, inject(at));
	EXPECT_EQ(BUS_MCEERR_AR, egm_bus_code);
	EXPECT_EQ(self->p + at, egm_bus_addr);
	EXPECT_EQ(BUS_MCEERR_AR, touch_until_blocked(self->p + at));
	EXPECT_EQ(0, egm_touch(self->p + at + page, 1));

	EXPECT_EQ(-EHWPOISON, vfio_export(self->device, self->info.index, 0, LEN));
	fd = vfio_export(self->device, self->info.index, 0, at);
	EXPECT_LE(0, fd);
	close(fd);
	fd = vfio_export(self->device, self->info.index, at + page, page);
	EXPECT_LE(0, fd);
	close(fd);
}

/* Nor a page of which the worker has yet to hear. */
TEST_F(region, poison_just_reported_is_not_exported)
{
	const uint64_t page = sysconf(_SC_PAGESIZE);
	int i;

	self->p = map_region(self->device, &self->info, 0);
	ASSERT_NE(MAP_FAILED, self->p);
	for (i = 0; i < 16; i++) {
		ASSERT_EQ(0, egm_touch(self->p + i * page, 1));
		ASSERT_EQ(0, inject(i * page));
		EXPECT_EQ(-EHWPOISON,
			  vfio_export(self->device, self->info.index, i * page, page));
	}
}

struct export {
	const struct vfio_region_info *info;
	int device;
	uint64_t offset;
	int ret;
	bool done;
};

#define EXPORT_LEN	(128 * EGM_BLOCK)

static void *export(void *arg)
{
	struct export *e = arg;

	e->ret = vfio_export(e->device, e->info->index, e->offset, EXPORT_LEN);
	__atomic_store_n(&e->done, true, __ATOMIC_RELEASE);
	return NULL;
}

/* Nor one that goes bad while what is to be exported is zeroed. */
TEST_F(region, poison_while_exporting)
{
	struct export e = { .info = &self->info, .device = self->device };
	const int rounds = 3;
	bool late = true;
	pthread_t thread;
	int64_t dirty;
	char *p;
	int i;

	self->workers = egm_workers();
	egm_set_workers(0);
	/* Dirty, and nobody's. */
	p = egm_map(self->node, 0, rounds * EXPORT_LEN);
	ASSERT_NE(MAP_FAILED, p);
	memset(p, 0x55, rounds * EXPORT_LEN);
	munmap(p, rounds * EXPORT_LEN);
	close(self->node);

	/* Again, if the export was over before the page went bad. */
	for (i = 0; i < rounds && late; i++) {
		e.offset = i * EXPORT_LEN;
		e.done = false;
		p = map_region(self->device, &self->info, e.offset);
		ASSERT_NE(MAP_FAILED, p);
		ASSERT_EQ(0, egm_touch(p, 1));
		dirty = egm_pending();
		ASSERT_EQ(0, pthread_create(&thread, NULL, export, &e));
		while (egm_pending() == dirty && !__atomic_load_n(&e.done, __ATOMIC_ACQUIRE))
			usleep(100);
		ASSERT_EQ(0, inject(e.offset));
		late = __atomic_load_n(&e.done, __ATOMIC_ACQUIRE);
		pthread_join(thread, NULL);
		EXPECT_TRUE(late || e.ret == -EHWPOISON);
		if (e.ret >= 0)
			close(e.ret);
		munmap(p, LEN);
	}
	EXPECT_FALSE(late);
}

/* A device whose user does not care for EGM holds neither region nor module. */
TEST_F(region, is_held_from_the_first_use)
{
	int64_t before;

	close(self->node);
	close(self->device);
	before = egm_read_number(REFCNT);
	ASSERT_LE(0, before);
	self->device = vfio_gpu_open(self->gpu[0], self->iommufd);
	ASSERT_LE(0, self->device);
	EXPECT_EQ(before, egm_read_number(REFCNT));
	ASSERT_EQ(0, egm_adev_unbind());
	EXPECT_EQ(ENODEV, map_region_errno(self->device, &self->info, 0, LEN, MAP_SHARED));
	ASSERT_EQ(0, egm_adev_bind());

	/* Also by a region that is not the one that was there first. */
	EXPECT_EQ(0, map_region_errno(self->device, &self->info, 0, LEN, MAP_SHARED));
	EXPECT_EQ(before + 1, egm_read_number(REFCNT));
	close(self->device);
	EXPECT_EQ(before, egm_read_number(REFCNT));
}

struct first_use {
	const struct vfio_region_info *info;
	int device;
	int delay;		/* us */
	bool mapped;
	bool good;
};

static void *use_first(void *arg)
{
	struct first_use *use = arg;
	int fd, code;
	char *p;

	usleep(use->delay);
	fd = vfio_export(use->device, use->info->index, LEN, LEN);
	p = map_region(use->device, use->info, 0);
	use->mapped = p != MAP_FAILED;
	use->good = (fd >= 0 || fd == -ENODEV) && (p != MAP_FAILED || errno == ENODEV);
	if (fd >= 0)
		close(fd);
	if (p == MAP_FAILED)
		return NULL;
	code = egm_touch(p, 0x5a);
	use->good = use->good && (!code || code == BUS_ADRERR);
	munmap(p, LEN);
	return NULL;
}

/* Whoever comes first, what was got is revoked, and nothing is left for the next. */
TEST_F(region, first_use_against_unbinding)
{
	int i, delay = 0, mapped = 0, refused = 0;
	struct first_use use = { .info = &self->info };
	pthread_t thread;
	char *q;

	close(self->node);
	/* Until either was first, and what has not been yet gets a ms more each time. */
	for (i = 0; i < 20 || (i < 100 && !(mapped && refused)); i++) {
		if (i < 20)
			delay = i * 50;
		else
			delay += mapped ? -1000 : 1000;
		use.device = self->device;
		use.delay = delay < 0 ? -delay : 0;
		ASSERT_EQ(0, pthread_create(&thread, NULL, use_first, &use));
		usleep(delay < 0 ? 0 : delay);
		ASSERT_EQ(0, egm_adev_unbind());
		ASSERT_EQ(0, pthread_join(thread, NULL));
		EXPECT_TRUE(use.good);
		mapped += use.mapped;
		refused += !use.mapped;
		EXPECT_EQ(ENODEV, map_region_errno(self->device, &self->info, 0, LEN,
						   MAP_SHARED));
		close(self->device);
		EXPECT_FALSE(egm_claimed(NULL));
		ASSERT_EQ(0, egm_adev_bind());
		self->device = vfio_gpu_open(self->gpu[0], self->iommufd);
		ASSERT_LE(0, self->device);
		ASSERT_TRUE(vfio_egm_region(self->device, &self->info));
	}
	TH_LOG("mapped %d times, refused %d times", mapped, refused);
	EXPECT_LT(0, mapped);
	EXPECT_LT(0, refused);
	self->node = egm_open();
	q = egm_map(self->node, 0, LEN);
	ASSERT_NE(MAP_FAILED, q);
	EXPECT_EQ(LEN, egm_first_nonzero(q, LEN));
	munmap(q, LEN);
}

/* Two devices open at once can both have been the lowest; the memory has one owner. */
TEST_F(region, of_two_devices_has_one_owner)
{
	struct vfio_region_info info;
	int device;

	if (self->gpus < 2)
		SKIP(return, "the socket has one GPU");
	close(self->device);
	ASSERT_EQ(0, egm_gpu_unbind(self->gpu[0]));
	device = vfio_gpu_open(self->gpu[1], self->iommufd);
	ASSERT_LE(0, device);
	ASSERT_TRUE(vfio_egm_region(device, &info));
	ASSERT_EQ(0, egm_gpu_bind(self->gpu[0]));
	self->device = vfio_gpu_open(self->gpu[0], self->iommufd);
	ASSERT_LE(0, self->device);
	ASSERT_TRUE(vfio_egm_region(self->device, &self->info));

	EXPECT_EQ(0, map_region_errno(device, &info, 0, LEN, MAP_SHARED));
	EXPECT_EQ(EBUSY, map_region_errno(self->device, &self->info, 0, LEN, MAP_SHARED));
	close(device);
	EXPECT_EQ(0, map_region_errno(self->device, &self->info, 0, LEN, MAP_SHARED));
}

/* Offsets of a vfio device have 40 bits for each region: one ends where the next begins. */
TEST(no_region_that_does_not_fit)
{
	int node = egm_open(), iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC), device;
	struct vfio_region_info info;
	char gpu[EGM_MAX_GPUS][32];

	if (iommufd < 0)
		SKIP(return, "no /dev/iommu");
	ASSERT_LE(0, node);
	ASSERT_LE(1, vfio_egm_gpus(gpu));
	device = vfio_gpu_open(gpu[0], iommufd);
	ASSERT_LE(0, device);
	EXPECT_EQ(egm_size(node) <= 1ULL << 40, vfio_egm_region(device, &info));
}

TEST_HARNESS_MAIN
