// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM logs which pages of EGM memory a guest has written, and not which of a device.
 *
 * The guest is a few instructions: it loads from one page, stores to another, and exits by
 * a store to an address that no memory slot has.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <dirent.h>
#include <linux/kvm.h>
#include <stddef.h>
#include <sys/ioctl.h>

#include "egm_harness.h"

#define CODE_IPA	0x10000000ULL
#define RAM_IPA		0x80000000ULL
#define EXIT_IPA	0x20000000ULL
#define RAM_SIZE	(2 * EGM_BLOCK)

FIXTURE(dirty_log) {
	int kvm;
	int vm;
	int fd;
	size_t page;
	char *ram;
};

FIXTURE_SETUP(dirty_log)
{
#ifndef __aarch64__
	SKIP(return, "the guest's code is arm64's");
#endif
	ASSERT_TRUE(egm_bind_again());
	self->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (self->kvm < 0)
		SKIP(return, "no /dev/kvm");
	self->vm = ioctl(self->kvm, KVM_CREATE_VM, 0);
	ASSERT_LE(0, self->vm);
	self->page = sysconf(_SC_PAGESIZE);
	self->fd = egm_open();
	ASSERT_LE(0, self->fd);
	self->ram = egm_map(self->fd, 0, RAM_SIZE);
	ASSERT_NE(MAP_FAILED, self->ram);
}

FIXTURE_TEARDOWN(dirty_log)
{
	close(self->fd);
}

static int set_slot(int vm, int slot, uint64_t ipa, void *p, size_t len, uint32_t flags)
{
	struct kvm_userspace_memory_region r = {
		.slot = slot, .flags = flags, .guest_phys_addr = ipa,
		.memory_size = len, .userspace_addr = (uintptr_t)p,
	};

	return ioctl(vm, KVM_SET_USER_MEMORY_REGION, &r) ? errno : 0;
}

/* The pages of slot 1 that were written since the last call, a bit each; -1: an error. */
static int64_t written(int vm)
{
	uint64_t bits[RAM_SIZE / 4096 / 64] = { 0 };
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bits };

	if (ioctl(vm, KVM_GET_DIRTY_LOG, &log) ||
	    egm_first_nonzero(bits + 1, sizeof(bits) - 8) != sizeof(bits) - 8)
		return -1;
	return bits[0];
}

#ifdef __aarch64__
struct guest {
	int vcpu;
	struct kvm_run *run;
};

static int set_reg(int vcpu, size_t offset, uint64_t value)
{
	struct kvm_one_reg reg = {
		.id = KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE |
		      offset / sizeof(uint32_t),
		.addr = (uintptr_t)&value,
	};

	return ioctl(vcpu, KVM_SET_ONE_REG, &reg);
}

#define set_core_reg(vcpu, name, value) \
	set_reg(vcpu, offsetof(struct kvm_regs, name), value)

static int make_guest(int kvm, int vm, struct guest *g)
{
	static const uint32_t code[] = {
		0xf9400004,	/* ldr x4, [x0] */
		0xf9000025,	/* str x5, [x1] */
		0xf9000045,	/* str x5, [x2] */
	};
	struct kvm_vcpu_init init;
	size_t page = sysconf(_SC_PAGESIZE);
	void *p = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return errno;
	memcpy(p, code, sizeof(code));
	__builtin___clear_cache(p, (char *)p + sizeof(code));
	if (set_slot(vm, 0, CODE_IPA, p, page, 0))
		return errno;
	g->vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	if (g->vcpu < 0 || ioctl(vm, KVM_ARM_PREFERRED_TARGET, &init) ||
	    ioctl(g->vcpu, KVM_ARM_VCPU_INIT, &init))
		return errno;
	g->run = mmap(NULL, ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE,
		      MAP_SHARED, g->vcpu, 0);
	return g->run == MAP_FAILED ? errno : 0;
}

/* Load from one page of the RAM, store a value to another; did the guest get so far? */
static bool run_guest(struct guest *g, size_t page, int load, int store, uint64_t value)
{
	if (set_core_reg(g->vcpu, regs.pc, CODE_IPA) ||
	    set_core_reg(g->vcpu, regs.regs[0], RAM_IPA + load * page) ||
	    set_core_reg(g->vcpu, regs.regs[1], RAM_IPA + store * page) ||
	    set_core_reg(g->vcpu, regs.regs[2], EXIT_IPA) ||
	    set_core_reg(g->vcpu, regs.regs[5], value) || ioctl(g->vcpu, KVM_RUN, 0))
		return false;
	return g->run->exit_reason == KVM_EXIT_MMIO && g->run->mmio.phys_addr == EXIT_IPA;
}

