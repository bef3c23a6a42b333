/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A memory cgroup at its limit, for tenants that the kernel reclaims from.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef EGM_MEMCG_H
#define EGM_MEMCG_H

#include <sys/mount.h>
#include <sys/stat.h>

#include "kselftest.h"
#include "egm_util.h"

#define MEMCG_ROOT	"/sys/fs/cgroup/"
#define MEMCG		MEMCG_ROOT "egm_test/"

/* Bytes: 2048 pages, which are 8 MiB or 128 MiB. */
static inline size_t memcg_limit(void)
{
	return 2048 * sysconf(_SC_PAGESIZE);
}

/* Make the cgroup; NULL, or why there is none. */
static inline const char *memcg_make(void)
{
	char word[32];

	if (!egm_exists(MEMCG_ROOT "cgroup.procs"))
		mount("none", MEMCG_ROOT, "cgroup2", 0, NULL);
	egm_write(MEMCG_ROOT "cgroup.subtree_control", "+memory");
	mkdir(MEMCG, 0755);
	snprintf(word, sizeof(word), "%zu", memcg_limit());
	return egm_write(MEMCG "memory.max", word) ? "no memory controller of cgroup v2" : NULL;
}

/* Remove it. Its processes have been waited for. */
static inline void memcg_remove(void)
{
	rmdir(MEMCG);
}

/* Move this process into it. */
static inline bool memcg_enter(void)
{
	return !egm_write(MEMCG "cgroup.procs", "0");
}

/* The count of an event in the cgroup's memory.events, -1 if unknown. */
static inline long memcg_events(const char *name)
{
	return egm_field(MEMCG "memory.events", name);
}

/* Keep the cgroup at its limit: every allocation in it reclaims pages, with success. */
static inline void __noreturn memcg_press(void)
{
	size_t len = 2 * memcg_limit(), step = 16 * sysconf(_SC_PAGESIZE), at;
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || madvise(p, len, MADV_NOHUGEPAGE))
		_exit(1);
	for (at = 0;; at = (at + step) % len) {
		memset(p + at, 1, step);
		madvise(p + at, step, MADV_FREE);
	}
}

#endif /* EGM_MEMCG_H */
