/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vfio devices by their character devices, and iommufd.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef EGM_IOMMUFD_H
#define EGM_IOMMUFD_H

#include <dirent.h>
#include <linux/iommufd.h>
#include <linux/vfio.h>
#include <sys/ioctl.h>

#include "egm_driver.h"

/* Open the vfio character device of a PCI device that a vfio driver has; or -1. */
static inline int vfio_cdev_open(const char *pci)
{
	char path[PATH_MAX] = "";
	struct dirent *d;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", pci);
	dir = opendir(path);
	path[0] = '\0';
	while (dir && (d = readdir(dir)))
		if (!strncmp(d->d_name, "vfio", 4))
			snprintf(path, sizeof(path), "/dev/vfio/devices/%.32s", d->d_name);
	if (dir)
		closedir(dir);
	return path[0] ? open(path, O_RDWR | O_CLOEXEC) : -1;
}

/* From here on the device can be used; 0 or an errno. */
static inline int vfio_cdev_bind(int device, int iommufd)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind), .iommufd = iommufd };

	return ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, &bind) ? errno : 0;
}

static inline int vfio_cdev_attach(int device, uint32_t ioas)
{
	struct vfio_device_attach_iommufd_pt attach = {
		.argsz = sizeof(attach), .pt_id = ioas,
	};

	return ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach) ? errno : 0;
}

static inline int ioas_alloc(int iommufd, uint32_t *ioas)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };

	if (ioctl(iommufd, IOMMU_IOAS_ALLOC, &alloc))
		return errno;
	*ioas = alloc.out_ioas_id;
	return 0;
}

#define IOAS_MAP_RW	(IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE | \
			 IOMMU_IOAS_MAP_WRITEABLE)

/* Map memory of this process for DMA; 0 or an errno. */
static inline int ioas_map(int iommufd, uint32_t ioas, void *p, uint64_t iova, uint64_t len)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map), .flags = IOAS_MAP_RW, .ioas_id = ioas,
		.user_va = (uintptr_t)p, .length = len, .iova = iova,
	};

	return ioctl(iommufd, IOMMU_IOAS_MAP, &map) ? errno : 0;
}

/* Map a file, from @start on, for DMA; 0 or an errno. */
static inline int ioas_map_file(int iommufd, uint32_t ioas, int fd, uint64_t start,
				uint64_t iova, uint64_t len)
{
	struct iommu_ioas_map_file map = {
		.size = sizeof(map), .flags = IOAS_MAP_RW, .ioas_id = ioas, .fd = fd,
		.start = start, .length = len, .iova = iova,
	};

	return ioctl(iommufd, IOMMU_IOAS_MAP_FILE, &map) ? errno : 0;
}

static inline int ioas_unmap(int iommufd, uint32_t ioas, uint64_t iova, uint64_t len)
{
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap), .ioas_id = ioas, .iova = iova, .length = len,
	};

	return ioctl(iommufd, IOMMU_IOAS_UNMAP, &unmap) ? errno : 0;
}

/* Does the capability chain of a region's description say that it is EGM? */
static inline bool vfio_is_egm(const void *info)
{
	const struct vfio_region_info *region = info;
	const struct vfio_region_info_cap_type *type;
	const struct vfio_info_cap_header *cap;
	uint32_t at;

	if (!(region->flags & VFIO_REGION_INFO_FLAG_CAPS))
		return false;
	for (at = region->cap_offset; at; at = cap->next) {
		cap = info + at;
		type = info + at;
		if (cap->id == VFIO_REGION_INFO_CAP_TYPE &&
		    type->type == (VFIO_REGION_TYPE_PCI_VENDOR_TYPE | 0x10de) &&
		    type->subtype == VFIO_REGION_SUBTYPE_NVIDIA_EGM)
			return true;
	}
	return false;
}

/* The EGM region of a vfio device; false if it has none. */
static inline bool vfio_egm_region(int device, struct vfio_region_info *region)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	uint64_t buf[32];
	struct vfio_region_info *one = (void *)buf;
	uint32_t i;

	if (ioctl(device, VFIO_DEVICE_GET_INFO, &info))
		return false;
	for (i = VFIO_PCI_NUM_REGIONS; i < info.num_regions; i++) {
		memset(buf, 0, sizeof(buf));
		one->argsz = sizeof(buf);
		one->index = i;
		if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, one) ||
		    one->argsz > sizeof(buf) || !vfio_is_egm(buf))
			continue;
		*region = *one;
		return true;
	}
	return false;
}

/* A dma-buf of @count ranges of a region, or -errno. */
static inline int vfio_export_ranges(int device, uint32_t index,
				     const struct vfio_region_dma_range *ranges,
				     uint32_t count)
{
	uint64_t buf[16] = { };
	struct vfio_device_feature *feature = (void *)buf;
	struct vfio_device_feature_dma_buf *dma_buf = (void *)feature->data;
	size_t len = sizeof(*feature) + sizeof(*dma_buf) + count * sizeof(*ranges);
	int fd;

	if (len > sizeof(buf))
		return -E2BIG;
	feature->argsz = len;
	feature->flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_BUF;
	dma_buf->region_index = index;
	dma_buf->open_flags = O_RDWR | O_CLOEXEC;
	dma_buf->nr_ranges = count;
	memcpy(dma_buf->dma_ranges, ranges, count * sizeof(*ranges));
	fd = ioctl(device, VFIO_DEVICE_FEATURE, feature);
	return fd < 0 ? -errno : fd;
}

static inline int vfio_export(int device, uint32_t index, uint64_t offset, uint64_t len)
{
	struct vfio_region_dma_range range = { .offset = offset, .length = len };

	return vfio_export_ranges(device, index, &range, 1);
}

/* Set bits of the command register of a PCI device, and clear others. */
static inline bool vfio_command(int device, uint16_t set, uint16_t clear)
{
	struct vfio_region_info config = {
		.argsz = sizeof(config), .index = VFIO_PCI_CONFIG_REGION_INDEX,
	};
	uint16_t command;

	if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &config) ||
	    pread(device, &command, 2, config.offset + 4) != 2)
		return false;
	command = (command & ~clear) | set;
	return pwrite(device, &command, 2, config.offset + 4) == 2;
}

/* Open a GPU as a VMM does that uses iommufd; or -1. */
static inline int vfio_gpu_open(const char *gpu, int iommufd)
{
	int device = vfio_cdev_open(gpu);

	if (device >= 0 && vfio_cdev_bind(device, iommufd)) {
		close(device);
		return -1;
	}
	return device;
}

/* The addresses of the region's bound GPUs in ascending order; how many. */
static inline int vfio_egm_gpus(char gpus[EGM_MAX_GPUS][32])
{
	int n = egm_gpus(gpus);

	qsort(gpus, n, sizeof(gpus[0]), (int (*)(const void *, const void *))strcmp);
	return n;
}

#endif /* EGM_IOMMUFD_H */
