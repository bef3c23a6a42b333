// SPDX-License-Identifier: GPL-2.0-only
/*
 * iommufd and a region: what it maps for DMA, and what it does not.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include "egm_edu.h"
#include "egm_harness.h"
#include "egm_iommufd.h"
#include "egm_util.h"

FIXTURE(iommufd) {
	int iommufd;
	uint32_t ioas;
	int edu;
	uint32_t *bar;
	char pci[32];
};

FIXTURE_SETUP(iommufd)
{
	self->edu = -1;
	self->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (self->iommufd < 0)
		SKIP(return, "no /dev/iommu");
	if (!edu_find(self->pci, sizeof(self->pci)))
		SKIP(return, "no edu device");
	ASSERT_EQ(0, ioas_alloc(self->iommufd, &self->ioas));
	ASSERT_TRUE(edu_bind(self->pci));
	self->edu = vfio_cdev_open(self->pci);
	ASSERT_LE(0, self->edu);
	ASSERT_EQ(0, vfio_cdev_bind(self->edu, self->iommufd));
	ASSERT_EQ(0, vfio_cdev_attach(self->edu, self->ioas));
	self->bar = edu_enable(self->edu);
	ASSERT_NE(MAP_FAILED, self->bar);
}

FIXTURE_TEARDOWN(iommufd)
{
	close(self->edu);
	close(self->iommufd);
}

/* Fill @from, let the device copy it to @to; both in @p, which is at IOVA 0. */
static bool copied(uint32_t *bar, char *p, size_t from, size_t to)
{
	size_t i;

	for (i = 0; i < EDU_DMA_LEN; i++)
		p[from + i] = i * 7 + 1;
	return edu_copy(bar, from, EDU_BUFFER, 0) &&
	       edu_copy(bar, EDU_BUFFER, to, EDU_TO_RAM) &&
	       !memcmp(p + from, p + to, EDU_DMA_LEN);
}

/* The rig works: whatever is refused below is not refused for a fault of its own. */
TEST_F(iommufd, anonymous_memory_is_mapped)
{
	char *p = mmap(NULL, EGM_BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, ioas_map(self->iommufd, self->ioas, p, 0, EGM_BLOCK));
	EXPECT_TRUE(copied(self->bar, p, 0, EGM_BLOCK / 2));
	EXPECT_EQ(0, ioas_unmap(self->iommufd, self->ioas, 0, EGM_BLOCK));
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
	EXPECT_EQ(EFAULT, ioas_map(self->iommufd, self->ioas, p, 0, EGM_BLOCK));
	ASSERT_EQ(0, egm_touch(p, 1));
	EXPECT_EQ(EFAULT, ioas_map(self->iommufd, self->ioas, p, 0, EGM_BLOCK));
	munmap(p, EGM_BLOCK);

	p = egm_map_populated(fd, 0, EGM_BLOCK);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(EFAULT, ioas_map(self->iommufd, self->ioas, p, 0, EGM_BLOCK));
	munmap(p, EGM_BLOCK);
	close(fd);
}

/* Nor is the node a file that iommufd knows how to import. */
TEST_F(iommufd, the_node_is_no_importable_file)
{
	int fd = egm_open();

	ASSERT_LE(0, fd);
	EXPECT_EQ(EINVAL, ioas_map_file(self->iommufd, self->ioas, fd, 0, 0, EGM_BLOCK));
	close(fd);
}

TEST_HARNESS_MAIN
