// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA through iommufd: a file of the node, and addresses of its mappings, are mapped for
 * a device, held while they are mapped, and revoked with the region. egm_dma_test has the
 * tests of each IOMMU mode. Files are mapped by ioctls of our own, because the library
 * one folder up has no IOMMU_IOAS_MAP_FILE; so are addresses where an errno is expected.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include "egm_harness.h"
#include "egm_kprobe.h"
#include "egm_retired.h"
#include "egm_rig.h"

#define LEN		(4 * EGM_BLOCK)

/* A place in the address space that no test maps EGM at. */
#define BESIDE		(16 * EGM_BLOCK)

FIXTURE(iommufd) {
	struct rig rig;
	int fd;
	char *p;
};

FIXTURE_SETUP(iommufd)
{
	if (rig_missing(MODE_IOMMUFD))
		SKIP(return, "%s", rig_missing(MODE_IOMMUFD));
	rig_up(&self->rig, MODE_IOMMUFD);
	ASSERT_TRUE(egm_bind_again());
	self->fd = egm_open();
	ASSERT_LE(0, self->fd);
}

/* The kernel has unmapped and closed all of the test, however the test ended. */
FIXTURE_TEARDOWN_PARENT(iommufd)
{
	EXPECT_TRUE(egm_bind_again());
}

/* The rig can map ordinary memory, so a refusal in a later test is a refusal of EGM. */
TEST_F(iommufd, device_copies_in_anonymous_memory)
{
	char *p = mmap(NULL, EGM_BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, map_memory(&self->rig, p, 0, EGM_BLOCK));
	EXPECT_TRUE(edu_copied(&self->rig, p, 0, EGM_BLOCK / 2));
	EXPECT_EQ(0, unmap(&self->rig, 0, EGM_BLOCK));
	munmap(p, EGM_BLOCK);
}

TEST_F(iommufd, device_copies_in_mapped_file)
{
	const uint64_t at = 3 * EGM_BLOCK;

	ASSERT_EQ(0, map_file(&self->rig, self->fd, at, 0, LEN));
	self->p = egm_map(self->fd, at, LEN);
	ASSERT_NE(MAP_FAILED, self->p);
	EXPECT_EQ(LEN, egm_first_nonzero(self->p, LEN));
	EXPECT_TRUE(edu_copied(&self->rig, self->p, EGM_BLOCK - EDU_DMA_LEN,
			       LEN - EDU_DMA_LEN));
	EXPECT_EQ(0, self->p[LEN - EDU_DMA_LEN - 1]);
	EXPECT_EQ(0, unmap(&self->rig, 0, LEN));
	munmap(self->p, LEN);
}

/* A device does not fault: all of the range is zero before the ioctl returns. */
TEST_F(iommufd, map_file_zeroes_all_of_it)
{
	char *q = egm_map(self->fd, 0, LEN);
	char *to = map_beside(&self->rig, BESIDE);
	int workers = egm_workers();

	ASSERT_NE(MAP_FAILED, q);
	ASSERT_NE(MAP_FAILED, to);
	egm_set_workers(0);
	memset(q, 0xa5, LEN);
	munmap(q, LEN);
	close(self->fd);
	EXPECT_LE((int64_t)LEN, egm_pending());

	self->fd = egm_open();
	memset(to, 0x5a, EDU_DMA_LEN);
	EXPECT_EQ(0, map_file(&self->rig, self->fd, 0, 0, LEN));
	egm_set_workers(workers);
	ASSERT_TRUE(edu_dma_read(self->rig.bar, LEN - EDU_DMA_LEN, EDU_DMA_LEN));
	ASSERT_TRUE(edu_dma_write(self->rig.bar, BESIDE, EDU_DMA_LEN));
	EXPECT_EQ(EDU_DMA_LEN, egm_first_nonzero(to, EDU_DMA_LEN));
	munmap(to, EGM_BLOCK);
}

TEST_F(iommufd, map_file_outside_region_einval)
{
	const uint64_t size = egm_size(self->fd), page = sysconf(_SC_PAGESIZE);
	int other = egm_open();

	EXPECT_EQ(EINVAL, map_file(&self->rig, self->fd, size, 0, page));
	EXPECT_EQ(EINVAL, map_file(&self->rig, self->fd, size - page, 0, 2 * page));
	EXPECT_EQ(EINVAL, map_file(&self->rig, self->fd, 0, 0, 0));
	EXPECT_EQ(EINVAL, map_file(&self->rig, self->fd, -page, 0, page));
	EXPECT_EQ(EOVERFLOW, map_file(&self->rig, self->fd, -page, 0, 2 * page));
	EXPECT_EQ(EINVAL, map_file(&self->rig, self->fd, 1ULL << 63, 0, page));
	/* No file has reserved a refused range. */
	EXPECT_EQ(0, egm_map_errno(other, 0, size, MAP_SHARED));
	close(other);
}

