/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Physical files: files of drivers that own physical memory without struct page, which
 * iommufd can map for DMA.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef __LINUX_IOMMUFD_PHYS_FILE_H
#define __LINUX_IOMMUFD_PHYS_FILE_H

#include <linux/list.h>
#include <linux/types.h>

struct file;
struct file_operations;

/**
 * struct iommufd_phys_user - a range of a physical file that iommufd maps
 * @elm: list entry for the provider, from a successful attach until detach
 * @revoke: unmap the range from each IOMMU page table, permanently. On return no device can
 *	    access the range through a page table. A hardware queue in the range keeps the
 *	    physical address until its owner destroys the queue, so the memory must belong to
 *	    the file until its release. Idempotent. May sleep. The provider may hold a lock
 *	    that attach or detach takes only if that lock guards nothing but lists of users
 */
struct iommufd_phys_user {
	struct list_head elm;
	void (*revoke)(struct iommufd_phys_user *user);
};

/**
 * struct iommufd_phys_provider - a driver whose files are physical files
 * @fops: file_operations of the files. Their owner is the provider's module, so each open
 *	  file holds the module
 * @attach: set *@phys to the address of the first byte of the range @start, @len of @file.
 *	    The range must be physically contiguous, ordinary cacheable memory that belongs to
 *	    the file until its release. @start and @len are multiples of PAGE_SIZE, @len is not
 *	    0, and their sum can wrap. The provider may call @user->revoke as soon as it has
 *	    set *@phys. Return 0 or a negative errno, which the ioctl returns. After an error
 *	    @user must be on no list, and no call of @user->revoke may be running
 * @detach: iommufd has unmapped the range and frees @user after this callback returns. The
 *	    callback waits for a running @user->revoke
 * @elm: list entry for iommufd
 *
 * iommufd holds the file from before attach until after detach. A mapping of the file must be
 * linear: vm_pgoff is the offset in the file. Both callbacks may sleep. iommufd calls them
 * without the locks that @user->revoke takes.
 */
struct iommufd_phys_provider {
	const struct file_operations *fops;
	int (*attach)(struct file *file, u64 start, u64 len,
		      struct iommufd_phys_user *user, phys_addr_t *phys);
	void (*detach)(struct file *file, struct iommufd_phys_user *user);
	struct list_head elm;
};

void iommufd_register_phys_provider(struct iommufd_phys_provider *provider);
void iommufd_unregister_phys_provider(struct iommufd_phys_provider *provider);

#endif /* __LINUX_IOMMUFD_PHYS_FILE_H */
