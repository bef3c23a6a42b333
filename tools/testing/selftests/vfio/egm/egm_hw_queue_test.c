// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest's hardware queue in a region: IOMMU_HW_QUEUE_ALLOC by the mock device of iommufd,
 * which compares the physical address of the queue with its own page table.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include "egm_harness.h"
#include "egm_iommufd.h"
#include "../../../../../drivers/iommu/iommufd/iommufd_test.h"

#define LEN		(2 * EGM_BLOCK)
#define IOVA		((uint64_t)MOCK_APERTURE_START)

FIXTURE(hw_queue) {
	int iommufd;
	uint32_t ioas;
	uint32_t viommu;
	int fd;
};

FIXTURE_SETUP(hw_queue)
{
	struct iommu_test_cmd mock = {
		.size = sizeof(mock), .op = IOMMU_TEST_OP_MOCK_DOMAIN,
	};
	struct iommu_hwpt_alloc hwpt = {
		.size = sizeof(hwpt), .flags = IOMMU_HWPT_ALLOC_NEST_PARENT,
	};
	struct iommu_viommu_alloc viommu = {
		.size = sizeof(viommu), .type = IOMMU_VIOMMU_TYPE_SELFTEST,
	};

	self->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (self->iommufd < 0)
		SKIP(return, "no /dev/iommu");
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &self->ioas));
	mock.id = self->ioas;
	if (ioctl(self->iommufd, IOMMU_TEST_CMD, &mock))
		SKIP(return, "the kernel lacks CONFIG_IOMMUFD_TEST");
	hwpt.dev_id = mock.mock_domain.out_idev_id;
	hwpt.pt_id = self->ioas;
	ASSERT_EQ(0, ioctl(self->iommufd, IOMMU_HWPT_ALLOC, &hwpt));
	viommu.dev_id = hwpt.dev_id;
	viommu.hwpt_id = hwpt.out_hwpt_id;
	ASSERT_EQ(0, ioctl(self->iommufd, IOMMU_VIOMMU_ALLOC, &viommu));
	self->viommu = viommu.out_viommu_id;
	ASSERT_TRUE(egm_bind_again());
	self->fd = egm_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ioas_map_file(self->iommufd, self->ioas, self->fd, EGM_BLOCK, IOVA, LEN));
}

FIXTURE_TEARDOWN_PARENT(hw_queue)
{
	EXPECT_TRUE(egm_bind_again());
}

/* 0 or an errno; @id is the queue. */
static int alloc_queue(int iommufd, uint32_t viommu, uint64_t iova, uint64_t len,
		       uint32_t *id)
{
	struct iommu_hw_queue_alloc queue = {
		.size = sizeof(queue), .viommu_id = viommu, .length = len,
		.type = IOMMU_HW_QUEUE_TYPE_SELFTEST, .nesting_parent_iova = iova,
	};

	if (ioctl(iommufd, IOMMU_HW_QUEUE_ALLOC, &queue))
		return errno;
	*id = queue.out_hw_queue_id;
	return 0;
}

static int destroy(int iommufd, uint32_t id)
{
	struct iommu_destroy cmd = { .size = sizeof(cmd), .id = id };

	return ioctl(iommufd, IOMMU_DESTROY, &cmd) ? errno : 0;
}

/* The mock fails the ioctl, with a warning, if the address is not right. */
TEST_F(hw_queue, alloc_in_region_makes_unmap_ebusy)
{
	const uint64_t at = IOVA + EGM_BLOCK + 64;
	uint32_t id = 0;

	ASSERT_EQ(0, alloc_queue(self->iommufd, self->viommu, at, EGM_BLOCK / 2, &id));
	EXPECT_EQ(EBUSY, ioas_unmap(self->iommufd, self->ioas, IOVA, LEN));
	EXPECT_EQ(0, destroy(self->iommufd, id));
	EXPECT_EQ(0, ioas_unmap(self->iommufd, self->ioas, IOVA, LEN));
}

TEST_F(hw_queue, alloc_beyond_map_efault)
{
	uint32_t id;

	EXPECT_EQ(EFAULT, alloc_queue(self->iommufd, self->viommu, IOVA + EGM_BLOCK, LEN, &id));
	EXPECT_EQ(0, ioas_unmap(self->iommufd, self->ioas, IOVA, LEN));
	EXPECT_EQ(ENOENT, alloc_queue(self->iommufd, self->viommu, IOVA, EGM_BLOCK, &id));
}

TEST_F(hw_queue, failed_alloc_lets_unmap_succeed)
{
	uint32_t id = 0, second = 0;

	ASSERT_EQ(0, alloc_queue(self->iommufd, self->viommu, IOVA, EGM_BLOCK, &id));
	/* Its index is taken. */
	EXPECT_EQ(EEXIST, alloc_queue(self->iommufd, self->viommu, IOVA, EGM_BLOCK, &second));
	EXPECT_EQ(0, destroy(self->iommufd, id));
	EXPECT_EQ(0, ioas_unmap(self->iommufd, self->ioas, IOVA, LEN));
}

/* The hardware has the physical address: the memory stays the file's. */
TEST_F(hw_queue, revoked_queue_holds_region)
{
	uint32_t id = 0;

	ASSERT_EQ(0, alloc_queue(self->iommufd, self->viommu, IOVA, EGM_BLOCK, &id));
	close(self->fd);
	ASSERT_EQ(0, egm_adev_unbind());
	EXPECT_EQ(EBUSY, ioas_unmap(self->iommufd, self->ioas, IOVA, LEN));
	EXPECT_TRUE(egm_claimed(NULL));
	EXPECT_EQ(0, destroy(self->iommufd, id));
	EXPECT_EQ(ENODEV, alloc_queue(self->iommufd, self->viommu, IOVA, EGM_BLOCK, &id));
	EXPECT_EQ(0, ioas_unmap(self->iommufd, self->ioas, IOVA, LEN));
	EXPECT_FALSE(egm_claimed(NULL));
}

TEST_HARNESS_MAIN