TEST_F(iommufd, map_file_of_another_owner_ebusy)
{
	int other = egm_open();

	EXPECT_EQ(0, egm_map_errno(other, LEN, EGM_BLOCK, MAP_SHARED));
	EXPECT_EQ(EBUSY, map_file(&self->rig, self->fd, EGM_BLOCK, 0, LEN));
	EXPECT_EQ(0, map_file(&self->rig, self->fd, 0, 0, LEN));
	EXPECT_EQ(EBUSY, egm_map_errno(other, 0, EGM_BLOCK, MAP_SHARED));
	EXPECT_EQ(EBUSY, map_file(&self->rig, other, LEN - EGM_BLOCK, BESIDE, EGM_BLOCK));
	close(other);
}

TEST_F(iommufd, map_file_not_open_read_write_eacces)
{
	int reader = open(egm_node(), O_RDONLY | O_CLOEXEC);
	int writer = open(egm_node(), O_WRONLY | O_CLOEXEC);

	EXPECT_EQ(EACCES, map_file(&self->rig, reader, 0, 0, EGM_BLOCK));
	EXPECT_EQ(EACCES, map_file(&self->rig, writer, 0, 0, EGM_BLOCK));
	EXPECT_EQ(0, map_file_read_only(&self->rig, reader, 0, 0, EGM_BLOCK));
	close(reader);
	close(writer);
}

TEST_F(iommufd, read_only_map_drops_device_writes)
{
	char *q = map_beside(&self->rig, BESIDE);

	ASSERT_NE(MAP_FAILED, q);
	ASSERT_EQ(0, map_file_read_only(&self->rig, self->fd, 0, 0, LEN));
	self->p = egm_map(self->fd, 0, LEN);
	ASSERT_NE(MAP_FAILED, self->p);
	edu_fill(self->p);
	/* It reads, and does not write. */
	ASSERT_TRUE(edu_dma_read(self->rig.bar, 0, EDU_DMA_LEN));
	ASSERT_TRUE(edu_dma_write(self->rig.bar, BESIDE, EDU_DMA_LEN));
	EXPECT_EQ(0, memcmp(self->p, q, EDU_DMA_LEN));
	ASSERT_TRUE(edu_dma_write(self->rig.bar, EGM_BLOCK, EDU_DMA_LEN));
	EXPECT_EQ(LEN - EGM_BLOCK, egm_first_nonzero(self->p + EGM_BLOCK, LEN - EGM_BLOCK));
	munmap(self->p, LEN);
	munmap(q, EGM_BLOCK);
}

/* A page that was retired before the file owned it is mapped; a page that goes bad later is not. */
TEST_F(iommufd, map_of_poisoned_page_ehwpoison)
{
	struct fresh f;

	close(self->fd);
	ASSERT_TRUE(make_fresh(&f));
	ASSERT_EQ(0, egm_touch(f.p + 2 * EGM_BLOCK, 1));
	ASSERT_EQ(0, inject(2 * EGM_BLOCK));
	EXPECT_EQ(EHWPOISON, map_file(&self->rig, f.fd, 0, 0, f.len));
	EXPECT_EQ(EHWPOISON, map_memory(&self->rig, f.p, 0, f.len));
	EXPECT_EQ(0, map_file(&self->rig, f.fd, 0, 0, 2 * EGM_BLOCK));
	EXPECT_EQ(0, unmap(&self->rig, 0, 2 * EGM_BLOCK));
	munmap(f.p, f.len);
	close(f.fd);
	EXPECT_TRUE(forget_bad_pages());
}

/* By address, from the middle of a mapping that no thread has touched. */
static void addresses(struct __test_metadata *_metadata, struct rig *rig, char *p)
{
	ASSERT_EQ(0, map_memory(rig, p + EGM_BLOCK, 0, LEN));
	EXPECT_TRUE(edu_copied(rig, p + EGM_BLOCK, 0, LEN - EDU_DMA_LEN));
	EXPECT_EQ(0, unmap(rig, 0, LEN));
}

