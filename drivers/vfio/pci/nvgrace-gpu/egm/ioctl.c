// SPDX-License-Identifier: GPL-2.0-only
/*
 * The list of retired pages for user space, and waiting for it to change.
 *
 * Clients of this ioctl are in the field, and take any error for "no bad pages".
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include "ioctl.h"

#include <linux/cleanup.h>
#include <linux/egm.h>
#include <linux/fs.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "mapping.h"
#include "region.h"

static_assert(sizeof(struct egm_retired_pages_list) == 8);
static_assert(sizeof(struct egm_retired_page) == 16);
static_assert(EGM_RETIRED_PAGES_LIST == 0x4564);
static_assert(EGM_RETIRED_PAGES_LIST_RW == 0xc0087801);

static long egm_retired_pages_list(struct egm_file *efile,
				   struct egm_retired_pages_list __user *arg)
{
	struct egm_retired *retired = &efile->region->retired;
	struct egm_retired_page *pages __free(kvfree) = NULL;
	struct egm_retired_pages_list head;
	unsigned long generation;
	size_t need, count, max = 0;
	u32 argsz;

	if (get_user(argsz, &arg->argsz))
		return -EFAULT;
	if (argsz < sizeof(head))
		return -EINVAL;

	if (egm_region_is_gone(efile->region))
		return -ENODEV;

	/* One consistent snapshot: it may have grown since it was counted. */
	while ((count = egm_retired_list(retired, pages, max, &generation)) > max) {
		need = struct_size(arg, pages, count);
		if (need > argsz) {
			head.argsz = need;
			head.count = 0;
			return copy_to_user(arg, &head, sizeof(head)) ? -EFAULT : 0;
		}
		kvfree(pages);
		max = count;
		pages = kvmalloc_array(max, sizeof(*pages), GFP_KERNEL_ACCOUNT);
		if (!pages)
			return -ENOMEM;
	}

	head.argsz = argsz;
	head.count = count;
	if (copy_to_user(arg->pages, pages, count * sizeof(*pages)) ||
	    copy_to_user(arg, &head, sizeof(head)))
		return -EFAULT;
	WRITE_ONCE(efile->seen, generation);
	return 0;
}

/**
 * egm_ioctl - ioctl of a region's device node, as file operation
 * @file: an open file
 * @cmd: EGM_RETIRED_PAGES_LIST or EGM_RETIRED_PAGES_LIST_RW
 * @arg: struct egm_retired_pages_list in user space
 *
 * Context: may sleep.
 * Return: 0; -ENOTTY for any other command, whatever @arg is; see linux/egm.h.
 */
long egm_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case EGM_RETIRED_PAGES_LIST:
	case EGM_RETIRED_PAGES_LIST_RW:
		return egm_retired_pages_list(file->private_data, (void __user *)arg);
	default:
		return -ENOTTY;
	}
}

/**
 * egm_poll - poll of a region's device node, as file operation
 * @file: an open file
 * @wait: where to wait
 *
 * Context: may sleep.
 * Return: EPOLLPRI if pages were retired since this file was opened or last read the
 * list; EPOLLERR and EPOLLHUP if the region is gone.
 */
__poll_t egm_poll(struct file *file, poll_table *wait)
{
	struct egm_file *efile = file->private_data;
	struct egm_region *region = efile->region;
	__poll_t mask = 0;

	poll_wait(file, &region->wait, wait);
	if (egm_region_is_gone(region))
		mask |= EPOLLERR | EPOLLHUP;
	if (READ_ONCE(efile->seen) != egm_retired_generation(&region->retired))
		mask |= EPOLLPRI;
	return mask;
}
