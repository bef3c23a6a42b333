// SPDX-License-Identifier: GPL-2.0-only
/*
 * Operations on a memory file and on mappings of it.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <linux/mempolicy.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "egm_operations.h"

/* Try to map, write a byte if that works. */
static const char *map(int fd, uint64_t offset, size_t len, int flags)
{
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, flags, fd, offset);

	if (p == MAP_FAILED)
		return op_answer(errno);
	op_touch(p);
	return "yes";
}

static const char *map_shared(const struct memory *m, int arg)
{
	(void)arg;
	op_touch(op_map(m));
	return "yes";
}

static const char *map_private(const struct memory *m, int arg)
{
	(void)arg;
	return map(m->fd, 0, m->len, MAP_PRIVATE);
}

static const char *map_beyond_end(const struct memory *m, int arg)
{
	uint64_t size = op_file_size(m);
	char *p = mmap(NULL, m->len, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, size);

	(void)arg;
	if (p == MAP_FAILED)
		return op_answer(errno);
	op_touch(p);
	/* hugetlbfs has extended the file. */
	munmap(p, m->len);
	return ftruncate(m->fd, size) ? "no way back" : "yes";
}

static const char *map_second_file(const struct memory *m, int arg)
{
	(void)arg;
	op_touch(op_map(m));
	return map(op_open(m), 0, m->len, MAP_SHARED);
}

/* The descriptor of the file that mapped the memory first is in the queue of a socket alone. */
static const char *map_file_in_flight(const struct memory *m, int arg)
{
	char *p = op_map(m);
	int pair[2];

	(void)arg;
	op_touch(p);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		op_give_up("socketpair");
	egm_send_fd(pair[0], m->fd);
	munmap(p, m->len);
	close(m->fd);
	return map(op_open(m), 0, m->len, MAP_SHARED);
}

static const char *read_file(const struct memory *m, int arg)
{
	char byte;

	(void)arg;
	return op_result(pread(m->fd, &byte, 1, 0));
}

static const char *write_file(const struct memory *m, int arg)
{
	(void)arg;
	return op_result(pwrite(m->fd, "", 1, 0));
}

static const char *seek_end(const struct memory *m, int arg)
{
	off_t size = lseek(m->fd, 0, SEEK_END);

	(void)arg;
	if (size < 0)
		return op_answer(errno);
	return size ? "yes" : "no effect";
}

static const char *grow_file(const struct memory *m, int arg)
{
	uint64_t size = op_file_size(m);

	(void)arg;
	if (ftruncate(m->fd, size + m->len))
		return op_answer(errno);
	return op_result(ftruncate(m->fd, size));
}

static const char *punch_hole(const struct memory *m, int arg)
{
	(void)arg;
	return op_result(fallocate(m->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
				   m->len));
}

static long faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt + usage.ru_majflt;
}

/* Is the memory mapped before it is touched? */
static const char *populate(const struct memory *m, int flags)
{
	char *p;
	long n;

	if (flags) {
		p = mmap(NULL, m->len, PROT_READ | PROT_WRITE, MAP_SHARED | flags, m->fd, 0);
		if (p == MAP_FAILED)
			return op_answer(errno);
	} else {
		p = op_map(m);
		if (mlock(p, m->len))
			return op_answer(errno);
	}
	faults();
	n = faults();
	op_touch(p);
	op_touch(p + m->len - 1);
	return faults() - n ? "no effect" : "yes";
}

static const char *protect(const struct memory *m, int arg)
{
	char *p = op_map(m);
	pid_t pid;

	(void)arg;
	op_touch(p);
	if (mprotect(p, m->len, PROT_READ))
		return op_answer(errno);
	pid = fork();
	if (!pid) {
		op_touch(p);
		_exit(0);
	}
	if (op_wait(pid) != SIGSEGV)
		return "no effect";
	if (mprotect(p, m->len, PROT_READ | PROT_WRITE))
		return op_answer(errno);
	op_touch(p);
	return "yes";
}