TEST_F(iommufd, device_copies_in_mapped_addresses)
{
	self->p = egm_map(self->fd, EGM_BLOCK, 2 * LEN);
	ASSERT_NE(MAP_FAILED, self->p);
	addresses(_metadata, &self->rig, self->p);
	munmap(self->p, 2 * LEN);

	self->p = egm_map_populated(self->fd, EGM_BLOCK, 2 * LEN);
	ASSERT_NE(MAP_FAILED, self->p);
	addresses(_metadata, &self->rig, self->p);
	munmap(self->p, 2 * LEN);
}

TEST_F(iommufd, map_beyond_vma_efault)
{
	struct rig *rig = &self->rig;

	self->p = egm_map(self->fd, 0, LEN);
	ASSERT_NE(MAP_FAILED, self->p);
	munmap(self->p + LEN - EGM_BLOCK, EGM_BLOCK);
	EXPECT_EQ(EFAULT, map_memory(rig, self->p, 0, LEN));
	EXPECT_EQ(EFAULT, map_memory(rig, self->p + LEN - EGM_BLOCK, 0, EGM_BLOCK));
	ASSERT_EQ(0, mprotect(self->p, EGM_BLOCK, PROT_READ));
	EXPECT_EQ(EFAULT, map_memory(rig, self->p, 0, EGM_BLOCK));
	EXPECT_EQ(0, ioas_map_flags(rig->iommu->iommufd, rig->iommu->ioas_id, self->p, 0, EGM_BLOCK,
				    IOAS_MAP_RO));
	munmap(self->p, LEN);
}

/* Drop the descriptor, the mapping, and last the address space. */
TEST_F(iommufd, mapped_file_is_held_until_unmap)
{
	int other = egm_open();

	self->p = egm_map(self->fd, 0, LEN);
	ASSERT_NE(MAP_FAILED, self->p);
	ASSERT_EQ(0, map_file(&self->rig, self->fd, 0, 0, LEN));
	ASSERT_TRUE(edu_copied(&self->rig, self->p, 0, EGM_BLOCK));
	munmap(self->p, LEN);
	close(self->fd);
	EXPECT_EQ(EBUSY, egm_map_errno(other, 0, LEN, MAP_SHARED));
	ASSERT_TRUE(edu_dma_write(self->rig.bar, 2 * EGM_BLOCK, EDU_DMA_LEN));
	EXPECT_EQ(EBUSY, egm_map_errno(other, 0, LEN, MAP_SHARED));
	EXPECT_EQ(0, unmap(&self->rig, 0, LEN));

	self->p = egm_map(other, 0, LEN);
	ASSERT_NE(MAP_FAILED, self->p);
	EXPECT_EQ(LEN, egm_first_nonzero(self->p, LEN));
	EXPECT_TRUE(edu_dma_write(self->rig.bar, EGM_BLOCK, EDU_DMA_LEN));
	EXPECT_EQ(LEN, egm_first_nonzero(self->p, LEN));
	munmap(self->p, LEN);
	close(other);
}

/* A copy of the mapping in another address space holds the file as well. */
TEST_F(iommufd, copied_map_holds_file)
{
	struct iommu_ioas_copy copy = {
		.size = sizeof(copy), .flags = IOAS_MAP_RW, .src_ioas_id = self->rig.iommu->ioas_id,
		.length = LEN,
	};
	int other = egm_open();

	ASSERT_EQ(0, map_file(&self->rig, self->fd, 0, 0, LEN));
	ASSERT_EQ(0, ioas_alloc(self->rig.iommu->iommufd, &copy.dst_ioas_id));
	ASSERT_EQ(0, ioctl(self->rig.iommu->iommufd, IOMMU_IOAS_COPY, &copy));
	close(self->fd);
	EXPECT_EQ(0, unmap(&self->rig, 0, LEN));
	EXPECT_EQ(EBUSY, egm_map_errno(other, 0, LEN, MAP_SHARED));
	/* Attach the device to the copy, and do DMA there. */
	ASSERT_EQ(0, rig_attach(&self->rig, copy.dst_ioas_id));
	EXPECT_TRUE(edu_dma_write(self->rig.bar, EGM_BLOCK, EDU_DMA_LEN));
	ASSERT_EQ(0, rig_attach(&self->rig, self->rig.iommu->ioas_id));
	EXPECT_EQ(0, ioas_unmap(self->rig.iommu->iommufd, copy.dst_ioas_id, 0, LEN));
	EXPECT_EQ(0, egm_map_errno(other, 0, LEN, MAP_SHARED));
	close(other);
}

