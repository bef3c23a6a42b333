// SPDX-License-Identifier: GPL-2.0-only
/*
 * iommufd and a region: what it maps for DMA, and what it does not.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <linux/pci_regs.h>

#include "egm_harness.h"
#include "egm_rig.h"
#include "egm_touch.h"

#define LEN		(4 * EGM_BLOCK)

FIXTURE(iommufd) {
	struct rig rig;
};

FIXTURE_SETUP(iommufd)
{
	if (rig_missing())
		SKIP(return, "%s", rig_missing());
	ASSERT_TRUE(rig_up(&self->rig));
}

FIXTURE_TEARDOWN(iommufd)
{
	rig_down(&self->rig);
}

/* The rig works: whatever is refused below is not refused for a fault of its own. */
TEST_F(iommufd, anonymous_memory_is_mapped)
{
	char *p = mmap(NULL, EGM_BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, ioas_map(self->rig.iommufd, self->rig.ioas, p, 0, EGM_BLOCK));
	EXPECT_TRUE(edu_copied(self->rig.bar, p, 0, EGM_BLOCK / 2));
	EXPECT_EQ(0, ioas_unmap(self->rig.iommufd, self->rig.ioas, 0, EGM_BLOCK));
	munmap(p, EGM_BLOCK);
}

/*
 * The limit that a region on the vfio device's file is there for: iommufd pins pages,
 * and a PFN mapping has none, however it was made.
 */
TEST_F(iommufd, addresses_of_the_node_are_refused)
{
	int fd = egm_open();
	char *p;

	ASSERT_LE(0, fd);
	p = egm_map(fd, 0, EGM_BLOCK);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(EFAULT, ioas_map(self->rig.iommufd, self->rig.ioas, p, 0, EGM_BLOCK));
	ASSERT_EQ(0, egm_touch(p, 1));
	EXPECT_EQ(EFAULT, ioas_map(self->rig.iommufd, self->rig.ioas, p, 0, EGM_BLOCK));
	munmap(p, EGM_BLOCK);

	p = egm_map_populated(fd, 0, EGM_BLOCK);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(EFAULT, ioas_map(self->rig.iommufd, self->rig.ioas, p, 0, EGM_BLOCK));
	munmap(p, EGM_BLOCK);
	close(fd);
}

/* Nor is the node a file that iommufd knows how to import. */
TEST_F(iommufd, the_node_is_no_importable_file)
{
	int fd = egm_open();

	ASSERT_LE(0, fd);
	EXPECT_EQ(EINVAL, ioas_map_file(self->rig.iommufd, self->rig.ioas, fd, 0, 0, EGM_BLOCK));
	close(fd);
}

FIXTURE(dmabuf) {
	struct rig rig;
	char gpu[EGM_MAX_GPUS][32];
	int gpus;
	int workers;
	int device;
	int node;
	int fd;
	struct vfio_region_info info;
	char *p;
};

/* The region of a GPU that decodes no memory: a VMM exports before its guest runs. */
FIXTURE_SETUP(dmabuf)
{
	if (rig_missing())
		SKIP(return, "%s", rig_missing());
	ASSERT_TRUE(rig_up(&self->rig));
	ASSERT_TRUE(egm_bind_again());
	self->workers = egm_workers();
	self->gpus = vfio_egm_gpus(self->gpu);
	ASSERT_LE(1, self->gpus);
	self->device = vfio_gpu_open(self->gpu[0], self->rig.iommufd);
	ASSERT_LE(0, self->device);
	ASSERT_TRUE(vfio_command(self->device, 0, PCI_COMMAND_MEMORY));
	ASSERT_TRUE(vfio_egm_region(self->device, &self->info));
	self->node = egm_open();
	ASSERT_LE(0, self->node);
}

/* However a test ended, its mappings are gone by now, and its files are closed. */
FIXTURE_TEARDOWN_PARENT(dmabuf)
{
	egm_set_workers(self->workers);
	EXPECT_TRUE(egm_bind_again());
}

