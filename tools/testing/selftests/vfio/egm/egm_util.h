/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by the EGM selftests: find regions, map them, look at what is in them.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef EGM_UTIL_H
#define EGM_UTIL_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define EGM_CLASS	"/sys/class/egm"
#define EGM_BLOCK	(2UL << 20)

/* The region under test: EGM_NODE in the environment, or the first one. */
static inline const char *egm_node(void)
{
	const char *node = getenv("EGM_NODE");

	return node ? node : "/dev/egm4";
}

static inline int egm_open(void)
{
	return open(egm_node(), O_RDWR | O_CLOEXEC);
}

/* Bytes of the region behind @fd, or 0. */
static inline uint64_t egm_size(int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);

	return size < 0 ? 0 : size;
}

static inline void *egm_map(int fd, uint64_t offset, size_t len)
{
	return mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
}

/* The errno of an attempt to map, 0 if it succeeded (and was undone). */
static inline int egm_map_errno(int fd, uint64_t offset, size_t len, int flags)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, flags, fd, offset);

	if (p == MAP_FAILED)
		return errno;
	munmap(p, len);
	return 0;
}

/* Offset of the first byte that is not zero, or @len if there is none. */
static inline size_t egm_first_nonzero(const void *p, size_t len)
{
	const uint64_t *w = p;
	size_t i;

	for (i = 0; i < len / sizeof(*w); i++)
		if (w[i])
			return i * sizeof(*w);
	return len;
}

/* Read one line of a file without its newline; "" if there is none. */
static inline void egm_read_line(const char *path, char *line, size_t len)
{
	FILE *f = fopen(path, "r");

	line[0] = '\0';
	if (!f)
		return;
	if (fgets(line, len, f))
		line[strcspn(line, "\n")] = '\0';
	fclose(f);
}

#endif /* EGM_UTIL_H */
