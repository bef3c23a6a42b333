/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Extended GPU Memory (EGM) of NVIDIA Grace: ioctls of /dev/egm<pxm>.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef _UAPI_LINUX_EGM_H
#define _UAPI_LINUX_EGM_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define EGM_TYPE	'E'

/**
 * struct egm_retired_page - a range of a region that must not be used
 * @offset: bytes from the start of the region
 * @size: bytes, a multiple of the kernel's page size
 */
struct egm_retired_page {
	__aligned_u64 offset;
	__aligned_u64 size;
};

/**
 * struct egm_retired_pages_list - all such ranges of a region
 * @argsz: in: bytes at this structure, @pages included, at least 8; out: bytes that
 *	   the whole list takes, if that is more
 * @count: out: entries stored in @pages, 0 if @argsz was raised
 * @pages: in ascending order, inside the region; no two overlap or touch
 */
struct egm_retired_pages_list {
	__u32 argsz;
	__u32 count;
	struct egm_retired_page pages[];
};

/**
 * EGM_RETIRED_PAGES_LIST - which ranges of the region must not be used
 *
 * Returns 0 with the list in place, or with @argsz raised and nothing but the header
 * written: then call again with that much room. The list can grow in between; poll()
 * for EPOLLPRI waits for that.
 *
 * Errors: EINVAL, @argsz is below 8; EFAULT; ENODEV, the region is gone; ENOMEM.
 */
#define EGM_RETIRED_PAGES_LIST	_IO(EGM_TYPE, 100)

/**
 * EGM_RETIRED_PAGES_LIST_RW - EGM_RETIRED_PAGES_LIST by its other number
 *
 * Shipped QEMUs use the number above, which does not say that data is exchanged; NVIDIA's
 * newer ones use this one. A client takes an error for a list without pages.
 */
#define EGM_RETIRED_PAGES_LIST_RW	_IOWR('x', 0x01, struct egm_retired_pages_list)

#endif /* _UAPI_LINUX_EGM_H */