/* Another address, with nothing there, aligned for huge entries. */
static char *free_range(size_t len)
{
	size_t huge = EGM_HUGE_MAX;
	char *p = mmap(NULL, len + huge, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		op_give_up("mmap of a free range");
	return p + (huge - (uintptr_t)p % huge) % huge;
}

static const char *move_mapping(const struct memory *m, int arg)
{
	char *p = op_map(m), *q;

	(void)arg;
	op_touch(p);
	q = mremap(p, m->len, m->len, MREMAP_MAYMOVE | MREMAP_FIXED, free_range(m->len));
	if (q == MAP_FAILED)
		return op_answer(errno);
	if (op_look(q) != 0x5a)
		return "other memory";
	op_touch(q + m->len - 1);
	return "yes";
}

static const char *grow_mapping(const struct memory *m, int arg)
{
	void *p = mremap(op_map(m), m->len, 2 * m->len, MREMAP_MAYMOVE);

	(void)arg;
	return op_answer(p == MAP_FAILED ? errno : 0);
}

static const char *use_in_child(const struct memory *m, int arg)
{
	char *p = op_map(m);
	pid_t pid;

	(void)arg;
	op_touch(p);
	pid = fork();
	if (!pid) {
		op_touch(p + 1);
		_exit(op_look(p) != 0x5a);
	}
	if (op_wait(pid))
		return "the child fails";
	return op_look(p + 1) == 0x5a ? "yes" : "copied";
}

/* The node of a page, or a negative errno. */
static int node_of(char *p)
{
	void *page = p;
	int status = 0;

	if (syscall(SYS_move_pages, 0, 1, &page, NULL, &status, 0))
		return -errno;
	return status;
}

static const char *bind_to_own_node(const struct memory *m, int arg)
{
	unsigned long mask = 1UL << m->node;

	(void)arg;
	return op_result(syscall(SYS_mbind, op_map(m), m->len, MPOL_BIND, &mask,
				 8 * sizeof(mask), 0));
}

static const char *bind_to_node_0(const struct memory *m, int arg)
{
	unsigned long mask = 1;
	char *p = op_map(m);

	(void)arg;
	if (syscall(SYS_mbind, p, m->len, MPOL_BIND, &mask, 8 * sizeof(mask), 0))
		return op_answer(errno);
	op_touch(p);
	return node_of(p) ? "no effect" : "yes";
}

static const char *migrate_page(const struct memory *m, int arg)
{
	int node = 0, status = 0;
	void *p = op_map(m);

	(void)arg;
	op_touch(p);
	if (syscall(SYS_move_pages, 0, 1, &p, &node, &status, MPOL_MF_MOVE))
		return op_answer(errno);
	return op_answer(status < 0 ? -status : 0);
}

static const char *register_uffd(const struct memory *m, int mode)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { .start = (uintptr_t)op_map(m), .len = m->len }, .mode = mode,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api))
		op_give_up("userfaultfd");
	return op_result(ioctl(fd, UFFDIO_REGISTER, &reg));
}

/*
 * KiB of page tables that a touch of a huge page takes. A page of anonymous memory next to the
 * mapping makes mm allocate the tables of higher levels before.
 */
static long tables_of_touch(const struct memory *m)
{
	size_t pmd = egm_pmd_size();
	char *area = free_range(m->len + 4 * pmd), *p;
	char *beside = mmap(area, pmd, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	long kib;

	madvise(beside, pmd, MADV_NOHUGEPAGE);
	p = mmap(area + pmd, m->len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, m->fd, 0);
	if (beside == MAP_FAILED || p == MAP_FAILED)
		op_give_up("mmap");
	op_touch(beside);
	kib = egm_page_tables();
	op_touch(p);
	kib = egm_page_tables() - kib;
	munmap(p, m->len);
	munmap(beside, pmd);
	return kib;
}

static const char *disable_thp(const struct memory *m, int arg)
{
	char *p = op_map(m);
	long kib;

	(void)arg;
	/* The file has reserved the memory now. */
	munmap(p, m->len);
	kib = tables_of_touch(m);
	if (prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0))
		return op_answer(errno);
	return tables_of_touch(m) > kib ? "yes" : "no effect";
}

const struct operation map_operations[] = {
	{ "mmap() MAP_SHARED", map_shared },
	{ "mmap() MAP_PRIVATE", map_private },
	{ "mmap() beyond the end of the file", map_beyond_end },
	{ "mmap() of what another open file has mapped", map_second_file },
	{ "mmap() of what a file in a socket's queue has mapped", map_file_in_flight },
	{ "mmap() MAP_LOCKED, to map all pages", populate, MAP_LOCKED },
	{ "mmap() MAP_POPULATE, to map all pages", populate, MAP_POPULATE },
	{ "read() of the file", read_file },
	{ "write() to the file", write_file },
	{ "lseek() SEEK_END", seek_end },
	{ "ftruncate() to a larger size", grow_file },
	{ "fallocate() FALLOC_FL_PUNCH_HOLE", punch_hole },
	{ "mlock(), to map all pages", populate },
	{ "mprotect()", protect },
	{ "mremap() to another address", move_mapping },
	{ "mremap() to a larger size", grow_mapping },
	{ "fork(), and use by the child", use_in_child },
	{ "mbind() to the memory's own node", bind_to_own_node },
	{ "mbind() to node 0", bind_to_node_0 },
	{ "move_pages() to node 0", migrate_page },
	{ "userfaultfd for missing pages", register_uffd, UFFDIO_REGISTER_MODE_MISSING },
	{ "userfaultfd for write protection", register_uffd, UFFDIO_REGISTER_MODE_WP },
	{ "PR_SET_THP_DISABLE, to map by pages", disable_thp },
	{ }
};
