/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Address spaces of iommufd. The library one folder up maps addresses only, read-write, in
 * one address space: it has no IOMMU_IOAS_MAP_FILE, no flags and no second IOAS.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef EGM_IOMMUFD_H
#define EGM_IOMMUFD_H

#include <linux/iommufd.h>
#include <sys/ioctl.h>

#include "egm_driver.h"

static inline int ioas_alloc(int iommufd, uint32_t *ioas)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };

	if (ioctl(iommufd, IOMMU_IOAS_ALLOC, &alloc))
		return errno;
	*ioas = alloc.out_ioas_id;
	return 0;
}

#define IOAS_MAP_RO	(IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE)
#define IOAS_MAP_RW	(IOAS_MAP_RO | IOMMU_IOAS_MAP_WRITEABLE)

static inline int ioas_map_flags(int iommufd, uint32_t ioas, void *p, uint64_t iova,
				 uint64_t len, uint32_t flags)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map), .flags = flags, .ioas_id = ioas,
		.user_va = (uintptr_t)p, .length = len, .iova = iova,
	};

	return ioctl(iommufd, IOMMU_IOAS_MAP, &map) ? errno : 0;
}

/* Map memory of this process for DMA; 0 or an errno. */
static inline int ioas_map(int iommufd, uint32_t ioas, void *p, uint64_t iova, uint64_t len)
{
	return ioas_map_flags(iommufd, ioas, p, iova, len, IOAS_MAP_RW);
}

static inline int ioas_map_file_flags(int iommufd, uint32_t ioas, int fd, uint64_t start,
				      uint64_t iova, uint64_t len, uint32_t flags)
{
	struct iommu_ioas_map_file map = {
		.size = sizeof(map), .flags = flags, .ioas_id = ioas, .fd = fd,
		.start = start, .length = len, .iova = iova,
	};

	return ioctl(iommufd, IOMMU_IOAS_MAP_FILE, &map) ? errno : 0;
}

/* Map a file, from @start on, for DMA; 0 or an errno. */
static inline int ioas_map_file(int iommufd, uint32_t ioas, int fd, uint64_t start,
				uint64_t iova, uint64_t len)
{
	return ioas_map_file_flags(iommufd, ioas, fd, start, iova, len, IOAS_MAP_RW);
}

static inline int ioas_unmap(int iommufd, uint32_t ioas, uint64_t iova, uint64_t len)
{
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap), .ioas_id = ioas, .iova = iova, .length = len,
	};

	return ioctl(iommufd, IOMMU_IOAS_UNMAP, &unmap) ? errno : 0;
}

/* Why no file can be mapped for DMA by iommufd here, or NULL. */
static inline const char *iommufd_missing(void)
{
	return egm_exists("/dev/iommu") ? NULL : "no /dev/iommu";
}

/* Map a range for DMA, which zeroes all of it, and unmap it; 0 or an errno. */
static inline int use_for_dma(int fd, uint64_t offset, uint64_t len)
{
	int iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC), err;
	uint32_t ioas = 0;

	err = ioas_alloc(iommufd, &ioas) ?: ioas_map_file(iommufd, ioas, fd, offset, 0, len);
	close(iommufd);
	return err;
}

#endif /* EGM_IOMMUFD_H */
