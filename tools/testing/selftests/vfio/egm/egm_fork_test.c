// SPDX-License-Identifier: GPL-2.0-only
/*
 * fork() that copies a huge entry while it is zapped: the child must not get it. egm_fork.ko
 * keeps fork between its look at the entry and the page table locks until it was zapped.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "egm_edu.h"
#include "egm_harness.h"
#include "egm_iommufd.h"
#include "egm_retired.h"

#define MODULE		"/egm/tests/egm_fork.ko"
#define PARAMETER	"/sys/module/egm_fork/parameters/"

FIXTURE(fork) {
	int unused;
};

FIXTURE_SETUP(fork)
{
	if (!egm_exists(MODULE))
		SKIP(return, "no " MODULE);
	ASSERT_TRUE(forget_bad_pages());
}

FIXTURE_TEARDOWN_PARENT(fork)
{
	syscall(SYS_delete_module, "egm_fork", 0);
	EXPECT_TRUE(forget_bad_pages());
}

static bool load(const void *addr)
{
	int fd = open(MODULE, O_RDONLY | O_CLOEXEC), ret;
	char words[64];

	snprintf(words, sizeof(words), "pid=%d addr=%lu", getpid(), (unsigned long)addr);
	ret = syscall(SYS_finit_module, fd, words, 0);
	close(fd);
	return !ret;
}

struct zapper {
	int (*zap)(void *arg);
	void *arg;
};

/*
 * Another process, for fork keeps this one from page faults: take the entry away once fork has
 * seen it, then let fork go on. Exits with 0 if all of that was so.
 */
static pid_t start_zapper(struct zapper *z)
{
	pid_t child = fork();
	char held[8] = "";
	int i, ret;

	if (child)
		return child;
	for (i = 0; i < 10000 && held[0] != 'Y'; i++) {
		usleep(1000);
		egm_read_line(PARAMETER "held", held, sizeof(held));
	}
	ret = z->zap(z->arg);
	egm_write(PARAMETER "release", "1");
	_exit(held[0] != 'Y' || ret);
}

/* The signal's code that a load of @p raises in a child, made while its entry is taken away. */
static int touch_in_child(struct __test_metadata *_metadata, struct zapper *z, char *entry,
			  char *p)
{
	pid_t zapper = start_zapper(z), child;
	int status;

	ASSERT_LE(0, zapper);
	ASSERT_TRUE(load(entry));
	child = fork();
	ASSERT_LE(0, child);
	if (!child)
		_exit(egm_touch(p, 0));
	ASSERT_EQ(zapper, waitpid(zapper, &status, 0));
	EXPECT_EQ(0, status);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/*
 * mm reports the page for this process alone: a signal would make fork start again. The
 * worker that unmaps has nothing to wait for but threads in a fault.
 */
static int poison(void *arg)
{
	int ret;

	prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0);
	ret = inject(*(uint64_t *)arg);
	sleep(1);
	return ret || !egm_bus_code;
}

TEST_F(fork, entry_zapped_for_a_bad_page_is_not_copied)
{
	size_t pmd = egm_pmd_size();
	uint64_t offset = pmd / 2;
	struct zapper z = { .zap = poison, .arg = &offset };
	int fd = egm_open();
	char *p;

	ASSERT_LE(0, fd);
	p = egm_map(fd, 0, pmd);
	ASSERT_NE(MAP_FAILED, p);
	p[offset] = 1;
	EXPECT_EQ(BUS_MCEERR_AR, touch_in_child(_metadata, &z, p, p + offset));
	/* Its good pages come back. */
	EXPECT_EQ(0, egm_touch(p, 0));
}

static int disable_memory(void *arg)
{
	return !vfio_command(*(int *)arg, 0, 2);
}

/* vfio-pci zaps BARs whenever a device must not be accessed. */
TEST_F(fork, bar_zapped_by_vfio_is_not_copied)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = 0 };
	int iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC), device;
	struct zapper z = { .zap = disable_memory, .arg = &device };
	char gpus[EGM_MAX_GPUS][32];
	size_t pmd = egm_pmd_size();
	char *p;

	ASSERT_LE(1, egm_gpus(gpus));
	device = vfio_cdev_open(gpus[0]);
	ASSERT_LE(0, device);
	ASSERT_EQ(0, vfio_cdev_bind(device, iommufd));
	ASSERT_EQ(0, ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info));
	if (info.size < pmd)
		SKIP(return, "no BAR as large as a huge entry");
	ASSERT_TRUE(vfio_command(device, 2, 0));
	p = mmap(NULL, info.size + pmd, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, p);
	p += -(uintptr_t)p % pmd;
	ASSERT_EQ(p, mmap(p, info.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, device,
			  info.offset));
	ASSERT_EQ(0, egm_touch(p, 0));
	EXPECT_EQ(BUS_ADRERR, touch_in_child(_metadata, &z, p, p));
}

TEST_HARNESS_MAIN
