// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA to mappings of a region, in each IOMMU mode of the library one folder up. A device reads
 * and writes the memory of its owner. It reaches the memory of no other owner after the process
 * exited or the region was revoked. A GPU is in the same container.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <sys/wait.h>

#include "egm_harness.h"
#include "egm_rig.h"
#include "egm_touch.h"

#define LEN		(32 * EGM_BLOCK)
#define TO		(3 * EGM_BLOCK)

struct setup {
	struct rig rig;
	struct vfio_pci_device *gpu;
	struct dma_region region;
	int fd;
	char *p;
};

/* All of the region under test that is mapped for DMA is at IOVA 0. */
static void set_up(struct __test_metadata *_metadata, struct setup *s, const char *iommu_mode)
{
	static char gpus[EGM_MAX_GPUS][32];

	ASSERT_TRUE(egm_bind_again());
	ASSERT_LE(1, egm_gpus(gpus));
	rig_up(&s->rig, iommu_mode);
	s->gpu = vfio_pci_device_init(gpus[0], s->rig.iommu);
	s->fd = egm_open();
	ASSERT_LE(0, s->fd);
	s->p = egm_map(s->fd, 0, LEN);
	ASSERT_NE(MAP_FAILED, s->p);
	s->region.vaddr = s->p;
	s->region.size = LEN;
}

static void iommu_down(struct setup *s)
{
	vfio_pci_device_cleanup(s->gpu);
	rig_down(&s->rig);
}

/* Fill the device's buffer from the region with bytes other than zero. */
static void fill_device(struct __test_metadata *_metadata, struct setup *s)
{
	memset(s->p, 0x5a, EDU_DMA_LEN);
	ASSERT_TRUE(edu_dma_read(s->rig.bar, 0, EDU_DMA_LEN));
	memset(s->p, 0, EDU_DMA_LEN);
}

static bool device_writes(struct setup *s)
{
	return edu_dma_write(s->rig.bar, TO, EDU_DMA_LEN);
}

static void expect_first_nonzero(struct __test_metadata *_metadata, int fd, size_t at)
{
	char *p = egm_map(fd, 0, LEN);

	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(at, egm_first_nonzero(p, LEN));
	munmap(p, LEN);
}

FIXTURE(dma) {
	struct setup s;
};

FIXTURE_VARIANT(dma) {
	const char *iommu_mode;
};

FIXTURE_VARIANT_ADD(dma, vfio_type1_iommu) { MODE_VFIO_TYPE1_IOMMU };
FIXTURE_VARIANT_ADD(dma, vfio_type1v2_iommu) { MODE_VFIO_TYPE1V2_IOMMU };
FIXTURE_VARIANT_ADD(dma, iommufd_compat_type1) { MODE_IOMMUFD_COMPAT_TYPE1 };
FIXTURE_VARIANT_ADD(dma, iommufd_compat_type1v2) { MODE_IOMMUFD_COMPAT_TYPE1V2 };
FIXTURE_VARIANT_ADD(dma, iommufd) { MODE_IOMMUFD };

FIXTURE_SETUP(dma)
{
	if (rig_missing(variant->iommu_mode))
		SKIP(return, "%s", rig_missing(variant->iommu_mode));
	set_up(_metadata, &self->s, variant->iommu_mode);
}

/* The kernel has unmapped and closed all of the test, however the test ended. */
FIXTURE_TEARDOWN_PARENT(dma)
{
	EXPECT_TRUE(egm_bind_again());
}

/* From one place of the region to another, through the device. */
static void copy_by_device(struct __test_metadata *_metadata, struct setup *s)
{
	const size_t from = EGM_BLOCK - EDU_DMA_LEN, to = LEN - EDU_DMA_LEN;
	char *p = s->region.vaddr;

	/* Nothing of it was touched: the IOMMU driver faults it in. */
	iommu_map(s->rig.iommu, &s->region);
	EXPECT_EQ(LEN, egm_first_nonzero(p, LEN));
	ASSERT_TRUE(edu_copied(&s->rig, p, from, to));
	EXPECT_EQ(0, p[to - 1]);
	iommu_unmap(s->rig.iommu, &s->region);
}

TEST_F(dma, device_copies_in_on_demand_mapping)
{
	copy_by_device(_metadata, &self->s);
}

TEST_F(dma, device_copies_in_populated_mapping)
{
	struct setup *s = &self->s;

	s->region.vaddr = egm_map_populated(s->fd, 0, LEN);
	ASSERT_NE(MAP_FAILED, s->region.vaddr);
	copy_by_device(_metadata, s);
}

/* The DMA mapping outlives munmap(): the file still owns the memory that the device writes. */
TEST_F(dma, write_after_munmap_reaches_owner)
{
	struct setup *s = &self->s;
	int other = egm_open();

	iommu_map(s->rig.iommu, &s->region);
	fill_device(_metadata, s);
	munmap(s->p, LEN);
	ASSERT_TRUE(device_writes(s));
	EXPECT_EQ(EBUSY, egm_map_errno(other, TO, EGM_BLOCK, MAP_SHARED));
	iommu_unmap(s->rig.iommu, &s->region);
	expect_first_nonzero(_metadata, s->fd, TO);
}

