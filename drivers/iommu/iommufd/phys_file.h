/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef __IOMMUFD_PHYS_FILE_H
#define __IOMMUFD_PHYS_FILE_H

#include <linux/types.h>

struct file;
struct io_pagetable;
struct iopt_pages;
struct iopt_phys_file;

struct iopt_pages *iopt_alloc_phys_file_pages(struct file *file,
					      unsigned long start_byte,
					      unsigned long start,
					      unsigned long length,
					      bool writable);
struct iopt_pages *iopt_alloc_phys_user_pages(void __user *uptr,
					      unsigned long length,
					      bool writable);
void iopt_phys_file_release(struct iopt_phys_file *phys_file);

int iopt_phys_file_lock(struct io_pagetable *iopt, unsigned long iova,
			unsigned long length, phys_addr_t *phys);
void iopt_phys_file_unlock(struct io_pagetable *iopt, unsigned long iova);

#endif
