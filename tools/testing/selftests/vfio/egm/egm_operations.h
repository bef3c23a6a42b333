/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Operations of programs on a memory file, for egm_operations.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef EGM_OPERATIONS_H
#define EGM_OPERATIONS_H

#include "kselftest.h"
#include "egm_util.h"

/* The memory under test. Each operation has a process and an open file of its own. */
struct memory {
	const char *path;
	size_t len;	/* bytes to map, a multiple of every huge page size in use */
	int node;	/* the NUMA node of the memory by its attributes */
	int fd;
};

/* Return the result: "yes", the name of an errno, or a short word. */
struct operation {
	const char *name;
	const char *(*run)(const struct memory *m, int arg);
	int arg;
};

/* Each ends with an entry without a name. */
extern const struct operation map_operations[];
extern const struct operation advice_operations[];
extern const struct operation io_operations[];
extern const struct operation futex_operations[];
extern const struct operation process_operations[];
extern const struct operation dma_operations[];
extern const struct operation bad_page_operations[];

/* Report that @what failed before the operation could run, with errno; end the process. */
void __noreturn op_give_up(const char *what);

/* Map all of the memory, shared; wait until the file of the operation before is released. */
char *op_map(const struct memory *m);

/* The same from @offset on. */
char *op_map_at(const struct memory *m, uint64_t offset);

/* Another open file of the memory. */
int op_open(const struct memory *m);

/* Bytes that the memory's file has. */
uint64_t op_file_size(const struct memory *m);

/* Wait for a child: 0 if it exits with 0, else its signal, or -1. */
int op_wait(pid_t pid);

/* "yes" for 0, else the errno's name. */
static inline const char *op_answer(int err)
{
	return err ? strerrorname_np(err) : "yes";
}

/* The same of what a system call returned. */
static inline const char *op_result(long ret)
{
	return op_answer(ret < 0 ? errno : 0);
}

/* The compiler neither drops nor moves the accesses. */
static inline void op_touch(char *p)
{
	asm volatile("" : : : "memory");
	*p = 0x5a;
	asm volatile("" : : : "memory");
}

static inline char op_look(const char *p)
{
	asm volatile("" : : : "memory");
	return *p;
}

#endif /* EGM_OPERATIONS_H */