/* The DMA mapping holds the file: no other file gets the memory before the unmap. */
TEST_F(dma, write_after_close_reaches_no_other_owner)
{
	struct setup *s = &self->s;
	int other = egm_open();

	if (!egm_core_has("type1"))
		SKIP(return, EGM_CORE_LACKS "VFIO type1");
	iommu_map(s->rig.iommu, &s->region);
	fill_device(_metadata, s);
	munmap(s->p, LEN);
	close(s->fd);
	EXPECT_EQ(EBUSY, egm_map_errno(other, TO, EGM_BLOCK, MAP_SHARED));
	ASSERT_TRUE(device_writes(s));
	iommu_unmap(s->rig.iommu, &s->region);
	expect_first_nonzero(_metadata, other, LEN);
	EXPECT_TRUE(device_writes(s));
	expect_first_nonzero(_metadata, other, LEN);
}

TEST_F(dma, map_of_a_hole_efault_holds_no_file)
{
	struct setup *s = &self->s;
	int other = egm_open();

	munmap(s->p + LEN / 2, EGM_BLOCK);
	EXPECT_EQ(-EFAULT, __iommu_map(s->rig.iommu, &s->region));
	munmap(s->p, LEN);
	close(s->fd);
	EXPECT_EQ(0, egm_map_errno(other, 0, LEN, MAP_SHARED));
}

/*
 * A VMM is killed while its device can do DMA. The kernel closes descriptors from the highest
 * down, so it matters which of device and region is the higher one.
 */
