/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by the EGM selftests: open a region, map it, read its content.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef EGM_UTIL_H
#define EGM_UTIL_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EGM_BLOCK	(2UL << 20)
/* The largest PMD entry of any page size. */
#define EGM_HUGE_MAX	(512UL << 20)

/* The region under test: EGM_NODE in the environment, or /dev/egm4. */
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

/*
 * Map where no huge entry fits, one page off: mmap itself fills the page tables. Is
 * unmapped like any other mapping of @len bytes.
 */
static inline void *egm_map_populated(int fd, uint64_t offset, size_t len)
{
	size_t page = sysconf(_SC_PAGESIZE), huge = EGM_HUGE_MAX;
	char *area = mmap(NULL, len + 2 * huge, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *p;
	int err;

	if (area == MAP_FAILED)
		return area;
	p = area + page + (huge - ((uintptr_t)area - offset) % huge);
	munmap(area, p - area);
	munmap(p + len, area + len + 2 * huge - (p + len));
	area = mmap(p, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, offset);
	err = errno;
	if (area == MAP_FAILED)
		munmap(p, len);
	errno = err;
	return area;
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

/* The number that a file begins with; -1 if there is none. */
static inline int64_t egm_read_number(const char *path)
{
	char line[32];

	egm_read_line(path, line, sizeof(line));
	return line[0] ? strtoll(line, NULL, 10) : -1;
}

/* The number after @key in a file of such lines; -1 if there is none. */
static inline long egm_field(const char *path, const char *key)
{
	char line[256];
	long value = -1;
	FILE *f = fopen(path, "r");

	if (!f)
		return -1;
	while (value < 0 && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			value = strtol(line + strlen(key), NULL, 10);
	fclose(f);
	return value;
}

/* KiB of this process's page tables, -1 if unknown. */
static inline long egm_page_tables(void)
{
	return egm_field("/proc/self/status", "VmPTE:");
}

/* Bytes that a PMD entry maps: one page of page table entries. */
static inline size_t egm_pmd_size(void)
{
	size_t page = sysconf(_SC_PAGESIZE);

	return page / sizeof(uint64_t) * page;
}

/* Physical address of memory of this process that was touched; 0 if unknown. */
static inline uint64_t egm_physical(const void *p)
{
	size_t page = sysconf(_SC_PAGESIZE);
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	if (fd < 0)
		return 0;
	if (pread(fd, &entry, sizeof(entry), (uintptr_t)p / page * sizeof(entry)) !=
	    sizeof(entry))
		entry = 0;
	close(fd);
	entry &= (1ULL << 55) - 1;
	return entry ? entry * page + (uintptr_t)p % page : 0;
}

static inline long egm_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* egm_map(), again for as long as another file owns some of it, five seconds at most. */
static inline void *egm_map_wait(int fd, uint64_t offset, size_t len)
{
	long end = egm_now_ms() + 5000;
	void *p;

	do {
		p = egm_map(fd, offset, len);
	} while (p == MAP_FAILED && errno == EBUSY && egm_now_ms() < end && !usleep(1000));
	return p;
}

/* Wait until no other file owns the first @len bytes; 0 or an errno. */
static inline int egm_wait_free(int fd, size_t len)
{
	void *p = egm_map_wait(fd, 0, len);

	return p == MAP_FAILED || munmap(p, len) ? errno : 0;
}

/* "egm4" of "/dev/egm4". */
static inline const char *egm_name(void)
{
	return strrchr(egm_node(), '/') + 1;
}

static inline bool egm_exists(const char *path)
{
	return !access(path, F_OK);
}

/*
 * Why the driver installs no huge entry and populates each mapping in mmap(), or NULL. A realtime
 * kernel has no transparent huge pages.
 */
static inline const char *egm_huge_missing(void)
{
	return egm_exists("/sys/kernel/mm/transparent_hugepage") ? NULL :
	       "the kernel lacks CONFIG_TRANSPARENT_HUGEPAGE, which huge entries need";
}

/* Write a word to a sysfs file; 0 or an errno. */
static inline int egm_write(const char *path, const char *word)
{
	int fd = open(path, O_WRONLY), ret = 0;

	if (fd < 0)
		return errno;
	if (write(fd, word, strlen(word)) < 0)
		ret = errno;
	close(fd);
	return ret;
}

/* Pass a file descriptor to the other end of a socket pair. */
static inline void egm_send_fd(int sock, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = { }, byte = 0;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	sendmsg(sock, &msg, 0);
}

/* Take a passed file descriptor, or -1. */
static inline int egm_receive_fd(int sock)
{
	char control[CMSG_SPACE(sizeof(int))], byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	int fd;

	if (recvmsg(sock, &msg, MSG_DONTWAIT) != 1 || !CMSG_FIRSTHDR(&msg))
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

#endif /* EGM_UTIL_H */