TEST_F(dmabuf, is_of_whole_pages_inside_the_region)
{
	const uint64_t size = self->info.size, page = sysconf(_SC_PAGESIZE);
	const struct vfio_region_dma_range two[] = {
		{ .offset = 0, .length = page }, { .offset = size, .length = page },
	};

	EXPECT_EQ(-EINVAL, vfio_export(self->device, self->info.index, size, page));
	EXPECT_EQ(-EINVAL, vfio_export(self->device, self->info.index, size - page, 2 * page));
	EXPECT_EQ(-EINVAL, vfio_export(self->device, self->info.index, 0, 0));
	EXPECT_EQ(-EINVAL, vfio_export(self->device, self->info.index, page / 2, page));
	EXPECT_EQ(-EINVAL, vfio_export(self->device, self->info.index, 0, page / 2));
	EXPECT_EQ(-EOVERFLOW, vfio_export(self->device, self->info.index, -page, page));
	EXPECT_EQ(-EINVAL, vfio_export_ranges(self->device, self->info.index, two, 2));
	/* What was refused owns nothing. */
	EXPECT_EQ(0, egm_map_errno(self->node, 0, size, MAP_SHARED));
}

/* The way that opens for this region opens for no other. */
TEST_F(dmabuf, is_of_no_other_region)
{
	EXPECT_EQ(-ENODEV, vfio_export(self->device, VFIO_PCI_ROM_REGION_INDEX, 0, EGM_BLOCK));
	EXPECT_EQ(-ENODEV, vfio_export(self->device, VFIO_PCI_CONFIG_REGION_INDEX, 0,
				       EGM_BLOCK));
	EXPECT_EQ(-ENODEV, vfio_export(self->device, self->info.index + 1, 0, EGM_BLOCK));
	EXPECT_EQ(-ENODEV, vfio_export(self->rig.edu, self->info.index, 0, EGM_BLOCK));
}

TEST_F(dmabuf, is_of_no_other_gpu)
{
	int device;

	if (self->gpus < 2)
		SKIP(return, "the socket has one GPU");
	device = vfio_gpu_open(self->gpu[1], self->rig.iommufd);
	ASSERT_LE(0, device);
	EXPECT_EQ(-ENODEV, vfio_export(device, self->info.index, 0, EGM_BLOCK));
	close(device);
}

TEST_F(dmabuf, has_one_owner)
{
	EXPECT_EQ(0, egm_map_errno(self->node, 0, EGM_BLOCK, MAP_SHARED));
	EXPECT_EQ(-EBUSY, vfio_export(self->device, self->info.index, 0, LEN));

	self->fd = vfio_export(self->device, self->info.index, EGM_BLOCK, LEN);
	ASSERT_LE(0, self->fd);
	EXPECT_EQ(EBUSY, egm_map_errno(self->node, LEN, EGM_BLOCK, MAP_SHARED));
	/* DMA of it may still run when the dma-buf is closed. */
	close(self->fd);
	EXPECT_EQ(EBUSY, egm_map_errno(self->node, LEN, EGM_BLOCK, MAP_SHARED));
	close(self->device);
	EXPECT_EQ(0, egm_map_errno(self->node, LEN, EGM_BLOCK, MAP_SHARED));
}

/* Both ways between the device and the region, by addresses that are not its start. */
TEST_F(dmabuf, is_mapped_for_dma)
{
	const uint64_t at = 3 * EGM_BLOCK;

	self->fd = vfio_export(self->device, self->info.index, at, 2 * LEN);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ioas_map_file(self->rig.iommufd, self->rig.ioas, self->fd, LEN, 0, LEN));
	self->p = egm_map(self->device, self->info.offset + at + LEN, LEN);
	ASSERT_NE(MAP_FAILED, self->p);
	EXPECT_EQ(LEN, egm_first_nonzero(self->p, LEN));
	EXPECT_TRUE(edu_copied(self->rig.bar, self->p, EGM_BLOCK - EDU_DMA_LEN,
			       LEN - EDU_DMA_LEN));
	EXPECT_EQ(0, self->p[LEN - EDU_DMA_LEN - 1]);
	EXPECT_EQ(0, ioas_unmap(self->rig.iommufd, self->rig.ioas, 0, LEN));
}

