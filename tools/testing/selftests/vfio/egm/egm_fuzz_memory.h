/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The operations of egm_fuzz_test that open, close, map and touch, and what they share
 * with the others.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef EGM_FUZZ_MEMORY_H
#define EGM_FUZZ_MEMORY_H

#include <sys/prctl.h>
#include <sys/wait.h>

#include "egm_harness.h"
#include "egm_fuzz.h"

static uint64_t state;
static uint64_t region_pages;
static unsigned long step;
static char why[PATH_MAX + 256];

static inline unsigned int pick(unsigned int n)
{
	/* xorshift64* */
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (uint32_t)((state * 2685821657736338717ULL) >> 32) % n;
}

#define WRONG(...)	(snprintf(why, sizeof(why), __VA_ARGS__), false)
#define MUST(cond, ...)	((cond) || WRONG(__VA_ARGS__))

static inline void *at(unsigned int v)
{
	return arena + (size_t)v * page;
}

/* The code of the signal that a load or a store raises, 0 for none. */
static inline int probe(unsigned int v, uint64_t *value, bool write)
{
	uint64_t *p = at(v);
	sigjmp_buf back;
	int code = 0;

	if (sigsetjmp(back, 1)) {
		code = egm_bus_code;
	} else {
		egm_touch_back = &back;
		/* No access may come before it is known where to go on. */
		asm volatile("" : : : "memory");
		if (write)
			__atomic_store_n(p, *value, __ATOMIC_RELAXED);
		else
			*value = __atomic_load_n(p, __ATOMIC_RELAXED);
		asm volatile("" : : : "memory");
	}
	egm_touch_back = NULL;
	return code;
}

static inline int any_fd(void)
{
	int i, first = pick(MAX_FDS);

	for (i = 0; i < MAX_FDS; i++)
		if (fd_of[(first + i) % MAX_FDS] >= 0)
			return (first + i) % MAX_FDS;
	return -1;
}

static inline int free_fd(void)
{
	int i;

	for (i = 0; i < MAX_FDS; i++)
		if (fd_of[i] < 0)
			return i;
	return -1;
}

/* A range of the arena that often begins or ends where a block does. */
static inline void any_range(unsigned int *first, unsigned int *count)
{
	*first = pick(vpage_count);
	if (!pick(2))
		*first -= *first % per_block;
	*count = 1 + pick(pick(2) ? 8 : 3 * per_block);
	if (!pick(2))
		*count = (*count + per_block - 1) / per_block * per_block;
	if (*count > vpage_count - *first)
		*count = vpage_count - *first;
}

static inline bool op_open(void)
{
	int slot = free_fd(), fd;

	if (slot < 0)
		return true;
	fd = egm_open();
	if (!bound)
		return MUST(fd < 0, "open succeeds without a driver");
	if (fd < 0)
		return WRONG("open: %s", strerror(errno));
	fd_of[slot] = fd;
	file_of[slot] = model_open();
	return true;
}

static inline void close_slot(int slot)
{
	close(fd_of[slot]);
	fd_of[slot] = -1;
	files[file_of[slot]].fds--;
	model_put(file_of[slot]);
}

static inline bool op_close(void)
{
	int slot = any_fd();

	if (slot >= 0)
		close_slot(slot);
	return true;
}