TEST_F(iommufd, unbind_revokes_map)
{
	char *q = map_beside(&self->rig, BESIDE);
	int other;

	ASSERT_NE(MAP_FAILED, q);
	self->p = egm_map(self->fd, 0, LEN);
	ASSERT_NE(MAP_FAILED, self->p);
	ASSERT_EQ(0, map_file(&self->rig, self->fd, 0, 0, LEN));
	ASSERT_EQ(0, map_memory(&self->rig, self->p, 6 * LEN, LEN));
	memset(self->p, 0x5a, EDU_DMA_LEN);
	ASSERT_EQ(1, device_reads(&self->rig, BESIDE, 0, q));
	ASSERT_EQ(1, device_reads(&self->rig, BESIDE, 6 * LEN, q));

	ASSERT_EQ(0, egm_adev_unbind());
	EXPECT_EQ(0, device_reads(&self->rig, BESIDE, 0, q));
	EXPECT_EQ(0, device_reads(&self->rig, BESIDE, 6 * LEN, q));
	EXPECT_EQ(ENODEV, map_file(&self->rig, self->fd, 0, 2 * LEN, LEN));
	EXPECT_EQ(ENODEV, map_memory(&self->rig, self->p, 2 * LEN, LEN));

	/* Detach and attach do not map a revoked range; then drop each reference. */
	ASSERT_EQ(0, rig_attach(&self->rig, self->rig.iommu->ioas_id));
	EXPECT_EQ(0, device_reads(&self->rig, BESIDE, 0, q));
	EXPECT_EQ(0, unmap(&self->rig, 6 * LEN, LEN));
	munmap(self->p, LEN);
	close(self->fd);
	EXPECT_EQ(EBUSY, egm_adev_bind());
	EXPECT_EQ(0, unmap(&self->rig, 0, LEN));
	EXPECT_FALSE(egm_claimed(NULL));
	ASSERT_EQ(0, egm_adev_bind());

	other = egm_open();
	self->p = egm_map(other, 0, LEN);
	ASSERT_NE(MAP_FAILED, self->p);
	EXPECT_EQ(LEN, egm_first_nonzero(self->p, LEN));
	munmap(self->p, LEN);
	close(other);
	munmap(q, EGM_BLOCK);
}

/* The address space is destroyed with a revoked range in it. */
TEST_F(iommufd, close_of_iommufd_releases_revoked_range)
{
	ASSERT_EQ(0, map_file(&self->rig, self->fd, 0, 0, LEN));
	close(self->fd);
	ASSERT_EQ(0, egm_adev_unbind());
	EXPECT_TRUE(egm_claimed(NULL));
	rig_down(&self->rig);
	EXPECT_FALSE(egm_claimed(NULL));
}

/*
 * Device attributes would win over the guest's own in stage 2. No emulated device shows the
 * difference, so look at what the IOMMU is told: cacheable, and not MMIO; of the largest
 * pages that the addresses allow.
 */
TEST_F(iommufd, map_is_cacheable_memory)
{
	unsigned long prot = 0;
	long count;

	if (!kprobe_available())
		SKIP(return, "the kernel lacks CONFIG_KPROBE_EVENTS");
	ASSERT_TRUE(kprobe_start("iommu_map iova=%x1 size=%x3 prot=%x4"));
	EXPECT_EQ(0, map_file(&self->rig, self->fd, 0, 0, LEN));
	count = kprobe_stop("prot", &prot);
	EXPECT_EQ(1, count);
	/* IOMMU_READ, WRITE, CACHE; not NOEXEC nor MMIO, as in include/linux/iommu.h. */
	EXPECT_EQ(7, prot & 0x1f);

	self->p = egm_map(self->fd, 0, LEN);
	ASSERT_NE(MAP_FAILED, self->p);
	ASSERT_TRUE(kprobe_start("iommu_map iova=%x1 size=%x3 prot=%x4"));
	EXPECT_EQ(0, map_memory(&self->rig, self->p, LEN, LEN));
	count = kprobe_stop("prot", &prot);
	EXPECT_EQ(1, count);
	EXPECT_EQ(7, prot & 0x1f);
	munmap(self->p, LEN);
}

TEST_HARNESS_MAIN