/* Nobody has touched it with a CPU: it is zero for the device as well. */
TEST_F(dmabuf, is_zero_before_it_is_exported)
{
	const uint64_t iova = 2 * LEN;
	char *q = egm_map(self->node, 0, LEN);
	char *to = mmap(NULL, EGM_BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);

	ASSERT_NE(MAP_FAILED, q);
	ASSERT_NE(MAP_FAILED, to);
	egm_set_workers(0);
	memset(q, 0xa5, LEN);
	munmap(q, LEN);
	close(self->node);
	EXPECT_LE((int64_t)LEN, egm_pending());

	memset(to, 0x5a, EDU_DMA_LEN);
	self->fd = vfio_export(self->device, self->info.index, 0, LEN);
	egm_set_workers(self->workers);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ioas_map_file(self->rig.iommufd, self->rig.ioas, self->fd, 0, 0, LEN));
	ASSERT_EQ(0, ioas_map(self->rig.iommufd, self->rig.ioas, to, iova, EGM_BLOCK));
	ASSERT_TRUE(edu_copy(self->rig.bar, EGM_BLOCK, EDU_BUFFER, 0));
	ASSERT_TRUE(edu_copy(self->rig.bar, EDU_BUFFER, iova, EDU_TO_RAM));
	EXPECT_EQ(EDU_DMA_LEN, egm_first_nonzero(to, EDU_DMA_LEN));
	munmap(to, EGM_BLOCK);
}

static int set_feature(int device, uint32_t what)
{
	struct vfio_device_feature feature = {
		.argsz = sizeof(feature), .flags = VFIO_DEVICE_FEATURE_SET | what,
	};

	return ioctl(device, VFIO_DEVICE_FEATURE, &feature) ? errno : 0;
}

/*
 * A guest switches the GPU's decode off and on when it sizes BARs, and puts it to sleep.
 * That must not take its RAM away from other devices.
 */
TEST_F(dmabuf, outlives_decode_and_power_of_the_gpu)
{
	self->fd = vfio_export(self->device, self->info.index, 0, LEN);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ioas_map_file(self->rig.iommufd, self->rig.ioas, self->fd, 0, 0, LEN));
	self->p = egm_map(self->device, self->info.offset, LEN);
	ASSERT_NE(MAP_FAILED, self->p);

	ASSERT_TRUE(vfio_command(self->device, PCI_COMMAND_MEMORY, 0));
	EXPECT_TRUE(edu_copied(self->rig.bar, self->p, 0, EGM_BLOCK));
	ASSERT_TRUE(vfio_command(self->device, 0, PCI_COMMAND_MEMORY));
	EXPECT_TRUE(edu_copied(self->rig.bar, self->p, 0, 2 * EGM_BLOCK));
	ASSERT_EQ(0, set_feature(self->device, VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY));
	EXPECT_TRUE(edu_copied(self->rig.bar, self->p, 0, 3 * EGM_BLOCK));
	ASSERT_EQ(0, set_feature(self->device, VFIO_DEVICE_FEATURE_LOW_POWER_EXIT));
	EXPECT_TRUE(edu_copied(self->rig.bar, self->p, EGM_BLOCK / 2, EGM_BLOCK));
}

/* What a device could still write after that would be in the next owner's memory. */
TEST_F(dmabuf, is_revoked_when_the_gpu_is_closed)
{
	const uint64_t at = 2 * EGM_BLOCK;

	self->fd = vfio_export(self->device, self->info.index, 0, LEN);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ioas_map_file(self->rig.iommufd, self->rig.ioas, self->fd, 0, 0, LEN));
	self->p = egm_map(self->device, self->info.offset, LEN);
	ASSERT_NE(MAP_FAILED, self->p);
	ASSERT_TRUE(edu_copied(self->rig.bar, self->p, 0, at));
	munmap(self->p, LEN);
	close(self->device);

	self->p = egm_map(self->node, 0, LEN);
	ASSERT_NE(MAP_FAILED, self->p);
	EXPECT_EQ(LEN, egm_first_nonzero(self->p, LEN));
	EXPECT_TRUE(edu_copy(self->rig.bar, EDU_BUFFER, at, EDU_TO_RAM));
	EXPECT_EQ(LEN, egm_first_nonzero(self->p, LEN));
	EXPECT_EQ(ENODEV, ioas_map_file(self->rig.iommufd, self->rig.ioas, self->fd, 0, LEN,
					LEN));
}

