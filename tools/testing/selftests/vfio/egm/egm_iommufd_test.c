// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA through iommufd: a file of the node, and addresses of its mappings, are mapped for
 * a device, held while they are mapped, and revoked with the region.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <sys/wait.h>

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
	if (rig_missing())
		SKIP(return, "%s", rig_missing());
	ASSERT_TRUE(rig_up(&self->rig));
	ASSERT_TRUE(egm_bind_again());
	self->fd = egm_open();
	ASSERT_LE(0, self->fd);
}

/* The kernel has unmapped the mappings of the test's process and closed its files. */
FIXTURE_TEARDOWN_PARENT(iommufd)
{
	EXPECT_TRUE(egm_bind_again());
}

/* The rig works with anonymous memory: tests below that expect an error mean the region. */
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

TEST_F(iommufd, file_is_mapped_for_dma)
{
	const uint64_t at = 3 * EGM_BLOCK;

	ASSERT_EQ(0, map_file(&self->rig, self->fd, at, 0, LEN));
	self->p = egm_map(self->fd, at, LEN);
	ASSERT_NE(MAP_FAILED, self->p);
	EXPECT_EQ(LEN, egm_first_nonzero(self->p, LEN));
	EXPECT_TRUE(edu_copied(self->rig.bar, self->p, EGM_BLOCK - EDU_DMA_LEN,
			       LEN - EDU_DMA_LEN));
	EXPECT_EQ(0, self->p[LEN - EDU_DMA_LEN - 1]);
	EXPECT_EQ(0, unmap(&self->rig, 0, LEN));
	munmap(self->p, LEN);
}

/* A device does not fault: all of the range is zero before the ioctl returns. */
TEST_F(iommufd, file_is_zeroed_before_it_is_mapped)
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
	ASSERT_TRUE(edu_copy(self->rig.bar, LEN - EDU_DMA_LEN, EDU_BUFFER, 0));
	ASSERT_TRUE(edu_copy(self->rig.bar, EDU_BUFFER, BESIDE, EDU_TO_RAM));
	EXPECT_EQ(EDU_DMA_LEN, egm_first_nonzero(to, EDU_DMA_LEN));
	munmap(to, EGM_BLOCK);
}

TEST_F(iommufd, file_outside_the_region_einval)
{
	const uint64_t size = egm_size(self->fd), page = sysconf(_SC_PAGESIZE);
	int other = egm_open();

	EXPECT_EQ(EINVAL, map_file(&self->rig, self->fd, size, 0, page));
	EXPECT_EQ(EINVAL, map_file(&self->rig, self->fd, size - page, 0, 2 * page));
	EXPECT_EQ(EINVAL, map_file(&self->rig, self->fd, 0, 0, 0));
	EXPECT_EQ(EINVAL, map_file(&self->rig, self->fd, -page, 0, page));
	EXPECT_EQ(EOVERFLOW, map_file(&self->rig, self->fd, -page, 0, 2 * page));
	EXPECT_EQ(EINVAL, map_file(&self->rig, self->fd, 1ULL << 63, 0, page));
	/* The file has not reserved a refused range. */
	EXPECT_EQ(0, egm_map_errno(other, 0, size, MAP_SHARED));
	close(other);
}

TEST_F(iommufd, file_of_another_owner_ebusy)
{
	int other = egm_open();

	EXPECT_EQ(0, egm_map_errno(other, LEN, EGM_BLOCK, MAP_SHARED));
	EXPECT_EQ(EBUSY, map_file(&self->rig, self->fd, EGM_BLOCK, 0, LEN));
	EXPECT_EQ(0, map_file(&self->rig, self->fd, 0, 0, LEN));
	EXPECT_EQ(EBUSY, egm_map_errno(other, 0, EGM_BLOCK, MAP_SHARED));
	EXPECT_EQ(EBUSY, map_file(&self->rig, other, LEN - EGM_BLOCK, BESIDE, EGM_BLOCK));
	close(other);
}

TEST_F(iommufd, file_not_open_for_the_access_eacces)
{
	int reader = open(egm_node(), O_RDONLY | O_CLOEXEC);
	int writer = open(egm_node(), O_WRONLY | O_CLOEXEC);

	EXPECT_EQ(EACCES, map_file(&self->rig, reader, 0, 0, EGM_BLOCK));
	EXPECT_EQ(EACCES, map_file(&self->rig, writer, 0, 0, EGM_BLOCK));
	EXPECT_EQ(0, ioas_map_file_flags(self->rig.iommufd, self->rig.ioas, reader, 0, 0,
					 EGM_BLOCK, IOAS_MAP_RO));
	close(reader);
	close(writer);
}

