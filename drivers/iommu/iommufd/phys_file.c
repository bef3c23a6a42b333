// SPDX-License-Identifier: GPL-2.0-only
/*
 * Map files whose driver owns physical memory without struct page.
 *
 * Such memory cannot be pinned. The driver returns one physical range, which belongs to the
 * file until its release, and iommufd holds the file while it maps the range. iommufd tracks
 * the range like a range of a dma-buf, so that the driver can revoke it. Unlike a dma-buf, the
 * range is mapped cacheable.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include "phys_file.h"

#include <linux/cleanup.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/iommufd_phys_file.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/pagemap.h>
#include <linux/slab.h>

#include "io_pagetable.h"

/**
 * struct iopt_phys_file - a range of a physical file, for one struct iopt_pages
 * @user: the provider's handle, from attach until detach
 * @provider: provider of @file
 * @file: the file, with a reference
 * @pages: the pages structure of the range
 */
struct iopt_phys_file {
	struct iommufd_phys_user user;
	struct iommufd_phys_provider *provider;
	struct file *file;
	struct iopt_pages *pages;
};

static DEFINE_MUTEX(iommufd_phys_providers_lock);
static LIST_HEAD(iommufd_phys_providers);

/**
 * iommufd_register_phys_provider - let iommufd map files of a driver
 * @provider: the driver
 *
 * Context: may sleep.
 */
void iommufd_register_phys_provider(struct iommufd_phys_provider *provider)
{
	guard(mutex)(&iommufd_phys_providers_lock);
	list_add(&provider->elm, &iommufd_phys_providers);
}
EXPORT_SYMBOL_NS_GPL(iommufd_register_phys_provider, "IOMMUFD");

/**
 * iommufd_unregister_phys_provider - undo iommufd_register_phys_provider()
 * @provider: the driver; none of its files is open
 *
 * Context: may sleep.
 */
void iommufd_unregister_phys_provider(struct iommufd_phys_provider *provider)
{
	guard(mutex)(&iommufd_phys_providers_lock);
	list_del(&provider->elm);
}
EXPORT_SYMBOL_NS_GPL(iommufd_unregister_phys_provider, "IOMMUFD");

/* Find the provider of @file. The open file holds the provider's module. */
static struct iommufd_phys_provider *iommufd_phys_provider_of(struct file *file)
{
	struct iommufd_phys_provider *provider;

	guard(mutex)(&iommufd_phys_providers_lock);
	list_for_each_entry(provider, &iommufd_phys_providers, elm)
		if (provider->fops == file->f_op)
			return provider;
	return NULL;
}

static void iopt_phys_file_revoke(struct iommufd_phys_user *user)
{
	struct iopt_pages *pages =
		container_of(user, struct iopt_phys_file, user)->pages;
	struct iopt_pages_dmabuf_track *track;

	guard(mutex)(&pages->mutex);
	if (iopt_dmabuf_revoked(pages))
		return;

	list_for_each_entry(track, &pages->dmabuf.tracker, elm)
		iopt_area_unmap_domain(track->area, track->domain);
	pages->dmabuf.phys.len = 0;
}

static struct iopt_pages *
iopt_phys_file_attach(struct iommufd_phys_provider *provider, struct file *file,
		      unsigned long start_byte, unsigned long start,
		      unsigned long length, bool writable)
{
	static struct lock_class_key pages_phys_mutex_key;
	struct iopt_pages *pages;
	u64 first = start - start_byte;
	int rc;

	struct iopt_phys_file *phys_file __free(kfree) =
		kzalloc_obj(*phys_file, GFP_KERNEL_ACCOUNT);
	if (!phys_file)
		return ERR_PTR(-ENOMEM);

	pages = iopt_alloc_file_pages(file, start_byte, start, length, writable);
	if (IS_ERR(pages))
		return pages;
	/* struct pfn_batch counts PFNs in a u32 */
	if (pages->npages > U32_MAX) {
		iopt_put_pages(pages);
		return ERR_PTR(-EINVAL);
	}

	/*
	 * A provider can call revoke, which takes this mutex, under a lock that it also
	 * takes in a fault, below mmap_lock. Other pages take mmap_lock under their mutex to
	 * pin; pages of a physical file do not. So they have a lock class of their own.
	 */
	lockdep_set_class(&pages->mutex, &pages_phys_mutex_key);

	/* phys_file now owns the reference that pages had to the file. */
	phys_file->provider = provider;
	phys_file->file = file;
	phys_file->pages = pages;
	phys_file->user.revoke = iopt_phys_file_revoke;
	INIT_LIST_HEAD(&phys_file->user.elm);

	memset(&pages->dmabuf, 0, sizeof(pages->dmabuf));
	INIT_LIST_HEAD(&pages->dmabuf.tracker);
	/* 0 means revoked. Set the length before attach, in which the provider can revoke. */
	pages->dmabuf.phys.len = pages->npages * PAGE_SIZE;
	pages->account_mode = IOPT_PAGES_ACCOUNT_NONE;
	pages->type = IOPT_ADDRESS_DMABUF;

	rc = provider->attach(file, first, pages->npages * PAGE_SIZE,
			      &phys_file->user, &pages->dmabuf.phys.paddr);
	if (rc) {
		iopt_put_pages(pages);
		fput(file);
		return ERR_PTR(rc);
	}
	pages->dmabuf.file = no_free_ptr(phys_file);
	return pages;
}

