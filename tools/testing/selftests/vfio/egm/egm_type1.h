/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VFIO type1: containers, groups, and DMA mappings in them.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef EGM_TYPE1_H
#define EGM_TYPE1_H

#include <linux/vfio.h>
#include <sys/ioctl.h>

#include "egm_util.h"

/* A container that has one device. */
struct type1 {
	int container;
	int group;
	int device;
};

/* The IOMMU group of a device that a vfio driver has. */
static inline int open_group(const char *pci)
{
	char path[PATH_MAX], link[PATH_MAX] = { };

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", pci);
	if (readlink(path, link, sizeof(link) - 1) < 0)
		return -1;
	snprintf(path, sizeof(path), "/dev/vfio/%.16s", strrchr(link, '/') + 1);
	return open(path, O_RDWR);
}

/* A container for the device, which a vfio driver has; false if that fails. */
static inline bool type1_up(struct type1 *t, const char *pci)
{
	t->container = open("/dev/vfio/vfio", O_RDWR);
	t->group = open_group(pci);
	if (t->container < 0 || t->group < 0 ||
	    ioctl(t->group, VFIO_GROUP_SET_CONTAINER, &t->container) ||
	    ioctl(t->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return false;
	t->device = ioctl(t->group, VFIO_GROUP_GET_DEVICE_FD, pci);
	return t->device >= 0;
}

static inline void type1_down(struct type1 *t)
{
	close(t->device);
	close(t->group);
	close(t->container);
}

/* Map memory of this process for DMA; 0 or an errno. */
static inline int map_dma(int container, void *p, uint64_t iova, uint64_t len)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map), .flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)p, .iova = iova, .size = len,
	};

	return ioctl(container, VFIO_IOMMU_MAP_DMA, &map) ? errno : 0;
}

static inline int unmap_dma(int container, uint64_t iova, uint64_t len)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap), .iova = iova, .size = len,
	};

	return ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap) ? errno : 0;
}

#endif /* EGM_TYPE1_H */