TEST_F(iommufd, read_only_mapping_is_read_only_for_the_device)
{
	char *q = map_beside(&self->rig, BESIDE);

	ASSERT_NE(MAP_FAILED, q);
	ASSERT_EQ(0, ioas_map_file_flags(self->rig.iommufd, self->rig.ioas, self->fd, 0, 0,
					 LEN, IOAS_MAP_RO));
	self->p = egm_map(self->fd, 0, LEN);
	ASSERT_NE(MAP_FAILED, self->p);
	edu_fill(self->p);
	/* It reads, and does not write. */
	ASSERT_TRUE(edu_copy(self->rig.bar, 0, EDU_BUFFER, 0));
	ASSERT_TRUE(edu_copy(self->rig.bar, EDU_BUFFER, BESIDE, EDU_TO_RAM));
	EXPECT_EQ(0, memcmp(self->p, q, EDU_DMA_LEN));
	ASSERT_TRUE(edu_copy(self->rig.bar, EDU_BUFFER, EGM_BLOCK, EDU_TO_RAM));
	EXPECT_EQ(LEN - EGM_BLOCK, egm_first_nonzero(self->p + EGM_BLOCK, LEN - EGM_BLOCK));
	munmap(self->p, LEN);
	munmap(q, EGM_BLOCK);
}

/*
 * A page that went bad under the file is refused. A page that was bad before the file reserved
 * its block is mapped.
 */
TEST_F(iommufd, page_bad_under_the_file_ehwpoison)
{
	struct fresh f;

	close(self->fd);
	ASSERT_TRUE(make_fresh(&f));
	ASSERT_EQ(0, egm_touch(f.p + 2 * EGM_BLOCK, 1));
	ASSERT_EQ(0, inject(2 * EGM_BLOCK));
	EXPECT_EQ(EHWPOISON, map_file(&self->rig, f.fd, 0, 0, f.len));
	EXPECT_EQ(EHWPOISON, ioas_map(self->rig.iommufd, self->rig.ioas, f.p, 0, f.len));
	EXPECT_EQ(0, map_file(&self->rig, f.fd, 0, 0, 2 * EGM_BLOCK));
	EXPECT_EQ(0, unmap(&self->rig, 0, 2 * EGM_BLOCK));
	munmap(f.p, f.len);
	close(f.fd);
	EXPECT_TRUE(forget_bad_pages());
}

/* Map by address, from the middle of a mapping that was never touched. */
static void addresses(struct __test_metadata *_metadata, struct rig *rig, char *p)
{
	ASSERT_EQ(0, ioas_map(rig->iommufd, rig->ioas, p + EGM_BLOCK, 0, LEN));
	EXPECT_TRUE(edu_copied(rig->bar, p + EGM_BLOCK, 0, LEN - EDU_DMA_LEN));
	EXPECT_EQ(0, unmap(rig, 0, LEN));
}

TEST_F(iommufd, addresses_are_mapped_for_dma)
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

TEST_F(iommufd, addresses_that_leave_the_mapping_efault)
{
	struct rig *rig = &self->rig;

	self->p = egm_map(self->fd, 0, LEN);
	ASSERT_NE(MAP_FAILED, self->p);
	munmap(self->p + LEN - EGM_BLOCK, EGM_BLOCK);
	EXPECT_EQ(EFAULT, ioas_map(rig->iommufd, rig->ioas, self->p, 0, LEN));
	EXPECT_EQ(EFAULT, ioas_map(rig->iommufd, rig->ioas, self->p + LEN - EGM_BLOCK, 0,
				   EGM_BLOCK));
	ASSERT_EQ(0, mprotect(self->p, EGM_BLOCK, PROT_READ));
	EXPECT_EQ(EFAULT, ioas_map(rig->iommufd, rig->ioas, self->p, 0, EGM_BLOCK));
	EXPECT_EQ(0, ioas_map_flags(rig->iommufd, rig->ioas, self->p, 0, EGM_BLOCK,
				    IOAS_MAP_RO));
	munmap(self->p, LEN);
}

