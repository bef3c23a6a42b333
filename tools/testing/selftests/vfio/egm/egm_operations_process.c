// SPDX-License-Identifier: GPL-2.0-only
/*
 * Debuggers, core dumps and cgroups on mapped memory of a file, and pages of it that go bad.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <linux/elf.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "egm_driver.h"
#include "egm_memcg.h"
#include "egm_operations.h"
#include "egm_touch.h"

#define CORE_PATTERN	"/proc/sys/kernel/core_pattern"
#define CORE_FILE	"/tmp/egm_operations.core"
#define HARD_OFFLINE	"/sys/devices/system/memory/hard_offline_page"

/* A process that has the memory mapped at @p, and waits. */
static pid_t start_target(char *p)
{
	pid_t pid;

	op_touch(p);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return pid;
}

static const char *read_of_process(const struct memory *m, int arg)
{
	char *p = op_map(m), byte = 0;
	struct iovec local = { .iov_base = &byte, .iov_len = 1 };
	struct iovec remote = { .iov_base = p, .iov_len = 1 };
	pid_t pid = start_target(p);

	(void)arg;
	if (process_vm_readv(pid, &local, 1, &remote, 1, 0) < 0)
		return op_answer(errno);
	return byte == 0x5a ? "yes" : "other data";
}

static pid_t attach(char *p)
{
	pid_t pid = start_target(p);

	if (ptrace(PTRACE_ATTACH, pid, NULL, NULL) || waitpid(pid, NULL, 0) != pid)
		op_give_up("ptrace");
	return pid;
}

static const char *peek(const struct memory *m, int arg)
{
	char *p = op_map(m);
	pid_t pid = attach(p);
	long word;

	(void)arg;
	errno = 0;
	word = ptrace(PTRACE_PEEKDATA, pid, p, NULL);
	if (errno)
		return op_answer(errno);
	return (char)word == 0x5a ? "yes" : "other data";
}

static const char *poke(const struct memory *m, int arg)
{
	char *p = op_map(m);
	pid_t pid = attach(p);

	(void)arg;
	if (ptrace(PTRACE_POKEDATA, pid, p, (void *)0x77))
		return op_answer(errno);
	return op_look(p) == 0x77 ? "yes" : "other data";
}

static int open_mem(pid_t pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		op_give_up(path);
	return fd;
}

static const char *read_mem(const struct memory *m, int arg)
{
	char *p = op_map(m), byte = 0;
	pid_t pid = start_target(p);

	(void)arg;
	if (pread(open_mem(pid), &byte, 1, (uintptr_t)p) < 0)
		return op_answer(errno);
	return byte == 0x5a ? "yes" : "other data";
}

static const char *write_mem(const struct memory *m, int arg)
{
	char *p = op_map(m);
	pid_t pid = start_target(p);

	(void)arg;
	if (pwrite(open_mem(pid), "w", 1, (uintptr_t)p) < 0)
		return op_answer(errno);
	return op_look(p) == 'w' ? "yes" : "other data";
}

/* Bytes of the mapping at @p in a core file; -1 if its headers do not name it. */
static int64_t bytes_in_core(const char *p)
{
	int fd = open(CORE_FILE, O_RDONLY | O_CLOEXEC), i;
	int64_t bytes = -1;
	struct elf64_hdr head;
	struct elf64_phdr part;

	if (fd < 0 || read(fd, &head, sizeof(head)) != sizeof(head))
		return -1;
	for (i = 0; i < head.e_phnum; i++)
		if (pread(fd, &part, sizeof(part), head.e_phoff + i * sizeof(part)) ==
		    sizeof(part) && part.p_type == PT_LOAD && part.p_vaddr == (uintptr_t)p)
			bytes = part.p_filesz;
	close(fd);
	return bytes;
}