static void kill_vmm(struct __test_metadata *_metadata, struct setup *s, bool region_first)
{
	const char *iommu_mode = s->rig.iommu->mode->name;
	int ready[2], status;
	pid_t vmm;
	char byte;

	munmap(s->p, LEN);
	close(s->fd);
	iommu_down(s);
	ASSERT_EQ(0, pipe(ready));
	vmm = fork();
	if (!vmm) {
		s->fd = region_first ? egm_open() : -1;
		rig_up(&s->rig, iommu_mode);
		if (!region_first)
			s->fd = egm_open();
		s->p = egm_map(s->fd, 0, LEN);
		s->region.vaddr = s->p;
		if (s->p == MAP_FAILED || __iommu_map(s->rig.iommu, &s->region) ||
		    !edu_copied(&s->rig, s->p, 0, TO))
			_exit(2);
		if (write(ready[1], "", 1) != 1)
			_exit(3);
		pause();
	}
	close(ready[1]);
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	kill(vmm, SIGKILL);
	s->fd = egm_open();
	EXPECT_EQ(0, egm_wait_free(s->fd, LEN));
	expect_first_nonzero(_metadata, s->fd, LEN);
	ASSERT_EQ(vmm, waitpid(vmm, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
}

TEST_F(dma, killed_vmm_with_region_below_device_leaves_zeroes)
{
	kill_vmm(_metadata, &self->s, true);
}

TEST_F(dma, killed_vmm_with_region_above_device_leaves_zeroes)
{
	kill_vmm(_metadata, &self->s, false);
}

/* Another process keeps the container, or /dev/iommu, open after the VMM exits. */
TEST_F(dma, descriptors_in_another_process_hold_the_file)
{
	int status, go[2], other = egm_open();
	struct setup *s = &self->s;
	pid_t keeper;
	char byte;

	if (!egm_core_has("type1"))
		SKIP(return, EGM_CORE_LACKS "VFIO type1");
	ASSERT_EQ(0, pipe(go));
	iommu_map(s->rig.iommu, &s->region);
	keeper = fork();
	if (!keeper) {
		munmap(s->p, LEN);
		close(s->fd);
		close(other);
		close(go[1]);
		_exit(read(go[0], &byte, 1) != 1);
	}
	munmap(s->p, LEN);
	close(s->fd);
	iommu_down(s);
	EXPECT_EQ(EBUSY, egm_map_errno(other, 0, LEN, MAP_SHARED));
	ASSERT_EQ(1, write(go[1], "", 1));
	ASSERT_EQ(keeper, waitpid(keeper, &status, 0));
	EXPECT_EQ(0, egm_wait_free(other, LEN));
}

/* Type1 keeps a mapping of a revoked region, and iommufd does not. */
FIXTURE(type1) {
	struct setup s;
};

FIXTURE_SETUP(type1)
{
	if (rig_missing(MODE_VFIO_TYPE1V2_IOMMU))
		SKIP(return, "%s", rig_missing(MODE_VFIO_TYPE1V2_IOMMU));
	set_up(_metadata, &self->s, MODE_VFIO_TYPE1V2_IOMMU);
}

FIXTURE_TEARDOWN_PARENT(type1)
{
	EXPECT_TRUE(egm_bind_again());
}

/* Several files in one DMA mapping, and one that is mapped over: each is held. */
TEST_F(type1, map_of_two_files_holds_both)
{
	int second = egm_open(), third = egm_open(), other = egm_open();
	struct setup *s = &self->s;
	const size_t half = LEN / 2;

	if (!egm_core_has("type1"))
		SKIP(return, EGM_CORE_LACKS "VFIO type1");
	/* The second file in the place of the first one's upper half. */
	ASSERT_NE(MAP_FAILED, mmap(s->p + half, half, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_FIXED, second, LEN));
	iommu_map(s->rig.iommu, &s->region);
	/* A third one over both: DMA does not follow. */
	ASSERT_NE(MAP_FAILED, mmap(s->p, LEN, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_FIXED, third, 2 * LEN));
	munmap(s->p, LEN);
	close(s->fd);
	close(second);
	close(third);
	EXPECT_EQ(EBUSY, egm_map_errno(other, 0, half, MAP_SHARED));
	EXPECT_EQ(EBUSY, egm_map_errno(other, LEN, half, MAP_SHARED));
	EXPECT_EQ(0, egm_map_errno(other, 2 * LEN, LEN, MAP_SHARED));
	iommu_unmap(s->rig.iommu, &s->region);
	EXPECT_EQ(0, egm_map_errno(other, 0, 2 * LEN, MAP_SHARED));
}

/*
 * A VMM maps its devices' BARs into its own container. If that held the file of the device,
 * neither would ever be released, and no driver could have the device.
 */
TEST_F(type1, device_with_mapped_bar_unbinds)
{
	struct setup *s = &self->s;
	char path[PATH_MAX];
	const char *pci = s->rig.edu->bdf;

	s->region.vaddr = s->rig.bar;
	s->region.size = sysconf(_SC_PAGESIZE);
	iommu_map(s->rig.iommu, &s->region);
	iommu_down(s);
	/* Waits for the last user, and would wait for ever. */
	ASSERT_EQ(0, egm_write("/sys/bus/pci/drivers/vfio-pci/unbind", pci));
	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/vfio-pci/%s", pci);
	EXPECT_FALSE(egm_exists(path));
	EXPECT_TRUE(edu_bind(pci));
}

/* Only the device reaches the memory until the file is closed. */
TEST_F(type1, write_after_unbind_reaches_owner)
{
	/* Below the window at 128 MiB for interrupts. */
	struct dma_region beside = { .iova = LEN, .size = EGM_BLOCK };
	struct setup *s = &self->s;

	beside.vaddr = mmap(NULL, EGM_BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			    -1, 0);
	ASSERT_NE(MAP_FAILED, beside.vaddr);
	iommu_map(s->rig.iommu, &s->region);
	iommu_map(s->rig.iommu, &beside);
	fill_device(_metadata, s);
	ASSERT_EQ(0, egm_adev_unbind());

	EXPECT_EQ(BUS_ADRERR, egm_touch(s->p, 1));
	ASSERT_TRUE(device_writes(s));
	EXPECT_EQ(1, device_reads(&s->rig, beside.iova, TO, beside.vaddr));
	EXPECT_EQ(EBUSY, egm_adev_bind());

	iommu_unmap(s->rig.iommu, &s->region);
	munmap(s->p, LEN);
	close(s->fd);
	ASSERT_EQ(0, egm_adev_bind());
	s->fd = egm_open();
	expect_first_nonzero(_metadata, s->fd, LEN);
}

/* Pages of page tables of all IOMMUs, with what CPUs have counted for themselves. */
static long iommu_pages(void)
{
	egm_write("/proc/sys/vm/stat_refresh", "1");
	return egm_field("/proc/vmstat", "nr_iommu_pages ");
}

/* How many mapping @p at @iova takes. */
static long iommu_tables(struct iommu *iommu, void *p, uint64_t iova, uint64_t len)
{
	struct dma_region region = { .vaddr = p, .iova = iova, .size = len };
	long before = iommu_pages(), after;

	iommu_map(iommu, &region);
	after = iommu_pages();
	iommu_unmap(iommu, &region);
	return after - before;
}

/* However it is mapped for the CPU, it is contiguous: the IOMMU has an entry a block. */
TEST_F(type1, map_takes_block_entries_of_the_iommu)
{
	const size_t page = sysconf(_SC_PAGESIZE), block = egm_pmd_size();
	const size_t len = block > LEN ? block : LEN;
	struct iommu *iommu = self->s.rig.iommu;
	char *p = egm_map(self->s.fd, 0, len);
	char *q = egm_map_populated(self->s.fd, 0, len);
	const uint64_t iova = 1UL << 30;

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_NE(MAP_FAILED, q);
	/* The first one also pays for the levels above. */
	EXPECT_GT(4, iommu_tables(iommu, p, iova, len));
	EXPECT_EQ(0, iommu_tables(iommu, p, iova, len));
	EXPECT_EQ(0, iommu_tables(iommu, q, iova, len));
	/* One page off there is room for pages only. */
	EXPECT_LE((long)(len / block), iommu_tables(iommu, p, iova + page, len));
}

TEST_HARNESS_MAIN
