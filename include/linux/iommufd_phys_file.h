/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Physical files: files whose driver owns physical memory without struct page, and lets
 * iommufd map it for DMA.
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
 * @elm: for the provider, from a successful attach to detach
 * @revoke: unmap the range from every IOMMU page table, for good. On return no device
 *	    reaches it through one. A hardware queue in it has its physical address until
 *	    its owner destroys the queue: the memory must stay the file's until release.
 *	    It is idempotent. May sleep; the provider must not hold a lock that
 *	    it takes in attach or detach around anything but lists of users
 */
struct iommufd_phys_user {
	struct list_head elm;
	void (*revoke)(struct iommufd_phys_user *user);
};

/**
 * struct iommufd_phys_provider - a driver whose files are physical files
 * @fops: the file_operations of those files. Their owner is the provider's module, which
 *	  is therefore there as long as any of its files
 * @attach: return in *@phys the address of the first byte of the range @start, @len of
 *	    @file, which is physically contiguous, ordinary cacheable memory, and stays
 *	    the file's until its release. @start and @len are multiples of PAGE_SIZE, @len
 *	    is not 0, their sum may wrap. From its return on, or earlier, the provider may
 *	    call @user->revoke. Set *@phys before that. Return 0 or a negative errno,
 *	    which the ioctl returns; @user is then on no list, and no revoke is running
 * @detach: iommufd has unmapped the range and does not know @user after the return; waits
 *	    for a revoke in progress
 * @elm: for iommufd
 *
 * iommufd holds a reference to the file from before attach to after detach. Mappings of the
 * file are linear: offset in the file and vm_pgoff are the same. Both callbacks may sleep and
 * are called without locks of iommufd that @user->revoke takes.
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