static int64_t dump_core(char *p)
{
	/* The headers are the first of it. */
	struct rlimit limit = { .rlim_cur = 1 << 20, .rlim_max = 1 << 20 };
	char pattern[256];
	int64_t bytes;
	pid_t pid;

	egm_read_line(CORE_PATTERN, pattern, sizeof(pattern));
	if (egm_write(CORE_PATTERN, CORE_FILE) ||
	    egm_write("/proc/self/coredump_filter", "0x1ff") ||
	    setrlimit(RLIMIT_CORE, &limit))
		op_give_up("core");
	op_touch(p);
	pid = fork();
	if (!pid)
		abort();
	waitpid(pid, NULL, 0);
	bytes = bytes_in_core(p);
	unlink(CORE_FILE);
	egm_write(CORE_PATTERN, pattern);
	return bytes;
}

static const char *core_dump(const struct memory *m, int arg)
{
	int64_t bytes = dump_core(op_map(m));

	(void)arg;
	if (bytes < 0)
		return "no core";
	return bytes ? "yes" : "not in it";
}

static const char *charge(const struct memory *m, int arg)
{
	const char *why = memcg_make();
	int64_t before;
	char *p;
	size_t at;

	(void)arg;
	if (why || egm_write(MEMCG "memory.max", "max") || !memcg_enter())
		op_give_up("cgroup");
	before = egm_read_number(MEMCG "memory.current");
	p = op_map(m);
	for (at = 0; at < m->len; at += EGM_BLOCK)
		op_touch(p + at);
	before = egm_read_number(MEMCG "memory.current") - before;
	egm_write(MEMCG_ROOT "cgroup.procs", "0");
	memcg_remove();
	return before < (int64_t)m->len / 2 ? "not counted" : "counted";
}

const struct operation process_operations[] = {
	{ "process_vm_readv()", read_of_process },
	{ "ptrace() PTRACE_PEEKDATA", peek },
	{ "ptrace() PTRACE_POKEDATA", poke },
	{ "/proc/PID/mem, read()", read_mem },
	{ "/proc/PID/mem, write()", write_mem },
	{ "core dump, coredump_filter 0x1ff", core_dump },
	{ "memory cgroup", charge },
	{ }
};

/* Physical address of touched memory; 0 if unknown. */
static uint64_t physical(const struct memory *m, const char *p, uint64_t offset)
{
	/* pagemap has nothing of memory without struct page. */
	if (strncmp(m->path, "/dev/egm", 8))
		return egm_physical(p);
	setenv("EGM_NODE", m->path, true);
	return egm_base() + offset;
}

/* Have a page go bad, in a block at the end of the file, where nothing else is done; the page. */
static char *spoil_page(const struct memory *m, int block)
{
	uint64_t offset = op_file_size(m) - m->len, phys;
	size_t at = m->len - block * EGM_BLOCK;
	char *p = op_map_at(m, offset), word[32];
	pid_t pid;

	op_touch(p + at);
	phys = physical(m, p + at, offset + at);
	if (!phys)
		op_give_up("physical address");
	snprintf(word, sizeof(word), "%#llx", (unsigned long long)phys);
	/* The process that reports it has not mapped it, or would be the one to blame. */
	pid = fork();
	if (!pid) {
		munmap(p, m->len);
		_exit(egm_write(HARD_OFFLINE, word));
	}
	if (op_wait(pid))
		op_give_up("hard_offline_page");
	return p + at;
}

static const char *touch_bad(const struct memory *m, int block)
{
	char *p = spoil_page(m, block);
	long end = egm_now_ms() + 2000;
	int code;

	/* A worker unmaps a page of EGM. */
	do {
		code = egm_touch(p, 0x5a);
	} while (!code && egm_now_ms() < end && !usleep(10000));
	if (!code)
		return "no effect";
	return code == BUS_MCEERR_AR ? "SIGBUS" : "SIGBUS of another code";
}

/* A process with PR_MCE_KILL_EARLY receives SIGBUS before it touches the page. */
static const char *notice_bad(const struct memory *m, int block)
{
	struct sigaction old;

	egm_note_bus(&old);
	if (prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0))
		op_give_up("prctl");
	spoil_page(m, block);
	return egm_bus_code == BUS_MCEERR_AO ? "SIGBUS" : "no signal";
}

const struct operation bad_page_operations[] = {
	{ "bad page, at the next touch", touch_bad, 1 },
	{ "bad page, PR_MCE_KILL_EARLY", notice_bad, 2 },
	{ }
};