/* A page that the guest has only read is not logged, and its first write is. */
TEST_F(dirty_log, written_pages_are_logged)
{
	struct guest g;

	if (!egm_core_has("kvm-poison"))
		SKIP(return, EGM_CORE_LACKS "KVM");
	ASSERT_EQ(0, make_guest(self->kvm, self->vm, &g));
	ASSERT_EQ(0, set_slot(self->vm, 1, RAM_IPA, self->ram, RAM_SIZE,
			      KVM_MEM_LOG_DIRTY_PAGES));
	ASSERT_TRUE(run_guest(&g, self->page, 3, 5, 77));
	EXPECT_EQ(1 << 5, written(self->vm));
	EXPECT_EQ(0, written(self->vm));
	ASSERT_TRUE(run_guest(&g, self->page, 5, 3, 78));
	EXPECT_EQ(1 << 3, written(self->vm));
	ASSERT_TRUE(run_guest(&g, self->page, 3, 5, 79));
	EXPECT_EQ(1 << 5, written(self->vm));
	EXPECT_EQ(79, *(uint64_t *)(self->ram + 5 * self->page));
	EXPECT_EQ(78, *(uint64_t *)(self->ram + 3 * self->page));
}

/* The guest's memory is mapped by blocks first: they are split. */
TEST_F(dirty_log, logging_after_first_use_splits_blocks)
{
	struct guest g;

	if (!egm_core_has("kvm-poison"))
		SKIP(return, EGM_CORE_LACKS "KVM");
	ASSERT_EQ(0, make_guest(self->kvm, self->vm, &g));
	ASSERT_EQ(0, set_slot(self->vm, 1, RAM_IPA, self->ram, RAM_SIZE, 0));
	ASSERT_TRUE(run_guest(&g, self->page, 1, 2, 77));
	ASSERT_EQ(0, set_slot(self->vm, 1, RAM_IPA, self->ram, RAM_SIZE,
			      KVM_MEM_LOG_DIRTY_PAGES));
	ASSERT_TRUE(run_guest(&g, self->page, 2, 7, 78));
	EXPECT_EQ(1 << 7, written(self->vm));
	ASSERT_TRUE(run_guest(&g, self->page, 7, 2, 79));
	EXPECT_EQ(1 << 2, written(self->vm));
	/* And ends again. */
	ASSERT_EQ(0, set_slot(self->vm, 1, RAM_IPA, self->ram, RAM_SIZE, 0));
	ASSERT_TRUE(run_guest(&g, self->page, 2, 9, 80));
	EXPECT_EQ(80, *(uint64_t *)(self->ram + 9 * self->page));
}
#endif

/* Any memory of a PCI device that sysfs lets map, or -1. */
static int open_bar(size_t *len)
{
	DIR *d = opendir("/sys/bus/pci/devices");
	struct dirent *e;
	char path[PATH_MAX];
	struct stat st;
	int fd = -1;

	while (d && fd < 0 && (e = readdir(d))) {
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", e->d_name);
		if (e->d_name[0] == '.' || egm_exists(path))
			continue;
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource0", e->d_name);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd >= 0 && (fstat(fd, &st) || st.st_size < sysconf(_SC_PAGESIZE))) {
			close(fd);
			fd = -1;
		}
		*len = st.st_size;
	}
	if (d)
		closedir(d);
	return fd;
}

TEST_F(dirty_log, logging_of_device_memory_einval)
{
	size_t len;
	int fd = open_bar(&len);
	void *p;

	if (fd < 0)
		SKIP(return, "no PCI device without a driver has a BAR to map");
	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(EINVAL, set_slot(self->vm, 1, RAM_IPA, p, len, KVM_MEM_LOG_DIRTY_PAGES));
	EXPECT_EQ(0, set_slot(self->vm, 1, RAM_IPA, p, len, 0));
	close(fd);
}

TEST_HARNESS_MAIN
