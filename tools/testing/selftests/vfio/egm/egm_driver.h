/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The administrator's interface of the driver: bind and unbind, sysfs attributes of a region,
 * the number of workers that zero ahead of need.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef EGM_DRIVER_H
#define EGM_DRIVER_H

#include <sys/stat.h>

#include "egm_util.h"

#define EGM_CLASS	"/sys/class/egm"
#define EGM_MODULE	"/sys/module/nvgrace_egm"
#define EGM_WORKERS	EGM_MODULE "/parameters/scrub_workers"
#define EGM_GPU_DRIVER	"/sys/bus/pci/drivers/nvgrace_gpu_vfio_pci/"
#define EGM_AUX_DRIVER	"/sys/bus/auxiliary/drivers/nvgrace_egm/"
#define EGM_MAX_GPUS	8

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

/* Bring the region back, and its driver, if a test has left them out; is it there? */
static inline bool egm_bind_again(void)
{
	if (!egm_exists(EGM_AUX_DRIVER) && system("modprobe nvgrace-egm"))
		return false;
	if (!egm_exists(egm_node()))
		egm_adev_bind();
	return egm_exists(egm_node());
}

/* egm_bind_again() after binding the GPUs of the region's socket; are all bound? */
static inline bool egm_bind_all(char gpus[EGM_MAX_GPUS][32], int n)
{
	bool all = true;
	int i;

	if (!egm_exists(EGM_GPU_DRIVER) && system("modprobe nvgrace-gpu-vfio-pci"))
		return false;
	for (i = 0; i < n; i++)
		if (!egm_gpu_is_bound(gpus[i]) && egm_gpu_bind(gpus[i]))
			all = false;
	return egm_bind_again() && all;
}

/*
 * Does the core kernel have this change of the driver's series? A module that was built outside
 * the kernel's source names the changes that its build found; one of the kernel needs all.
 */
static inline bool egm_core_has(const char *change)
{
	char command[128];

	snprintf(command, sizeof(command),
		 "/sbin/modinfo -F core_changes nvgrace-egm 2>/dev/null | grep -q '%s=no'", change);
	return system(command) != 0;
}

/* The reason with which a test skips. */
#define EGM_CORE_LACKS	"the core kernel lacks the driver's change of "

/* Path of an attribute or link of the region under test, until the next call. */
static inline const char *egm_attr(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), EGM_CLASS "/%s/%s", egm_name(), name);
	return path;
}

/* The PCI addresses of the region's GPUs; how many. */
static inline int egm_gpus(char gpus[EGM_MAX_GPUS][32])
{
	FILE *f = fopen(egm_attr("gpu_devices"), "r");
	int n = 0;

	if (!f)
		return 0;
	while (n < EGM_MAX_GPUS && fgets(gpus[n], sizeof(gpus[n]), f)) {
		gpus[n][strcspn(gpus[n], "\n")] = '\0';
		n++;
	}
	fclose(f);
	return n;
}

/* The same in ascending order. */
static inline int egm_gpus_sorted(char gpus[EGM_MAX_GPUS][32])
{
	int n = egm_gpus(gpus);

	qsort(gpus, n, sizeof(gpus[0]), (int (*)(const void *, const void *))strcmp);
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

/* SPA of the region under test, 0 if its range is not claimed in /proc/iomem. */
static inline uint64_t egm_base(void)
{
	uint64_t start = 0;

	egm_claimed(&start);
	return start;
}

static inline void egm_set_workers(int n)
{
	char word[16];

	snprintf(word, sizeof(word), "%d", n);
	egm_write(EGM_WORKERS, word);
}

/* For egm_set_workers() when a test is over; -1 without the driver. */
static inline int egm_workers(void)
{
	return egm_read_number(EGM_WORKERS);
}

/* Bytes of the region that are not zeroed yet, -1 if unknown. */
static inline int64_t egm_pending(void)
{
	return egm_read_number(egm_attr("scrub_pending"));
}

/* Wait until nothing is pending; false if it takes more than a minute. */
static inline bool egm_wait_zeroed(void)
{
	int i;

	for (i = 0; i < 6000 && egm_pending(); i++)
		usleep(10000);
	return !egm_pending();
}

/* Path of a second node of the region in /dev: systemd mounts /tmp with nodev. */
static inline const char *egm_private_node(void)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%.*s/private-%s",
		 (int)(strrchr(egm_node(), '/') - egm_node()), egm_node(), egm_name());
	return path;
}

/* Create the second node and open the region through it, or -1. The caller unlinks it. */
static inline int egm_open_mknod(void)
{
	struct stat st;

	unlink(egm_private_node());
	if (stat(egm_node(), &st) || mknod(egm_private_node(), S_IFCHR | 0600, st.st_rdev))
		return -1;
	return open(egm_private_node(), O_RDWR | O_CLOEXEC);
}

#endif /* EGM_DRIVER_H */
