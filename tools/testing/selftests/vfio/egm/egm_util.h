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
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define EGM_CLASS	"/sys/class/egm"
#define EGM_BLOCK	(2UL << 20)
/* The largest PMD entry of any page size; regions under test are aligned to it. */
#define EGM_HUGE_MAX	(512UL << 20)

/* The region under test: EGM_NODE in the environment, or that of PXM 4. */
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

/* "egm4" of "/dev/egm4". */
static inline const char *egm_name(void)
{
	return strrchr(egm_node(), '/') + 1;
}

static inline bool egm_exists(const char *path)
{
	return !access(path, F_OK);
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

#define EGM_GPU_DRIVER	"/sys/bus/pci/drivers/nvgrace_gpu_vfio_pci/"
#define EGM_AUX_DRIVER	"/sys/bus/auxiliary/drivers/nvgrace_egm.nvgrace_egm/"

static inline bool egm_gpu_is_bound(const char *gpu)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), EGM_GPU_DRIVER "%s", gpu);
	return egm_exists(path);
}

static inline int egm_gpu_bind(const char *gpu)
{
	return egm_write(EGM_GPU_DRIVER "bind", gpu);
}

static inline int egm_gpu_unbind(const char *gpu)
{
	return egm_write(EGM_GPU_DRIVER "unbind", gpu);
}

/* The auxiliary device of the region under test. */
static inline const char *egm_adev(void)
{
	static char name[64];

	snprintf(name, sizeof(name), "nvgrace_gpu_vfio_pci.egm.%s", egm_name() + 3);
	return name;
}

static inline int egm_adev_bind(void)
{
	return egm_write(EGM_AUX_DRIVER "bind", egm_adev());
}

static inline int egm_adev_unbind(void)
{
	return egm_write(EGM_AUX_DRIVER "unbind", egm_adev());
}

#define EGM_MAX_GPUS	8

/* The PCI addresses of the region's GPUs; how many. */
static inline int egm_gpus(char gpus[EGM_MAX_GPUS][32])
{
	char path[PATH_MAX];
	int n = 0;
	FILE *f;

	snprintf(path, sizeof(path), EGM_CLASS "/%s/gpu_devices", egm_name());
	f = fopen(path, "r");
	if (!f)
		return 0;
	while (n < EGM_MAX_GPUS && fgets(gpus[n], sizeof(gpus[n]), f)) {
		gpus[n][strcspn(gpus[n], "\n")] = '\0';
		n++;
	}
	fclose(f);
	return n;
}

/* The range that the region's name claims in /proc/iomem. */
static inline bool egm_claimed(uint64_t *start)
{
	unsigned long long first, last;
	char line[256], name[64];
	bool found = false;
	FILE *f = fopen("/proc/iomem", "r");

	if (!f)
		return false;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, " %llx-%llx : %63s", &first, &last, name) == 3 &&
		    !strcmp(name, egm_name())) {
			found = true;
			if (start)
				*start = first;
		}
	}
	fclose(f);
	return found;
}

/* SPA of the region under test, 0 if nobody claims it. */
static inline uint64_t egm_base(void)
{
	uint64_t start = 0;

	egm_claimed(&start);
	return start;
}

#define EGM_WORKERS	"/sys/module/nvgrace_egm/parameters/scrub_workers"

static inline void egm_set_workers(int n)
{
	char word[16];

	snprintf(word, sizeof(word), "%d", n);
	egm_write(EGM_WORKERS, word);
}

/* Bytes of the region that are not zeroed yet; -1 if it does not say. */
static inline int64_t egm_pending(void)
{
	char path[PATH_MAX], line[32];

	snprintf(path, sizeof(path), EGM_CLASS "/%s/scrub_pending", egm_name());
	egm_read_line(path, line, sizeof(line));
	return line[0] ? strtoll(line, NULL, 10) : -1;
}

/* Wait until nothing is pending; false if it takes more than a minute. */
static inline bool egm_wait_zeroed(void)
{
	int i;

	for (i = 0; i < 6000 && egm_pending(); i++)
		usleep(10000);
	return !egm_pending();
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

static sigjmp_buf egm_bus_jump;

static inline void egm_bus_handler(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	siglongjmp(egm_bus_jump, info->si_code);
}

/* Read (and, with @value not 0, write) a byte: 0, or the si_code of the SIGBUS. */
static inline int egm_touch(char *p, char value)
{
	struct sigaction action = {
		.sa_sigaction = egm_bus_handler, .sa_flags = SA_SIGINFO | SA_NODEFER,
	}, old;
	int code;

	sigaction(SIGBUS, &action, &old);
	code = sigsetjmp(egm_bus_jump, 1);
	if (!code) {
		/* The compiler may not drop, merge or move either access. */
		asm volatile("" : : "r" (*p) : "memory");
		if (value)
			*p = value;
		asm volatile("" : : : "memory");
	}
	sigaction(SIGBUS, &old, NULL);
	return code;
}

#endif /* EGM_UTIL_H */
