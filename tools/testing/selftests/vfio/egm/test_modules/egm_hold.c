// SPDX-License-Identifier: GPL-2.0-only
/*
 * Delay a process before it installs a page table entry, for tests only: process @pid waits for
 * the PMD's page table lock in @function for address @addr, until a test writes to the
 * parameter @release.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/sysfs.h>

static int pid;
module_param(pid, int, 0444);
MODULE_PARM_DESC(pid, "process that is held up");

static ulong addr;
module_param(addr, ulong, 0444);
MODULE_PARM_DESC(addr, "address that the PMD maps, a multiple of PMD_SIZE");

static char *function;
module_param(function, charp, 0444);
MODULE_PARM_DESC(function, "copy_huge_pmd (in fork), vmf_insert_pfn_pmd (in a fault) or __pte_alloc (in mmap)");

static bool held;
module_param(held, bool, 0444);
MODULE_PARM_DESC(held, "is it held up now? (read-only)");

static arch_spinlock_t *lock;

/* The parent's PMD entry: copy_huge_pmd() reads it before it takes the page table locks. */
static pmd_t *entry;

static int egm_hold(struct mm_struct *mm, pmd_t *pmd)
{
	if (current->tgid != pid || lock)
		return 0;
	/* Another thread unlocks it: neither lockdep nor the preemption count may know. */
	lock = &pmd_lockptr(mm, pmd)->rlock.raw_lock;
	arch_spin_lock(lock);
	WRITE_ONCE(held, true);
	return 0;
}

static int egm_hold_fork(struct kprobe *probe, struct pt_regs *regs)
{
	if (regs_get_kernel_argument(regs, 4) != addr)
		return 0;
	if (current->tgid == pid)
		entry = (void *)regs_get_kernel_argument(regs, 3);
	return egm_hold((void *)regs_get_kernel_argument(regs, 0),
			(void *)regs_get_kernel_argument(regs, 2));
}

static int egm_hold_fault(struct kprobe *probe, struct pt_regs *regs)
{
	struct vm_fault *vmf = (void *)regs_get_kernel_argument(regs, 0);

	if ((vmf->address & PMD_MASK) != addr)
		return 0;
	return egm_hold(vmf->vma->vm_mm, vmf->pmd);
}

static int egm_hold_mmap(struct kprobe *probe, struct pt_regs *regs)
{
	pmd_t *pmd = (void *)regs_get_kernel_argument(regs, 1);

	if (offset_in_page(pmd) / sizeof(*pmd) != pmd_index(addr))
		return 0;
	return egm_hold((void *)regs_get_kernel_argument(regs, 0), pmd);
}

static struct kprobe probes[] = {
	{ .symbol_name = "copy_huge_pmd", .pre_handler = egm_hold_fork },
	{ .symbol_name = "vmf_insert_pfn_pmd", .pre_handler = egm_hold_fault },
	{ .symbol_name = "__pte_alloc", .pre_handler = egm_hold_mmap },
};

static struct kprobe *probe;

static int egm_hold_release(const char *val, const struct kernel_param *kp)
{
	if (READ_ONCE(held)) {
		WRITE_ONCE(held, false);
		arch_spin_unlock(lock);
	}
	return 0;
}

static const struct kernel_param_ops egm_hold_release_ops = {
	.set = egm_hold_release,
};
module_param_cb(release, &egm_hold_release_ops, NULL, 0200);
MODULE_PARM_DESC(release, "let it go on");

static int egm_hold_mapped(char *buf, const struct kernel_param *kp)
{
	/* The page table stays: fork has the mmap_lock. */
	bool mapped = READ_ONCE(held) && entry && !pmd_none(READ_ONCE(*entry));

	return sysfs_emit(buf, "%c\n", mapped ? 'Y' : 'N');
}

static const struct kernel_param_ops egm_hold_mapped_ops = {
	.get = egm_hold_mapped,
};
module_param_cb(mapped, &egm_hold_mapped_ops, NULL, 0444);
MODULE_PARM_DESC(mapped, "is the parent's PMD entry still there while fork is held up? (read-only)");

static int __init egm_hold_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(probes); i++)
		if (function && !strcmp(function, probes[i].symbol_name))
			probe = &probes[i];
	return probe ? register_kprobe(probe) : -EINVAL;
}
module_init(egm_hold_init);

static void __exit egm_hold_exit(void)
{
	unregister_kprobe(probe);
	egm_hold_release(NULL, NULL);
}
module_exit(egm_hold_exit);

MODULE_DESCRIPTION("Hold up a page table entry, for tests only");
MODULE_AUTHOR("The nvgrace-egm authors");
MODULE_LICENSE("GPL");