static inline bool op_pass(void)
{
	int from = any_fd(), to = free_fd(), pair[2];

	if (from < 0 || to < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		return true;
	egm_send_fd(pair[0], fd_of[from]);
	fd_of[to] = egm_receive_fd(pair[1]);
	close(pair[0]);
	close(pair[1]);
	if (fd_of[to] < 0)
		return WRONG("a descriptor is lost in a socket");
	file_of[to] = file_of[from];
	files[file_of[to]].fds++;
	return true;
}

static inline bool op_mmap(void)
{
	static const int prots[] = { PROT_READ, PROT_WRITE, PROT_READ | PROT_WRITE, PROT_NONE };
	int slot = any_fd(), prot = prots[pick(8) ? 2 : pick(4)], want, flags = MAP_FIXED;
	unsigned int first, count;
	bool shared = pick(16);
	uint64_t rpage;
	void *p;

	if (slot < 0)
		return true;
	any_range(&first, &count);
	/* Congruent as a rule, for huge entries. */
	rpage = pick(rpages);
	if (pick(4))
		rpage = rpage - rpage % per_block + first % per_block;
	if (rpage + count > rpages) {
		if (pick(8))
			return true;
		rpage = region_pages - pick(count);
	}
	if (!pick(64))
		rpage += 1ULL << (44 + pick(8) - (page > 4096 ? 4 : 0));
	flags |= !shared ? MAP_PRIVATE : pick(2) ? MAP_SHARED : MAP_SHARED_VALIDATE;
	flags |= pick(8) ? 0 : MAP_POPULATE;
	want = model_mmap(file_of[slot], rpage, count, shared, region_pages);
	p = mmap(at(first), (size_t)count * page, prot, flags, fd_of[slot], rpage * page);
	if (p == MAP_FAILED) {
		/* mm itself refuses an offset that overflows, and unmaps nothing. */
		if (want && errno == EOVERFLOW)
			return true;
		/* If the driver refuses, mm has already unmapped the range. */
		model_split(first, count);
		model_unmap(first, count);
		return MUST(errno == -want, "mmap of %u pages at %#llx: %s, not %s", count,
			    (unsigned long long)rpage, strerror(errno), strerror(-want));
	}
	if (want)
		return WRONG("mmap of %u pages at %#llx succeeds, not %s", count,
			     (unsigned long long)rpage, strerror(-want));
	model_split(first, count);
	model_map(first, count, file_of[slot], rpage, prot);
	return true;
}

static inline bool op_munmap(void)
{
	unsigned int first, count;

	any_range(&first, &count);
	if (munmap(at(first), (size_t)count * page))
		return WRONG("munmap: %s", strerror(errno));
	model_split(first, count);
	model_unmap(first, count);
	return true;
}

static inline bool op_mprotect(void)
{
	static const int prots[] = { PROT_READ, PROT_READ | PROT_WRITE, PROT_NONE };
	int prot = prots[pick(3)];
	unsigned int first, count, i;

	any_range(&first, &count);
	for (i = 0; i < count; i++)
		if (vpages[first + i].file == NO_FILE)
			return true;
	if (mprotect(at(first), (size_t)count * page, prot))
		return WRONG("mprotect: %s", strerror(errno));
	model_split(first, count);
	for (i = 0; i < count; i++)
		vpages[first + i].prot = prot;
	return true;
}

static inline bool op_mremap(void)
{
	unsigned int from, to, count, i;
	struct vpage moved[64];
	void *p;

	any_range(&from, &count);
	count = count > 64 ? 64 : count;
	to = pick(vpage_count - count);
	if ((to < from + count && from < to + count) || !model_one_vma(from, count))
		return true;
	if (!pick(4)) {
		p = mremap(at(from), (size_t)count * page, (size_t)(count + 1) * page,
			   MREMAP_MAYMOVE);
		return MUST(p == MAP_FAILED && errno == EFAULT, "mremap grows a mapping");
	}
	p = mremap(at(from), (size_t)count * page, (size_t)count * page,
		   MREMAP_MAYMOVE | MREMAP_FIXED, at(to));
	if (p == MAP_FAILED)
		return WRONG("mremap of %u pages: %s", count, strerror(errno));
	memcpy(moved, &vpages[from], count * sizeof(*moved));
	model_split(from, count);
	model_split(to, count);
	/* Moved, not dropped: the file keeps its references. */
	files[moved[0].file].vpages += count;
	model_unmap(to, count);
	model_unmap(from, count);
	last_vma++;
	for (i = 0; i < count; i++) {
		vpages[to + i] = moved[i];
		vpages[to + i].vma = last_vma;
	}
	return true;
}

static inline bool op_madvise(void)
{
	static const int advice[] = { MADV_DONTNEED, MADV_HUGEPAGE, MADV_NOHUGEPAGE,
				      MADV_RANDOM, MADV_COLD, MADV_PAGEOUT, MADV_FREE };
	unsigned int first, count;

	/* No advice changes the content. */
	any_range(&first, &count);
	madvise(at(first), (size_t)count * page, advice[pick(ARRAY_SIZE(advice))]);
	/* Some advice splits a VMA. */
	model_split(first, count);
	return true;
}

static inline bool touch(bool write)
{
	unsigned int v = pick(vpage_count), i;
	uint64_t value = step | 1ULL << 63;
	int want, got;

	/* Most of the arena may be empty. */
	for (i = 0; i < 64 && vpages[v].file == NO_FILE; i++)
		v = pick(vpage_count);
	want = model_touch(v, write);
	got = probe(v, &value, write);
	if (got != want)
		return WRONG("page %u (%u of the region), %s: signal code %d, not %d", v,
			     vpages[v].rpage, write ? "store" : "load", got, want);
	if (got)
		return true;
	if (write)
		content[vpages[v].rpage] = value;
	return MUST(value == content[vpages[v].rpage], "page %u of the region has %#llx, not %#llx",
		    vpages[v].rpage, (unsigned long long)value,
		    (unsigned long long)content[vpages[v].rpage]);
}

static inline bool op_touch(void)
{
	return touch(pick(2));
}

/* A child sees what its parent does. */
static inline bool op_fork(void)
{
	int i, status;
	pid_t child;

	child = fork();
	if (child < 0)
		return WRONG("fork: %s", strerror(errno));
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (i = 0; i < 8; i++)
			if (!touch(false))
				_exit(1);
		_exit(0);
	}
	waitpid(child, &status, 0);
	return MUST(status == 0, "a child disagrees: %#x", status);
}

#endif /* EGM_FUZZ_MEMORY_H */
