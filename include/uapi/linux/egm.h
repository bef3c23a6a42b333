/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Extended GPU Memory (EGM) of NVIDIA Grace: ioctls of /dev/egm<pxm>.
 *
 * The name of the device, the ioctl and its structures come from the RFC "vfio/nvgrace-egm" by
 * Ankit Agrawal and others of NVIDIA.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef _UAPI_LINUX_EGM_H
#define _UAPI_LINUX_EGM_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define EGM_TYPE	'E'

/**
 * struct egm_retired_page - a range of retired pages
 * @offset: first byte, as offset into the region
 * @size: bytes, a multiple of the kernel's page size
 */
struct egm_retired_page {
	__aligned_u64 offset;
	__aligned_u64 size;
};

/**
 * struct egm_retired_pages_list - the list of retired pages of a region
 * @argsz: in: bytes of this structure and @pages, at least 8; out: bytes that the whole list
 *	   needs, if that is more
 * @count: out: number of entries in @pages, 0 if @argsz was raised
 * @pages: in ascending order; the ranges neither overlap nor touch
 */
struct egm_retired_pages_list {
	__u32 argsz;
	__u32 count;
	struct egm_retired_page pages[];
};

/**
 * EGM_RETIRED_PAGES_LIST - read the list of retired pages of a region
 *
 * Retired pages must not be used as memory. The ioctl returns 0 and copies either the whole
 * list, or the header alone with a raised @argsz: then call again with a buffer of that size.
 * The list can grow between the calls. poll() reports EPOLLPRI when the list has grown.
 *
 * Errors:
 *
 *  - EINVAL: @argsz is less than 8
 *  - EFAULT: the buffer is not accessible
 *  - ENODEV: the region was unbound
 *  - ENOMEM: out of memory
 *
 * _IO() does not encode that the ioctl reads and writes a structure. Deployed VMMs use this
 * number, so it cannot change.
 */
#define EGM_RETIRED_PAGES_LIST	_IO(EGM_TYPE, 100)

/**
 * EGM_RETIRED_PAGES_LIST_RW - EGM_RETIRED_PAGES_LIST with a second number
 *
 * The number of NVIDIA's newer kernels and VMMs. The driver supports both, because a VMM
 * treats an error as an empty list.
 */
#define EGM_RETIRED_PAGES_LIST_RW	_IOWR('x', 0x01, struct egm_retired_pages_list)

#endif /* _UAPI_LINUX_EGM_H */
