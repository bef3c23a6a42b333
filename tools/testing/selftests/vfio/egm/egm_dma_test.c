// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO type1 on a region: a device reads from it and writes to it, by DMA.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <linux/limits.h>
#include <linux/vfio.h>
#include <sys/ioctl.h>

#include "egm_edu.h"
#include "egm_harness.h"
#include "egm_util.h"

#define LEN		(32 * EGM_BLOCK)

FIXTURE(dma) {
	int container;
	int group;
	int device;
	int fd;
	char *p;
	uint32_t *bar;
	char pci[32];
};

/* The device's IOMMU group, once vfio-pci has it. */
static int open_group(const char *pci)
{
	char path[PATH_MAX], link[PATH_MAX] = { };

	if (!edu_bind(pci))
		return -1;
	snprintf(path, sizeof(path), PCI "/%s/iommu_group", pci);
	if (readlink(path, link, sizeof(link) - 1) < 0)
		return -1;
	snprintf(path, sizeof(path), "/dev/vfio/%.16s", strrchr(link, '/') + 1);
	return open(path, O_RDWR);
}

FIXTURE_SETUP(dma)
{
	if (!edu_find(self->pci, sizeof(self->pci)))
		SKIP(return, "no edu device");
	self->group = open_group(self->pci);
	ASSERT_LE(0, self->group);
	self->container = open("/dev/vfio/vfio", O_RDWR);
	ASSERT_LE(0, self->container);
	ASSERT_EQ(0, ioctl(self->group, VFIO_GROUP_SET_CONTAINER, &self->container));
	ASSERT_EQ(0, ioctl(self->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	self->device = ioctl(self->group, VFIO_GROUP_GET_DEVICE_FD, self->pci);
	ASSERT_LE(0, self->device);
	self->bar = edu_enable(self->device);
	ASSERT_NE(MAP_FAILED, self->bar);
	self->fd = egm_open();
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(dma)
{
	close(self->fd);
	close(self->device);
	close(self->group);
	close(self->container);
}

static int map_dma(int container, void *p, uint64_t iova, uint64_t len)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map), .flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)p, .iova = iova, .size = len,
	};

	return ioctl(container, VFIO_IOMMU_MAP_DMA, &map) ? errno : 0;
}

static int unmap_dma(int container, uint64_t iova, uint64_t len)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap), .iova = iova, .size = len,
	};

	return ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap) ? errno : 0;
}

/* From one place of the region to another, through the device. */
static void copy_by_device(struct __test_metadata *_metadata, uint32_t *bar,
			   int container, char *p)
{
	const size_t from = EGM_BLOCK - EDU_DMA_LEN, to = LEN - EDU_DMA_LEN;
	size_t i;

	/* Nothing of it was touched: type1 faults it in. */
	ASSERT_EQ(0, map_dma(container, p, 0, LEN));
	EXPECT_EQ(LEN, egm_first_nonzero(p, LEN));
	for (i = 0; i < EDU_DMA_LEN; i++)
		p[from + i] = i * 7 + 1;
	ASSERT_TRUE(edu_copy(bar, from, EDU_BUFFER, 0));
	ASSERT_TRUE(edu_copy(bar, EDU_BUFFER, to, EDU_TO_RAM));
	EXPECT_EQ(0, memcmp(p + from, p + to, EDU_DMA_LEN));
	EXPECT_EQ(0, p[to - 1]);
	EXPECT_EQ(0, unmap_dma(container, 0, LEN));
}

TEST_F(dma, mapped_on_demand)
{
	self->p = egm_map(self->fd, 0, LEN);
	ASSERT_NE(MAP_FAILED, self->p);
	copy_by_device(_metadata, self->bar, self->container, self->p);
	munmap(self->p, LEN);
}

TEST_F(dma, mapped_at_once)
{
	self->p = egm_map_populated(self->fd, 0, LEN);
	ASSERT_NE(MAP_FAILED, self->p);
	copy_by_device(_metadata, self->bar, self->container, self->p);
	munmap(self->p, LEN);
}

/*
 * type1 holds no reference: its mapping outlives munmap and close. While the file is
 * open nobody else gets the memory; that is the isolation there is.
 */
TEST_F(dma, dma_after_munmap_stays_with_the_owner)
{
	const size_t to = 3 * EGM_BLOCK;
	int other = egm_open();

	self->p = egm_map(self->fd, 0, LEN);
	ASSERT_NE(MAP_FAILED, self->p);
	ASSERT_EQ(0, map_dma(self->container, self->p, 0, LEN));
	munmap(self->p, LEN);
	ASSERT_TRUE(edu_copy(self->bar, EDU_BUFFER, to, EDU_TO_RAM));
	EXPECT_EQ(EBUSY, egm_map_errno(other, to, EGM_BLOCK, MAP_SHARED));
	EXPECT_EQ(0, unmap_dma(self->container, 0, LEN));
	close(other);
}

TEST_HARNESS_MAIN
