// SPDX-License-Identifier: GPL-2.0-only
/*
 * Keep fork() between its look at a huge entry and the page table locks, for tests only:
 * copy_huge_pmd() of process @pid for address @addr finds the child's lock taken, until
 * something is written to @release.
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

static int pid;
module_param(pid, int, 0444);
MODULE_PARM_DESC(pid, "process whose fork is held up");

static ulong addr;
module_param(addr, ulong, 0444);
MODULE_PARM_DESC(addr, "address whose huge entry it is to copy");

static bool held;
module_param(held, bool, 0444);
MODULE_PARM_DESC(held, "is it held up now? (read-only)");

static arch_spinlock_t *lock;

static int egm_fork_copy(struct kprobe *probe, struct pt_regs *regs)
{
	struct mm_struct *mm = (void *)regs_get_kernel_argument(regs, 0);
	pmd_t *pmd = (void *)regs_get_kernel_argument(regs, 2);

	if (current->tgid != pid || lock || regs_get_kernel_argument(regs, 4) != addr)
		return 0;
	/* Another thread unlocks it: neither lockdep nor the preemption count may know. */
	lock = &pmd_lockptr(mm, pmd)->rlock.raw_lock;
	arch_spin_lock(lock);
	WRITE_ONCE(held, true);
	return 0;
}

static struct kprobe probe = {
	.symbol_name = "copy_huge_pmd",
	.pre_handler = egm_fork_copy,
};

static int egm_fork_release(const char *val, const struct kernel_param *kp)
{
	if (READ_ONCE(held)) {
		WRITE_ONCE(held, false);
		arch_spin_unlock(lock);
	}
	return 0;
}

static const struct kernel_param_ops egm_fork_release_ops = {
	.set = egm_fork_release,
};
module_param_cb(release, &egm_fork_release_ops, NULL, 0200);
MODULE_PARM_DESC(release, "let it go on");

static int __init egm_fork_init(void)
{
	return register_kprobe(&probe);
}
module_init(egm_fork_init);

static void __exit egm_fork_exit(void)
{
	unregister_kprobe(&probe);
	egm_fork_release(NULL, NULL);
}
module_exit(egm_fork_exit);

MODULE_DESCRIPTION("Hold up fork() at a huge entry, for tests only");
MODULE_AUTHOR("The nvgrace-egm authors");
MODULE_LICENSE("GPL");
