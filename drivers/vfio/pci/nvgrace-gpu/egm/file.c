// SPDX-License-Identifier: GPL-2.0-only
/*
 * An open file of a region's device node, and its file operations. mapping.c has mmap.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include "egm.h"

#include <linux/array_size.h>
#include <linux/cleanup.h>
#include <linux/egm.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/poll.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

static_assert(sizeof(struct egm_retired_pages_list) == 8);
static_assert(sizeof(struct egm_retired_page) == 16);
static_assert(EGM_RETIRED_PAGES_LIST == 0x4564);
static_assert(EGM_RETIRED_PAGES_LIST_RW == 0xc0087801);

static struct egm_file *egm_file_alloc(void)
{
	struct egm_file *efile = kzalloc_obj(*efile, GFP_KERNEL_ACCOUNT);
	int i;

	if (!efile)
		return NULL;
	egm_owner_init(&efile->owner);
	for (i = 0; i < ARRAY_SIZE(efile->huge_lock); i++)
		mutex_init(&efile->huge_lock[i]);
	return efile;
}

static void egm_file_attach(struct file *file, struct egm_file *efile,
			    struct egm_region *region)
{
	efile->region = egm_region_get(region);
	efile->seen = egm_retired_generation(&region->retired);

	/*
	 * One address_space for all mappings of the region. Each node that mknod made has
	 * an address_space of its own.
	 */
	file->f_mapping = region->inode->i_mapping;
	file->private_data = efile;
}

static int egm_file_open(struct inode *inode, struct file *file)
{
	struct egm_chardev *chardev =
		container_of(inode->i_cdev, struct egm_chardev, cdev);

	struct egm_file *efile __free(kfree) = egm_file_alloc();
	if (!efile)
		return -ENOMEM;

	guard(mutex)(&chardev->lock);
	if (!chardev->region)
		return -ENODEV;
	egm_file_attach(file, no_free_ptr(efile), chardev->region);
	return 0;
}

static int egm_file_release(struct inode *inode, struct file *file)
{
	struct egm_file *efile = file->private_data;

	/* Each mapping holds the file, so no mapping is left. */
	egm_region_release(efile->region, &efile->owner);
	egm_region_put(efile->region);
	kfree(efile);
	return 0;
}

static loff_t egm_file_llseek(struct file *file, loff_t offset, int whence)
{
	struct egm_file *efile = file->private_data;

	if (egm_region_is_revoked(efile->region))
		return -ENODEV;
	return fixed_size_llseek(file, offset, whence, efile->region->size);
}

/* Deployed VMMs treat each error of this ioctl as an empty list. */
static long egm_file_list_retired(struct egm_file *efile,
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

	if (egm_region_is_revoked(efile->region))
		return -ENODEV;

	/* The list can grow between the call that counts and the call that copies: retry. */
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

static long egm_file_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case EGM_RETIRED_PAGES_LIST:
	case EGM_RETIRED_PAGES_LIST_RW:
		return egm_file_list_retired(file->private_data, (void __user *)arg);
	default:
		return -ENOTTY;
	}
}

/*
 * EPOLLPRI: pages were retired since the file was opened, or since its user last read the
 * list. EPOLLERR and EPOLLHUP: the region was revoked.
 */
static __poll_t egm_file_poll(struct file *file, poll_table *wait)
{
	struct egm_file *efile = file->private_data;
	struct egm_region *region = efile->region;
	__poll_t mask = 0;

	poll_wait(file, &region->wait, wait);
	if (egm_region_is_revoked(region))
		mask |= EPOLLERR | EPOLLHUP;
	if (READ_ONCE(efile->seen) != egm_retired_generation(&region->retired))
		mask |= EPOLLPRI;
	return mask;
}

/* For a reader of /proc/PID/fdinfo: Documentation/ABI/testing/sysfs-class-egm has the lines. */
static void egm_file_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct egm_file *efile = file->private_data;
	struct egm_opener opener;
	u64 offset, len;

	seq_printf(m, "egm-region:\t%s\n", efile->region->name);
	for (offset = 0; !seq_has_overflowed(m) &&
	     egm_region_next_owned(efile->region, &efile->owner, &offset, &len, &opener);
	     offset += len)
		seq_printf(m, "egm-owned:\t%#llx %#llx\n", offset, len);
}

const struct file_operations egm_file_fops = {
	.owner = THIS_MODULE,
	.open = egm_file_open,
	.release = egm_file_release,
	.llseek = egm_file_llseek,
	.poll = egm_file_poll,
	.unlocked_ioctl = egm_file_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.show_fdinfo = egm_file_show_fdinfo,
	.get_unmapped_area = egm_mapping_get_unmapped_area,
	.mmap_prepare = egm_mapping_prepare,
};
