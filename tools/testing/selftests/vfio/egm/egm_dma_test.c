// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO type1 on a region, with a GPU and a device that does DMA in one container. The device
 * reads and writes memory of the region. Its DMA stays in memory of the file that was mapped,
 * also after munmap, close, the death of the VMM, and unbind.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <sys/wait.h>

#include "egm_edu.h"
#include "egm_harness.h"
#include "egm_touch.h"
#include "egm_type1.h"

#define LEN		(32 * EGM_BLOCK)
#define TO		(3 * EGM_BLOCK)

enum { EDU, GPU };

FIXTURE(dma) {
	int container;
	int group[2];
	int device[2];
	int fd;
	char *p;
	uint32_t *bar;
	char pci[2][32];
};

FIXTURE_SETUP(dma)
{
	char gpus[EGM_MAX_GPUS][32];
	int i;

	if (!edu_find(self->pci[EDU], sizeof(self->pci[EDU])))
		SKIP(return, "no edu device");
	ASSERT_TRUE(edu_bind(self->pci[EDU]));
	ASSERT_TRUE(egm_bind_again());
	ASSERT_LE(1, egm_gpus(gpus));
	strcpy(self->pci[GPU], gpus[0]);

	self->container = open("/dev/vfio/vfio", O_RDWR);
	ASSERT_LE(0, self->container);
	for (i = 0; i < 2; i++) {
		self->group[i] = open_group(self->pci[i]);
		ASSERT_LE(0, self->group[i]);
		ASSERT_EQ(0, ioctl(self->group[i], VFIO_GROUP_SET_CONTAINER,
				   &self->container));
	}
	ASSERT_EQ(0, ioctl(self->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	for (i = 0; i < 2; i++) {
		self->device[i] = ioctl(self->group[i], VFIO_GROUP_GET_DEVICE_FD,
					self->pci[i]);
		ASSERT_LE(0, self->device[i]);
	}
	self->bar = edu_enable(self->device[EDU]);
	ASSERT_NE(MAP_FAILED, self->bar);
	self->fd = egm_open();
	ASSERT_LE(0, self->fd);
}

/* The kernel has unmapped the mappings of the test's process and closed its files. */
FIXTURE_TEARDOWN_PARENT(dma)
{
	EXPECT_TRUE(egm_bind_again());
}

/* From one place of the region to another, through the device. */
static void copy_by_device(struct __test_metadata *_metadata, uint32_t *bar,
			   int container, char *p)
{
	const size_t from = EGM_BLOCK - EDU_DMA_LEN, to = LEN - EDU_DMA_LEN;

	/* Nothing of it was touched: type1 faults it in. */
	ASSERT_EQ(0, map_dma(container, p, 0, LEN));
	EXPECT_EQ(LEN, egm_first_nonzero(p, LEN));
	ASSERT_TRUE(edu_copied(bar, p, from, to));
	EXPECT_EQ(0, p[to - 1]);
	EXPECT_EQ(0, unmap_dma(container, 0, LEN));
}

TEST_F(dma, untouched_mapping_is_mapped_for_dma)
{
	self->p = egm_map(self->fd, 0, LEN);
	ASSERT_NE(MAP_FAILED, self->p);
	copy_by_device(_metadata, self->bar, self->container, self->p);
	munmap(self->p, LEN);
}

TEST_F(dma, populated_mapping_is_mapped_for_dma)
{
	self->p = egm_map_populated(self->fd, 0, LEN);
	ASSERT_NE(MAP_FAILED, self->p);
	copy_by_device(_metadata, self->bar, self->container, self->p);
	munmap(self->p, LEN);
}

/* Fill the device's buffer with 0x5a through @p, which is mapped at IOVA 0. Zero @p again. */
static void fill_device(struct __test_metadata *_metadata, uint32_t *bar, char *p)
{
	memset(p, 0x5a, EDU_DMA_LEN);
	ASSERT_TRUE(edu_copy(bar, 0, EDU_BUFFER, 0));
	memset(p, 0, EDU_DMA_LEN);
}

/* type1's mapping outlives munmap: DMA still writes to memory that the file owns. */
TEST_F(dma, dma_after_munmap_stays_in_the_owners_memory)
{
	int other = egm_open();

	self->p = egm_map(self->fd, 0, LEN);
	ASSERT_NE(MAP_FAILED, self->p);
	ASSERT_EQ(0, map_dma(self->container, self->p, 0, LEN));
	fill_device(_metadata, self->bar, self->p);
	munmap(self->p, LEN);
	ASSERT_TRUE(edu_copy(self->bar, EDU_BUFFER, TO, EDU_TO_RAM));
	EXPECT_EQ(EBUSY, egm_map_errno(other, TO, EGM_BLOCK, MAP_SHARED));
	EXPECT_EQ(0, unmap_dma(self->container, 0, LEN));
	close(other);

	self->p = egm_map(self->fd, 0, LEN);
	ASSERT_NE(MAP_FAILED, self->p);
	EXPECT_EQ(TO, egm_first_nonzero(self->p, LEN));
	munmap(self->p, LEN);
}

/* The container holds the file: its blocks stay reserved until the container unmaps them. */
TEST_F(dma, dma_after_close_stays_in_the_owners_memory)
{
	self->p = egm_map(self->fd, 0, LEN);
	ASSERT_NE(MAP_FAILED, self->p);
	ASSERT_EQ(0, map_dma(self->container, self->p, 0, LEN));
	fill_device(_metadata, self->bar, self->p);
	munmap(self->p, LEN);
	close(self->fd);

	self->fd = egm_open();
	EXPECT_EQ(EBUSY, egm_map_errno(self->fd, TO, EGM_BLOCK, MAP_SHARED));
	ASSERT_TRUE(edu_copy(self->bar, EDU_BUFFER, TO, EDU_TO_RAM));
	EXPECT_EQ(0, unmap_dma(self->container, 0, LEN));
	self->p = egm_map(self->fd, 0, LEN);
	ASSERT_NE(MAP_FAILED, self->p);
	EXPECT_EQ(LEN, egm_first_nonzero(self->p, LEN));
	EXPECT_TRUE(edu_copy(self->bar, EDU_BUFFER, TO, EDU_TO_RAM));
	EXPECT_EQ(LEN, egm_first_nonzero(self->p, LEN));
	munmap(self->p, LEN);
}

/* Several files in one DMA mapping, and one that is mapped over: each is held. */
TEST_F(dma, each_file_of_a_mapping_is_held)
{
	int second = egm_open(), third = egm_open(), other = egm_open();
	const size_t half = LEN / 2;

	self->p = egm_map(self->fd, 0, LEN);
	ASSERT_NE(MAP_FAILED, self->p);
	/* The second file in the place of the first one's upper half. */
	ASSERT_NE(MAP_FAILED, mmap(self->p + half, half, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_FIXED, second, LEN));
	ASSERT_EQ(0, map_dma(self->container, self->p, 0, LEN));
	/* A third one over both: DMA does not follow. */
	ASSERT_NE(MAP_FAILED, mmap(self->p, LEN, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_FIXED, third, 2 * LEN));
	munmap(self->p, LEN);
	close(self->fd);
	close(second);
	close(third);
	EXPECT_EQ(EBUSY, egm_map_errno(other, 0, half, MAP_SHARED));
	EXPECT_EQ(EBUSY, egm_map_errno(other, LEN, half, MAP_SHARED));
	EXPECT_EQ(0, egm_map_errno(other, 2 * LEN, LEN, MAP_SHARED));
	EXPECT_EQ(0, unmap_dma(self->container, 0, LEN));
	EXPECT_EQ(0, egm_map_errno(other, 0, 2 * LEN, MAP_SHARED));
	close(other);
	self->fd = egm_open();
}

/* A DMA mapping that fails half-way holds nothing. */
TEST_F(dma, failed_mapping_holds_nothing)
{
	int other = egm_open();

	self->p = egm_map(self->fd, 0, LEN);
	ASSERT_NE(MAP_FAILED, self->p);
	munmap(self->p + LEN / 2, EGM_BLOCK);
	EXPECT_EQ(EFAULT, map_dma(self->container, self->p, 0, LEN));
	munmap(self->p, LEN);
	close(self->fd);
	EXPECT_EQ(0, egm_map_errno(other, 0, LEN, MAP_SHARED));
	close(other);
	self->fd = egm_open();
}

static void container_down(struct _test_data_dma *self)
{
	munmap(self->bar, EDU_BAR_LEN);
	close(self->device[EDU]);
	close(self->device[GPU]);
	close(self->group[EDU]);
	close(self->group[GPU]);
	close(self->container);
}

/*
 * A VMM maps its devices' BARs into its own container. If that held the file of the device,
 * neither would ever be released, and no driver could have the device.
 */
TEST_F(dma, mapped_bar_does_not_keep_its_device)
{
	char path[PATH_MAX];

	ASSERT_EQ(0, map_dma(self->container, self->bar, 0, sysconf(_SC_PAGESIZE)));
	container_down(self);
	/* Waits for the last user, and would wait for ever. */
	ASSERT_EQ(0, egm_write("/sys/bus/pci/drivers/vfio-pci/unbind", self->pci[EDU]));
	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/vfio-pci/%s", self->pci[EDU]);
	EXPECT_FALSE(egm_exists(path));
	EXPECT_TRUE(edu_bind(self->pci[EDU]));
}

/* A container with the edu device; false if that fails. */
static bool container_up(struct _test_data_dma *self)
{
	struct type1 one;

	if (!type1_up(&one, self->pci[EDU]))
		return false;
	self->container = one.container;
	self->group[EDU] = one.group;
	self->device[EDU] = one.device;
	self->bar = edu_enable(self->device[EDU]);
	return self->bar != MAP_FAILED;
}

/*
 * A VMM is killed while its device can do DMA. The kernel closes descriptors from the highest
 * down, so it matters which of device and region is the higher one.
 */
static void killed(struct __test_metadata *_metadata, struct _test_data_dma *self, bool first)
{
	int ready[2], status;
	pid_t vmm;
	char byte;

	close(self->fd);
	container_down(self);
	ASSERT_EQ(0, pipe(ready));
	vmm = fork();
	if (!vmm) {
		self->fd = first ? egm_open() : -1;
		if (!container_up(self))
			_exit(1);
		if (!first)
			self->fd = egm_open();
		self->p = egm_map(self->fd, 0, LEN);
		if (self->p == MAP_FAILED || map_dma(self->container, self->p, 0, LEN) ||
		    !edu_copied(self->bar, self->p, 0, TO))
			_exit(2);
		if (write(ready[1], "", 1) != 1)
			_exit(3);
		pause();
	}
	close(ready[1]);
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	kill(vmm, SIGKILL);
	self->fd = egm_open();
	EXPECT_EQ(0, egm_wait_free(self->fd, LEN));
	self->p = egm_map(self->fd, 0, LEN);
	ASSERT_NE(MAP_FAILED, self->p);
	EXPECT_EQ(LEN, egm_first_nonzero(self->p, LEN));
	munmap(self->p, LEN);
	ASSERT_EQ(vmm, waitpid(vmm, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	close(ready[0]);
}

TEST_F(dma, killed_vmm_with_lower_region_fd_frees_the_memory)
{
	killed(_metadata, self, true);
}

TEST_F(dma, killed_vmm_with_higher_region_fd_frees_the_memory)
{
	killed(_metadata, self, false);
}

/* A child holds the container after the VMM has exited. */
TEST_F(dma, container_in_a_child_holds_the_file)
{
	int status, go[2], other = egm_open();
	pid_t keeper;
	char byte;

	ASSERT_EQ(0, pipe(go));
	self->p = egm_map(self->fd, 0, LEN);
	ASSERT_NE(MAP_FAILED, self->p);
	ASSERT_EQ(0, map_dma(self->container, self->p, 0, LEN));
	keeper = fork();
	if (!keeper) {
		munmap(self->p, LEN);
		close(self->fd);
		close(other);
		close(go[1]);
		_exit(read(go[0], &byte, 1) != 1);
	}
	munmap(self->p, LEN);
	close(self->fd);
	container_down(self);
	EXPECT_EQ(EBUSY, egm_map_errno(other, 0, LEN, MAP_SHARED));
	ASSERT_EQ(1, write(go[1], "", 1));
	ASSERT_EQ(keeper, waitpid(keeper, &status, 0));
	EXPECT_EQ(0, egm_map_errno(other, 0, LEN, MAP_SHARED));
	close(other);
}

/* After unbind only the device reaches the memory, until the file is released. */
TEST_F(dma, dma_after_unbind_stays_in_the_owners_memory)
{
	/* Below the window at 128 MiB for interrupts. */
	const uint64_t iova = LEN;
	char *q = mmap(NULL, EGM_BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);

	ASSERT_NE(MAP_FAILED, q);
	self->p = egm_map(self->fd, 0, LEN);
	ASSERT_NE(MAP_FAILED, self->p);
	ASSERT_EQ(0, map_dma(self->container, self->p, 0, LEN));
	ASSERT_EQ(0, map_dma(self->container, q, iova, EGM_BLOCK));
	fill_device(_metadata, self->bar, self->p);
	ASSERT_EQ(0, egm_adev_unbind());

	EXPECT_EQ(BUS_ADRERR, egm_touch(self->p, 1));
	ASSERT_TRUE(edu_copy(self->bar, EDU_BUFFER, TO, EDU_TO_RAM));
	/* Overwrite the device's buffer with zeroes: 0x5a must then come from the region. */
	ASSERT_TRUE(edu_copy(self->bar, iova, EDU_BUFFER, 0));
	ASSERT_TRUE(edu_copy(self->bar, TO, EDU_BUFFER, 0));
	ASSERT_TRUE(edu_copy(self->bar, EDU_BUFFER, iova, EDU_TO_RAM));
	EXPECT_EQ(0x5a, q[0]);
	EXPECT_EQ(0x5a, q[EDU_DMA_LEN - 1]);
	EXPECT_EQ(EBUSY, egm_adev_bind());

	EXPECT_EQ(0, unmap_dma(self->container, 0, LEN));
	munmap(self->p, LEN);
	munmap(q, EGM_BLOCK);
	close(self->fd);
	ASSERT_EQ(0, egm_adev_bind());
	self->fd = egm_open();
	self->p = egm_map(self->fd, 0, LEN);
	ASSERT_NE(MAP_FAILED, self->p);
	EXPECT_EQ(LEN, egm_first_nonzero(self->p, LEN));
	munmap(self->p, LEN);
}

/* Pages of page tables of all IOMMUs, with what CPUs have counted for themselves. */
static long iommu_pages(void)
{
	egm_write("/proc/sys/vm/stat_refresh", "1");
	return egm_field("/proc/vmstat", "nr_iommu_pages ");
}

/* How many mapping @p at @iova takes. */
static long iommu_tables(struct __test_metadata *_metadata, int container, void *p,
			 uint64_t iova, uint64_t len)
{
	long before = iommu_pages(), after;

	EXPECT_EQ(0, map_dma(container, p, iova, len));
	after = iommu_pages();
	EXPECT_EQ(0, unmap_dma(container, iova, len));
	return after - before;
}

/* However it is mapped for the CPU, it is contiguous: the IOMMU has an entry a block. */
TEST_F(dma, large_mappings_are_blocks_of_the_iommu)
{
	const size_t page = sysconf(_SC_PAGESIZE), block = egm_pmd_size();
	const size_t len = block > LEN ? block : LEN;
	const uint64_t iova = 1UL << 30;
	char *q = egm_map_populated(self->fd, 0, len);
	long tables;

	self->p = egm_map(self->fd, 0, len);
	ASSERT_NE(MAP_FAILED, self->p);
	ASSERT_NE(MAP_FAILED, q);
	/* The first one also pays for the levels above. */
	tables = iommu_tables(_metadata, self->container, self->p, iova, len);
	EXPECT_GT(4, tables);
	EXPECT_EQ(0, iommu_tables(_metadata, self->container, self->p, iova, len));
	EXPECT_EQ(0, iommu_tables(_metadata, self->container, q, iova, len));
	/* One page off there is room for pages only. */
	tables = iommu_tables(_metadata, self->container, self->p, iova + page, len);
	EXPECT_LE((long)(len / block), tables);
	munmap(self->p, len);
	munmap(q, len);
}

TEST_HARNESS_MAIN