/**
 * iopt_alloc_phys_file_pages() - Allocate pages for a range of a physical file
 * @file: the file
 * @start_byte: bytes of the first page that are before the range
 * @start: first byte of the range, as offset in the file
 * @length: bytes of the range; the caller has checked that the range does not wrap
 * @writable: devices may write to the range
 *
 * Context: may sleep, for long if the provider must prepare the memory.
 * Return: the pages; NULL if the file has no provider; ERR_PTR: -EACCES if the file was not
 * opened for the access, -EINVAL if the range is too long, -ENOMEM, or the provider's errno.
 */
struct iopt_pages *iopt_alloc_phys_file_pages(struct file *file,
					      unsigned long start_byte,
					      unsigned long start,
					      unsigned long length,
					      bool writable)
{
	struct iommufd_phys_provider *provider = iommufd_phys_provider_of(file);

	if (!provider)
		return NULL;
	if (!(file->f_mode & FMODE_READ) ||
	    (writable && !(file->f_mode & FMODE_WRITE)))
		return ERR_PTR(-EACCES);
	return iopt_phys_file_attach(provider, file, start_byte, start, length,
				     writable);
}

/* Find the file that a range of addresses maps, if one VMA maps it, and the offset in it. */
static struct file *iopt_phys_file_at(unsigned long addr, unsigned long length,
				      bool writable, u64 *start)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;

	guard(mmap_read_lock)(mm);
	vma = vma_lookup(mm, addr);
	if (!vma || !vma->vm_file || !(vma->vm_flags & VM_PFNMAP) ||
	    !(vma->vm_flags & VM_MAYSHARE) ||
	    length > vma->vm_end - addr || !(vma->vm_flags & VM_READ) ||
	    (writable && !(vma->vm_flags & VM_WRITE)))
		return NULL;
	*start = ((u64)linear_page_index(vma, addr) << PAGE_SHIFT) +
		 offset_in_page(addr);
	return get_file(vma->vm_file);
}

/**
 * iopt_alloc_phys_user_pages() - Allocate pages for addresses that map a physical file
 * @uptr: first address
 * @length: bytes
 * @writable: devices may write to the range
 *
 * Context: may sleep, for long if the provider must prepare the memory; takes mmap_lock.
 * Return: the pages; NULL if the range is not inside one mapping of a physical file that
 * allows the access; ERR_PTR with an errno of iopt_alloc_phys_file_pages().
 */
struct iopt_pages *iopt_alloc_phys_user_pages(void __user *uptr,
					      unsigned long length,
					      bool writable)
{
	unsigned long addr = (unsigned long)untagged_addr(uptr);
	struct iopt_pages *pages;
	struct file *file;
	u64 start;

	if (!length || list_empty_careful(&iommufd_phys_providers))
		return NULL;
	file = iopt_phys_file_at(addr, length, writable, &start);
	if (!file)
		return NULL;
	pages = iopt_alloc_phys_file_pages(file, offset_in_page(start), start,
					   length, writable);
	fput(file);
	return pages;
}

/**
 * iopt_phys_file_release() - Detach a range, and drop its reference to the file
 * @phys_file: the range, which is not mapped
 */
void iopt_phys_file_release(struct iopt_phys_file *phys_file)
{
	phys_file->provider->detach(phys_file->file, &phys_file->user);
	fput(phys_file->file);
	kfree(phys_file);
}

/**
 * iopt_phys_file_lock() - Prevent the unmapping of a range of a physical file
 * @iopt: page table that maps the range
 * @iova: first address
 * @length: bytes
 * @phys: set to the physical address of @iova
 *
 * For hardware that accesses memory by physical address. Revocation does not stop such
 * hardware, but the memory belongs to the file until the range is unlocked and unmapped.
 *
 * Return: 0; -ENOENT if @iova does not map a physical file; -EFAULT if the range is not
 * inside one mapping; -EPERM if the mapping is not readable; -ENODEV if the range was revoked.
 */
int iopt_phys_file_lock(struct io_pagetable *iopt, unsigned long iova,
			unsigned long length, phys_addr_t *phys)
{
	struct iopt_area *area;
	struct iopt_pages *pages;

	guard(rwsem_read)(&iopt->iova_rwsem);
	area = iopt_area_iter_first(iopt, iova, iova);
	pages = area ? area->pages : NULL;
	if (!pages || !iopt_is_dmabuf(pages) || !pages->dmabuf.file)
		return -ENOENT;
	if (length > iopt_area_last_iova(area) - iova + 1)
		return -EFAULT;
	if (!(area->iommu_prot & IOMMU_READ))
		return -EPERM;

	guard(mutex)(&pages->mutex);
	if (iopt_dmabuf_revoked(pages))
		return -ENODEV;
	*phys = pages->dmabuf.phys.paddr + iopt_area_start_byte(area, iova);
	area->num_locks++;
	return 0;
}

/**
 * iopt_phys_file_unlock() - Undo iopt_phys_file_lock()
 * @iopt: page table that maps the range
 * @iova: first address of the range
 */
void iopt_phys_file_unlock(struct io_pagetable *iopt, unsigned long iova)
{
	struct iopt_area *area;

	guard(rwsem_read)(&iopt->iova_rwsem);
	area = iopt_area_iter_first(iopt, iova, iova);
	if (WARN_ON(!area || !area->num_locks))
		return;
	guard(mutex)(&area->pages->mutex);
	area->num_locks--;
}