/*
 * There is no revoking by a variant driver: what was mapped for DMA stays, in memory
 * that nobody else gets before the device is closed.
 */
TEST_F(dmabuf, stays_with_its_owner_when_the_driver_goes)
{
	const uint64_t iova = 2 * LEN, page = EDU_DMA_LEN;
	char *q = mmap(NULL, EGM_BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);

	ASSERT_NE(MAP_FAILED, q);
	ASSERT_EQ(0, ioas_map(self->rig.iommufd, self->rig.ioas, q, iova, EGM_BLOCK));
	edu_fill(q);
	self->fd = vfio_export(self->device, self->info.index, 0, LEN);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ioas_map_file(self->rig.iommufd, self->rig.ioas, self->fd, 0, 0, LEN));
	close(self->node);
	ASSERT_EQ(0, egm_adev_unbind());

	EXPECT_EQ(-ENODEV, vfio_export(self->device, self->info.index, 0, LEN));
	EXPECT_EQ(-ENODEV, vfio_export(self->device, self->info.index, LEN, LEN));
	/* In from the first page of q, the second through the device, out to the third. */
	ASSERT_TRUE(edu_copy(self->rig.bar, iova, EDU_BUFFER, 0));
	ASSERT_TRUE(edu_copy(self->rig.bar, EDU_BUFFER, 0, EDU_TO_RAM));
	ASSERT_TRUE(edu_copy(self->rig.bar, iova + page, EDU_BUFFER, 0));
	ASSERT_TRUE(edu_copy(self->rig.bar, 0, EDU_BUFFER, 0));
	ASSERT_TRUE(edu_copy(self->rig.bar, EDU_BUFFER, iova + 2 * page, EDU_TO_RAM));
	EXPECT_EQ(0, memcmp(q, q + 2 * page, page));
	EXPECT_TRUE(egm_claimed(NULL));
	EXPECT_EQ(EBUSY, egm_adev_bind());

	close(self->device);
	EXPECT_FALSE(egm_claimed(NULL));
	ASSERT_EQ(0, egm_adev_bind());
	self->node = egm_open();
	self->p = egm_map(self->node, 0, LEN);
	ASSERT_NE(MAP_FAILED, self->p);
	EXPECT_EQ(LEN, egm_first_nonzero(self->p, LEN));
	EXPECT_TRUE(edu_copy(self->rig.bar, iova, EDU_BUFFER, 0));
	EXPECT_TRUE(edu_copy(self->rig.bar, EDU_BUFFER, 0, EDU_TO_RAM));
	EXPECT_EQ(LEN, egm_first_nonzero(self->p, LEN));
	munmap(q, EGM_BLOCK);
}

/* One range is all that iommufd takes; a VMM with more of them exports more. */
TEST_F(dmabuf, of_several_ranges_is_not_mapped)
{
	const struct vfio_region_dma_range two[] = {
		{ .offset = 0, .length = EGM_BLOCK },
		{ .offset = 2 * EGM_BLOCK, .length = EGM_BLOCK },
	};

	self->fd = vfio_export_ranges(self->device, self->info.index, two, 2);
	ASSERT_LE(0, self->fd);
	EXPECT_EQ(EOPNOTSUPP, ioas_map_file(self->rig.iommufd, self->rig.ioas, self->fd, 0, 0,
					    2 * EGM_BLOCK));
	EXPECT_EQ(EBUSY, egm_map_errno(self->node, 0, EGM_BLOCK, MAP_SHARED));
	EXPECT_EQ(0, egm_map_errno(self->node, EGM_BLOCK, EGM_BLOCK, MAP_SHARED));
	EXPECT_EQ(EBUSY, egm_map_errno(self->node, 2 * EGM_BLOCK, EGM_BLOCK, MAP_SHARED));
}

TEST_HARNESS_MAIN