/* A VMM written for type1 maps by address through /dev/iommu. */
TEST_F(iommufd, addresses_are_mapped_by_the_container_emulation)
{
	struct iommu_vfio_ioas vfio = {
		.size = sizeof(vfio), .ioas_id = self->rig.ioas, .op = IOMMU_VFIO_IOAS_SET,
	};
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map), .size = LEN,
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
	};

	ASSERT_EQ(0, ioctl(self->rig.iommufd, IOMMU_VFIO_IOAS, &vfio));
	self->p = egm_map(self->fd, 0, LEN);
	ASSERT_NE(MAP_FAILED, self->p);
	map.vaddr = (uintptr_t)self->p;
	ASSERT_EQ(0, ioctl(self->rig.iommufd, VFIO_IOMMU_MAP_DMA, &map));
	EXPECT_TRUE(edu_copied(self->rig.bar, self->p, 0, LEN - EDU_DMA_LEN));
	munmap(self->p, LEN);
}

/* munmap and close do not free the blocks. Unmapping them from the address space does. */
TEST_F(iommufd, file_is_held_until_it_is_unmapped)
{
	int other = egm_open();

	self->p = egm_map(self->fd, 0, LEN);
	ASSERT_NE(MAP_FAILED, self->p);
	ASSERT_EQ(0, map_file(&self->rig, self->fd, 0, 0, LEN));
	ASSERT_TRUE(edu_copied(self->rig.bar, self->p, 0, EGM_BLOCK));
	munmap(self->p, LEN);
	close(self->fd);
	EXPECT_EQ(EBUSY, egm_map_errno(other, 0, LEN, MAP_SHARED));
	ASSERT_TRUE(edu_copy(self->rig.bar, EDU_BUFFER, 2 * EGM_BLOCK, EDU_TO_RAM));
	EXPECT_EQ(EBUSY, egm_map_errno(other, 0, LEN, MAP_SHARED));
	EXPECT_EQ(0, unmap(&self->rig, 0, LEN));

	self->p = egm_map(other, 0, LEN);
	ASSERT_NE(MAP_FAILED, self->p);
	EXPECT_EQ(LEN, egm_first_nonzero(self->p, LEN));
	EXPECT_TRUE(edu_copy(self->rig.bar, EDU_BUFFER, EGM_BLOCK, EDU_TO_RAM));
	EXPECT_EQ(LEN, egm_first_nonzero(self->p, LEN));
	munmap(self->p, LEN);
	close(other);
}

/* A child holds the address space after this process has closed its files. */
TEST_F(iommufd, address_space_in_a_child_holds_the_file)
{
	int status, go[2], other = egm_open();
	pid_t keeper;
	char byte;

	ASSERT_EQ(0, pipe(go));
	ASSERT_EQ(0, map_file(&self->rig, self->fd, 0, 0, LEN));
	/* The child holds every descriptor but the one of the region. */
	keeper = fork();
	if (!keeper) {
		close(self->fd);
		close(other);
		close(go[1]);
		_exit(read(go[0], &byte, 1) != 1);
	}
	close(self->fd);
	rig_down(&self->rig);
	EXPECT_EQ(EBUSY, egm_map_errno(other, 0, LEN, MAP_SHARED));
	ASSERT_EQ(1, write(go[1], "", 1));
	ASSERT_EQ(keeper, waitpid(keeper, &status, 0));
	EXPECT_EQ(0, egm_map_errno(other, 0, LEN, MAP_SHARED));
	close(other);
}

/*
 * A VMM is killed while its device can do DMA. The kernel closes descriptors from the highest
 * down, so it matters which of device and region is the higher one.
 */
