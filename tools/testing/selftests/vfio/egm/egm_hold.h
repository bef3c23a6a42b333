/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Delay this process before it installs a page table entry (egm_hold.ko), while another process
 * revokes or poisons the memory.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef EGM_HOLD_H
#define EGM_HOLD_H

#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "egm_harness.h"

#define HOLD_MODULE	"/egm/tests/egm_hold.ko"
#define HOLD_PARAMETER	"/sys/module/egm_hold/parameters/"

static inline bool hold_available(void)
{
	return egm_exists(HOLD_MODULE);
}

/*
 * Delay each call of @function for the PMD that maps @addr, until hold_end(). Leave the boot
 * CPU, which runs the callbacks of SRCU: a zap that waits for threads in a fault would wait for
 * this process too.
 */
static inline bool hold_start(const char *function, const void *addr)
{
	int fd = open(HOLD_MODULE, O_RDONLY | O_CLOEXEC), ret;
	char words[128];
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(sysconf(_SC_NPROCESSORS_ONLN) - 1, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		return false;
	snprintf(words, sizeof(words), "pid=%d function=%s addr=%lu", getpid(), function,
		 (unsigned long)addr & ~(egm_pmd_size() - 1));
	ret = syscall(SYS_finit_module, fd, words, 0);
	close(fd);
	return !ret;
}

static inline void hold_end(void)
{
	syscall(SYS_delete_module, "egm_hold", 0);
}

/* Is the parent's PMD entry still there, while copy_huge_pmd() is held up with it? */
static inline bool hold_entry_is_mapped(void)
{
	char mapped[8];

	egm_read_line(HOLD_PARAMETER "mapped", mapped, sizeof(mapped));
	return mapped[0] == 'Y';
}

/*
 * Start a child that calls @zap once this process is delayed. The child ends the delay when @zap
 * has returned. With @waits, @zap itself waits for this process or its CPU, as grace periods do:
 * the child then ends the delay after a second. The child exits with 0 if this process was
 * delayed and @zap returned 0.
 */
static inline pid_t hold_start_zapper(int (*zap)(void *arg), void *arg, bool waits)
{
	pid_t child = fork(), zapper;
	char held[8] = "";
	int i, status;

	if (child)
		return child;
	for (i = 0; i < 10000 && held[0] != 'Y'; i++) {
		usleep(1000);
		egm_read_line(HOLD_PARAMETER "held", held, sizeof(held));
	}
	zapper = fork();
	if (!zapper)
		_exit(zap(arg));
	if (waits)
		sleep(1);
	else
		waitpid(zapper, &status, 0);
	egm_write(HOLD_PARAMETER "release", "1");
	if (waits)
		waitpid(zapper, &status, 0);
	_exit(held[0] != 'Y' || !WIFEXITED(status) || WEXITSTATUS(status));
}

#endif /* EGM_HOLD_H */
