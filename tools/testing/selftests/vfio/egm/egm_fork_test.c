// SPDX-License-Identifier: GPL-2.0-only
/*
 * fork() copies a huge entry while another process zaps it: the child must not have the entry.
 * egm_hold.ko delays fork between its check of the entry and the page table locks, until the
 * entry is zapped.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <libvfio.h>

#include "egm_hold.h"
#include "egm_iommufd.h"
#include "egm_retired.h"

FIXTURE(fork) {
	int unused;
};

FIXTURE_SETUP(fork)
{
	if (!hold_available())
		SKIP(return, "no " HOLD_MODULE);
	ASSERT_TRUE(forget_bad_pages());
}

FIXTURE_TEARDOWN_PARENT(fork)
{
	hold_end();
	EXPECT_TRUE(forget_bad_pages());
}

/* The signal's code that a load of @p raises in a child, made while its entry is taken away. */
static int touch_in_child(struct __test_metadata *_metadata, int (*zap)(void *arg), void *arg,
			  char *p)
{
	pid_t zapper = hold_start_zapper(zap, arg, false), child;
	int status;

	ASSERT_LE(0, zapper);
	ASSERT_TRUE(hold_start("copy_huge_pmd", p));
	child = fork();
	ASSERT_LE(0, child);
	if (!child)
		_exit(egm_touch(p, 0));
	ASSERT_EQ(zapper, waitpid(zapper, &status, 0));
	EXPECT_EQ(0, status);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* mm reports the page for this process alone: a signal would make fork start again. */
static int poison(void *arg)
{
	int i, ret;

	prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0);
	ret = inject(*(uint64_t *)arg);
	for (i = 0; i < 60000 && hold_entry_is_mapped(); i++)
		usleep(1000);
	return ret || !egm_bus_code || hold_entry_is_mapped();
}

TEST_F(fork, entry_zapped_for_a_bad_page_is_not_copied)
{
	size_t pmd = egm_pmd_size();
	uint64_t offset = pmd / 2;
	int fd = egm_open();
	char *p;

	if (!egm_core_has("kvm-poison"))
		SKIP(return, EGM_CORE_LACKS "fork");
	ASSERT_LE(0, fd);
	p = egm_map(fd, 0, pmd);
	ASSERT_NE(MAP_FAILED, p);
	p[offset] = 1;
	EXPECT_EQ(BUS_MCEERR_AR, touch_in_child(_metadata, poison, &offset, p + offset));
	/* Its good pages come back. */
	EXPECT_EQ(0, egm_touch(p, 0));
}

static int disable_memory(void *arg)
{
	vfio_pci_cmd_clear(arg, PCI_COMMAND_MEMORY);
	return 0;
}

/*
 * vfio-pci zaps BARs whenever a device must not be accessed. vfio_pci_device_init() would map
 * all BARs whole, which nvgrace-gpu refuses for memory that is no power of two.
 */
TEST_F(fork, bar_zapped_by_vfio_is_not_copied)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = 0 };
	struct vfio_pci_device *device;
	struct iommu *iommu;
	char gpus[EGM_MAX_GPUS][32];
	size_t pmd = egm_pmd_size();
	char *p;

	if (iommufd_missing())
		SKIP(return, "%s", iommufd_missing());
	if (!egm_core_has("kvm-poison"))
		SKIP(return, EGM_CORE_LACKS "fork");
	iommu = iommu_init(MODE_IOMMUFD);
	ASSERT_LE(1, egm_gpus(gpus));
	device = vfio_pci_device_alloc(gpus[0], iommu);
	vfio_pci_cdev_open(device, gpus[0]);
	ASSERT_EQ(0, __vfio_device_bind_iommufd(device->fd, iommu->iommufd, NULL));
	ASSERT_EQ(0, ioctl(device->fd, VFIO_DEVICE_GET_REGION_INFO, &info));
	if (info.size < pmd)
		SKIP(return, "no BAR as large as a huge entry");
	device->config_space.argsz = sizeof(device->config_space);
	device->config_space.index = VFIO_PCI_CONFIG_REGION_INDEX;
	ASSERT_EQ(0, ioctl(device->fd, VFIO_DEVICE_GET_REGION_INFO, &device->config_space));
	vfio_pci_cmd_set(device, PCI_COMMAND_MEMORY);
	p = mmap_reserve(info.size, pmd, 0);
	ASSERT_EQ(p, mmap(p, info.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			  device->fd, info.offset));
	ASSERT_EQ(0, egm_touch(p, 0));
	EXPECT_EQ(BUS_ADRERR, touch_in_child(_metadata, disable_memory, device, p));
}

TEST_HARNESS_MAIN