static void killed(struct __test_metadata *_metadata, struct rig *rig, int *fd, bool first)
{
	int ready[2], status;
	char byte, *p;
	pid_t vmm;

	close(*fd);
	rig_down(rig);
	ASSERT_EQ(0, pipe(ready));
	vmm = fork();
	if (!vmm) {
		*fd = first ? egm_open() : -1;
		if (!rig_up(rig))
			_exit(1);
		if (!first)
			*fd = egm_open();
		p = egm_map(*fd, 0, LEN);
		if (p == MAP_FAILED || map_file(rig, *fd, 0, 0, LEN) ||
		    !edu_copied(rig->bar, p, 0, EGM_BLOCK))
			_exit(2);
		if (write(ready[1], "", 1) != 1)
			_exit(3);
		pause();
	}
	close(ready[1]);
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	kill(vmm, SIGKILL);
	*fd = egm_open();
	EXPECT_EQ(0, egm_wait_free(*fd, LEN));
	p = egm_map(*fd, 0, LEN);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(LEN, egm_first_nonzero(p, LEN));
	munmap(p, LEN);
	ASSERT_EQ(vmm, waitpid(vmm, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	close(ready[0]);
}

TEST_F(iommufd, killed_vmm_with_lower_region_fd_frees_the_memory)
{
	killed(_metadata, &self->rig, &self->fd, true);
}

TEST_F(iommufd, killed_vmm_with_higher_region_fd_frees_the_memory)
{
	killed(_metadata, &self->rig, &self->fd, false);
}

/* A copy of the mapping in another address space holds the file too. */
TEST_F(iommufd, copy_of_a_mapping_holds_the_file)
{
	struct iommu_ioas_copy copy = {
		.size = sizeof(copy), .flags = IOAS_MAP_RW, .src_ioas_id = self->rig.ioas,
		.length = LEN,
	};
	int other = egm_open();

	ASSERT_EQ(0, map_file(&self->rig, self->fd, 0, 0, LEN));
	ASSERT_EQ(0, ioas_alloc(self->rig.iommufd, &copy.dst_ioas_id));
	ASSERT_EQ(0, ioctl(self->rig.iommufd, IOMMU_IOAS_COPY, &copy));
	close(self->fd);
	EXPECT_EQ(0, unmap(&self->rig, 0, LEN));
	EXPECT_EQ(EBUSY, egm_map_errno(other, 0, LEN, MAP_SHARED));
	/* Attach the device to the copy, where it does DMA. */
	ASSERT_EQ(0, vfio_cdev_attach(self->rig.edu, copy.dst_ioas_id));
	EXPECT_TRUE(edu_copy(self->rig.bar, EDU_BUFFER, EGM_BLOCK, EDU_TO_RAM));
	ASSERT_EQ(0, vfio_cdev_attach(self->rig.edu, self->rig.ioas));
	EXPECT_EQ(0, ioas_unmap(self->rig.iommufd, copy.dst_ioas_id, 0, LEN));
	EXPECT_EQ(0, egm_map_errno(other, 0, LEN, MAP_SHARED));
	close(other);
}

TEST_F(iommufd, unbind_revokes)
{
	char *q = map_beside(&self->rig, BESIDE);
	int other;

	ASSERT_NE(MAP_FAILED, q);
	self->p = egm_map(self->fd, 0, LEN);
	ASSERT_NE(MAP_FAILED, self->p);
	ASSERT_EQ(0, map_file(&self->rig, self->fd, 0, 0, LEN));
	ASSERT_EQ(0, ioas_map(self->rig.iommufd, self->rig.ioas, self->p, 6 * LEN, LEN));
	memset(self->p, 0x5a, EDU_DMA_LEN);
	ASSERT_EQ(1, device_reads(&self->rig, BESIDE, 0, q));
	ASSERT_EQ(1, device_reads(&self->rig, BESIDE, 6 * LEN, q));

	ASSERT_EQ(0, egm_adev_unbind());
	EXPECT_EQ(0, device_reads(&self->rig, BESIDE, 0, q));
	EXPECT_EQ(0, device_reads(&self->rig, BESIDE, 6 * LEN, q));
	EXPECT_EQ(ENODEV, map_file(&self->rig, self->fd, 0, 2 * LEN, LEN));
	EXPECT_EQ(ENODEV, ioas_map(self->rig.iommufd, self->rig.ioas, self->p, 2 * LEN, LEN));

	/* Detach and attach leave a revoked range revoked. Then each user drops its reference. */
	ASSERT_EQ(0, vfio_cdev_attach(self->rig.edu, self->rig.ioas));
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
TEST_F(iommufd, revoked_range_is_freed_with_the_address_space)
{
	ASSERT_EQ(0, map_file(&self->rig, self->fd, 0, 0, LEN));
	close(self->fd);
	ASSERT_EQ(0, egm_adev_unbind());
	EXPECT_TRUE(egm_claimed(NULL));
	rig_down(&self->rig);
	EXPECT_FALSE(egm_claimed(NULL));
}

/*
 * Device attributes of stage 2 would override the guest's attributes. No emulated device depends
 * on them, so the test records the arguments of iommu_map(): cacheable memory, not MMIO, in the
 * largest pages that the addresses allow.
 */
TEST_F(iommufd, mapping_is_cacheable_memory)
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
	EXPECT_EQ(0, ioas_map(self->rig.iommufd, self->rig.ioas, self->p, LEN, LEN));
	count = kprobe_stop("prot", &prot);
	EXPECT_EQ(1, count);
	EXPECT_EQ(7, prot & 0x1f);
	munmap(self->p, LEN);
}

TEST_HARNESS_MAIN
