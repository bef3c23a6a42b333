// SPDX-License-Identifier: GPL-2.0-only
/*
 * mmap of a region's memory, and the page faults on it.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "egm.h"

#include <kunit/visibility.h>
#include <linux/align.h>
#include <linux/cleanup.h>
#include <linux/fs.h>
#include <linux/hash.h>
#include <linux/io.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/pagemap.h>
#include <linux/pfn.h>
#include <linux/pgtable.h>
#include <linux/string.h>

/**
 * egm_mapping_bounds - check that a mapping is inside a region
 * @size: bytes of the region
 * @pgoff: the mapping's offset in pages
 * @len: bytes to map, not 0
 * @offset: on success set to the offset of the mapping's first byte in the region
 *
 * No bit of @pgoff is ignored: two offsets never name the same byte.
 *
 * Context: any.
 * Return: 0; -EINVAL if any of the range is outside the region.
 */
int egm_mapping_bounds(u64 size, pgoff_t pgoff, u64 len, u64 *offset)
{
	u64 start, end;

	if (check_mul_overflow((u64)pgoff, (u64)PAGE_SIZE, &start) ||
	    check_add_overflow(start, len, &end) || end > size)
		return -EINVAL;

	*offset = start;
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(egm_mapping_bounds);

/**
 * egm_mapping_fits_huge - can a mapping hold a PMD entry?
 * @start: first virtual address of the mapping
 * @end: first virtual address after the mapping
 * @spa: SPA that @start maps
 *
 * Context: any.
 * Return: true if a PMD entry fits; always false if the architecture has no PMD entries for
 * PFNs.
 */
bool egm_mapping_fits_huge(unsigned long start, unsigned long end, u64 spa)
{
	return IS_ENABLED(CONFIG_ARCH_SUPPORTS_PMD_PFNMAP) &&
	       IS_ALIGNED(start ^ spa, PMD_SIZE) && end - start >= PMD_SIZE &&
	       ALIGN(start, PMD_SIZE) <= end - PMD_SIZE;
}
EXPORT_SYMBOL_IF_KUNIT(egm_mapping_fits_huge);

/**
 * egm_mapping_get_unmapped_area - choose an address where huge entries fit
 * @file: the file to map
 * @addr: address that user space asks for, or 0
 * @len: bytes
 * @pgoff: offset in pages, unchecked
 * @flags: MAP_*
 *
 * Context: mmap_lock held for writing.
 * Return: the address, or a negative errno.
 */
unsigned long egm_mapping_get_unmapped_area(struct file *file, unsigned long addr,
					    unsigned long len, unsigned long pgoff,
					    unsigned long flags)
{
	struct egm_file *efile = file->private_data;
	unsigned long at, spa = efile->region->base + (pgoff << PAGE_SHIFT);

	if (IS_ENABLED(CONFIG_ARCH_SUPPORTS_PMD_PFNMAP) && !(flags & MAP_FIXED) &&
	    len >= PMD_SIZE && len <= TASK_SIZE) {
		at = mm_get_unmapped_area(file, addr, len + PMD_SIZE, pgoff, flags);
		if (!IS_ERR_VALUE(at))
			return at == addr ? addr : at + ((spa - at) & ~PMD_MASK);
	}
	return mm_get_unmapped_area(file, addr, len, pgoff, flags);
}

/*
 * Two threads can fault on one PMD and install entries of different sizes: the setting of
 * PR_SET_THP_DISABLE can change between the faults, and a page can be blocked. mm expects no
 * page table below a huge entry, so the lock keeps a PTE from racing with a PMD entry.
 */
static struct mutex *egm_mapping_huge_lock(struct vm_fault *vmf)
{
	struct egm_file *efile = vmf->vma->vm_file->private_data;

	return &efile->huge_lock[hash_long(vmf->address >> PMD_SHIFT, EGM_HUGE_LOCK_BITS)];
}

static vm_fault_t egm_mapping_insert_pmd(struct vm_fault *vmf, struct egm_region *region,
					 u64 offset)
{
#ifdef CONFIG_ARCH_SUPPORTS_PMD_PFNMAP
	pmd_t pmd;

	guard(mutex)(egm_mapping_huge_lock(vmf));
	pmd = pmdp_get_lockless(vmf->pmd);
	if (!pmd_none(pmd) && !pmd_leaf(pmd))
		return VM_FAULT_FALLBACK;
	if (egm_retired_next_blocked(&region->retired, offset, offset + PMD_SIZE) <
	    offset + PMD_SIZE)
		return VM_FAULT_FALLBACK;
	return vmf_insert_pfn_pmd(vmf, PHYS_PFN(region->base + offset),
				  vmf->flags & FAULT_FLAG_WRITE);
#else
	return VM_FAULT_FALLBACK;
#endif
}

/* Install a PTE for each page of [@start, @end) that is not blocked; @start maps @offset. */
static void egm_mapping_insert_range(struct vm_area_struct *vma, struct egm_region *region,
				     unsigned long start, unsigned long end, u64 offset)
{
	for (; start < end; start += PAGE_SIZE, offset += PAGE_SIZE) {
		if (egm_retired_next_blocked(&region->retired, offset,
					     offset + PAGE_SIZE) == offset)
			continue;
		/* Stop without memory for a page table: a later fault reports the error. */
		if (vmf_insert_pfn(vma, start, PHYS_PFN(region->base + offset)) !=
		    VM_FAULT_NOPAGE)
			return;
	}
}

/*
 * Install the PTE of the faulting page, and a PTE for each other page of its block that the
 * VMA maps, because the whole block is zero.
 * Where huge entries fit, stop at the end of the PMD: the next PMD can hold a huge entry.
 */
static vm_fault_t egm_mapping_insert_pages(struct vm_fault *vmf, struct egm_region *region,
					   u64 offset)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long addr = PAGE_ALIGN_DOWN(vmf->address), start, end;
	u64 in_block = offset % EGM_BLOCK_SIZE;
	vm_fault_t ret;

	guard(mutex)(egm_mapping_huge_lock(vmf));
	if (pmd_leaf(pmdp_get_lockless(vmf->pmd)))
		return VM_FAULT_NOPAGE;
	if (egm_retired_next_blocked(&region->retired, offset, offset + PAGE_SIZE) == offset) {
		egm_region_info(region, "SIGBUS at offset %#llx: the page there went bad\n",
				offset);
		return VM_FAULT_HWPOISON;
	}
	ret = vmf_insert_pfn(vma, addr, PHYS_PFN(region->base + offset));
	if (ret != VM_FAULT_NOPAGE)
		return ret;

	start = addr - min(in_block, addr - vma->vm_start);
	end = addr + min(EGM_BLOCK_SIZE - in_block, vma->vm_end - addr);
	if (IS_ALIGNED(addr ^ (region->base + offset), PMD_SIZE)) {
		start = max(start, addr & PMD_MASK);
		end = min(end, (addr & PMD_MASK) + PMD_SIZE);
	}
	egm_mapping_insert_range(vma, region, start, end, offset - (addr - start));
	return VM_FAULT_NOPAGE;
}

static vm_fault_t egm_mapping_fault_revoked(struct vm_fault *vmf)
{
	struct egm_file *efile = vmf->vma->vm_file->private_data;

	egm_region_info(efile->region, "SIGBUS at offset %#llx: the region was unbound\n",
			(u64)vmf->pgoff << PAGE_SHIFT);
	return VM_FAULT_SIGBUS;
}

/*
 * The VMA's file has owned each block below the VMA since mmap, so no other thread makes a
 * block stale between its zeroing and the installation of the entry.
 */
static vm_fault_t egm_mapping_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	struct vm_area_struct *vma = vmf->vma;
	struct egm_file *efile = vma->vm_file->private_data;
	struct egm_region *region = efile->region;
	unsigned long len = PAGE_SIZE << order;
	unsigned long addr = ALIGN_DOWN(vmf->address, len);
	u64 offset;
	int ret;

	/* No PUD entries: mm installs the table below a PUD without huge_lock. */
	if (order > PMD_ORDER)
		return VM_FAULT_FALLBACK;
	if (addr < vma->vm_start || vma->vm_end - addr < len)
		return VM_FAULT_FALLBACK;
	offset = (u64)linear_page_index(vma, addr) << PAGE_SHIFT;
	if (!IS_ALIGNED(region->base + offset, len))
		return VM_FAULT_FALLBACK;

	ret = egm_scrub_range(&region->scrub, offset, len);
	if (ret == -ENODEV)
		return egm_mapping_fault_revoked(vmf);
	if (ret)
		return vmf_error(ret);

	guard(srcu)(&region->srcu);
	if (egm_region_is_revoked(region))
		return egm_mapping_fault_revoked(vmf);
	if (order)
		return egm_mapping_insert_pmd(vmf, region, offset);
	return egm_mapping_insert_pages(vmf, region, offset);
}

static vm_fault_t egm_mapping_fault(struct vm_fault *vmf)
{
	return egm_mapping_huge_fault(vmf, 0);
}

/*
 * mm has linked the VMA into i_mmap, and then populated it if egm_mapping_prepare() asked for
 * that. A thread that revokes the region or blocks a page sets its mark, waits for SRCU
 * sections and zaps: either the mark is visible in this section, or the zap finds the entries.
 */
static int egm_mapping_mapped(unsigned long start, unsigned long end, pgoff_t pgoff,
			      const struct file *file, void **vm_private_data)
{
	struct egm_file *efile = file->private_data;
	struct egm_region *region = efile->region;
	u64 first = (u64)pgoff << PAGE_SHIFT, last = first + (end - start);
	u64 bad;

	guard(srcu)(&region->srcu);
	if (egm_region_is_revoked(region)) {
		/* mm unmaps the VMA after this error, unless mm is out of memory. */
		unmap_mapping_range(region->inode->i_mapping, first, last - first, true);
		return -ENODEV;
	}

	for (bad = first; bad < last; bad += PAGE_SIZE) {
		bad = egm_retired_next_blocked(&region->retired, bad, last);
		if (bad < last)
			unmap_mapping_range(region->inode->i_mapping, bad, PAGE_SIZE, true);
	}
	return 0;
}

/* Copy between @buf and a range in state USED, up to the first retired page. */
static int egm_mapping_copy(struct egm_region *region, u64 offset, void *buf, u64 len,
			    bool write)
{
	u64 size, end = egm_retired_next(&region->retired, offset, offset + len, &size);
	void *va;

	if (end == offset)
		return -EIO;
	va = memremap(region->base + offset, end - offset, MEMREMAP_WB);
	if (!va)
		return -ENOMEM;
	if (write)
		memcpy(va, buf, end - offset);
	else
		memcpy(buf, va, end - offset);
	memunmap(va);
	return end - offset;
}

/*
 * Access for a debugger, because mm has no struct pages to access. As in a fault, the VMA's
 * file owns the block, the block is zeroed first, and a revoked region is not accessed.
 */
static int egm_mapping_access(struct vm_area_struct *vma, unsigned long addr, void *buf,
			      int len, int write)
{
	struct egm_file *efile = vma->vm_file->private_data;
	struct egm_region *region = efile->region;
	u64 offset = ((u64)linear_page_index(vma, addr) << PAGE_SHIFT) + offset_in_page(addr);
	u64 count = min3((u64)len, vma->vm_end - addr,
			 EGM_BLOCK_SIZE - offset % EGM_BLOCK_SIZE);
	int ret;

	if (!(vma->vm_flags & (write ? VM_WRITE : VM_MAYREAD)))
		return -EFAULT;

	ret = egm_scrub_range(&region->scrub, offset, count);
	if (ret)
		return ret;

	guard(srcu)(&region->srcu);
	if (egm_region_is_revoked(region))
		return -EIO;
	return egm_mapping_copy(region, offset, buf, count, write);
}

static const struct vm_operations_struct egm_mapping_vm_ops = {
	.mapped = egm_mapping_mapped,
	.access = egm_mapping_access,
	.fault = egm_mapping_fault,
#ifdef CONFIG_ARCH_SUPPORTS_PMD_PFNMAP
	.huge_fault = egm_mapping_huge_fault,
#endif
};

/**
 * egm_mapping_reserve - check a mapping, and reserve the blocks below it
 * @efile: the file that reserves the blocks
 * @pgoff: the mapping's offset in pages
 * @len: bytes to map, not 0
 * @offset: on success set to the offset of the mapping's first byte in the region
 *
 * Context: may sleep.
 * Return: 0; -EINVAL if the range is not inside the region; -EBUSY if another file owns one
 * of the blocks; -ENODEV if the region is revoked; -ENOMEM.
 */
int egm_mapping_reserve(struct egm_file *efile, pgoff_t pgoff, u64 len, u64 *offset)
{
	struct egm_region *region = efile->region;
	int ret;

	ret = egm_mapping_bounds(region->size, pgoff, len, offset);
	if (ret) {
		egm_region_info(region, "page %#lx, %#llx bytes, is not inside the %#llx bytes of the region\n",
				pgoff, len, region->size);
		return ret;
	}
	return egm_region_reserve(region, &efile->owner, *offset, len);
}

/**
 * egm_mapping_prepare - mmap_prepare of a region's device node
 * @desc: description of the VMA that mm is about to create
 *
 * The file reserves each block below the mapping and owns the block until its own release,
 * even if mm fails to create the VMA: mm does not tell the driver of that failure.
 *
 * Context: mmap_lock held for writing; may sleep.
 * Return: 0; -EINVAL for a private mapping; or an errno of egm_mapping_reserve().
 */
int egm_mapping_prepare(struct vm_area_desc *desc)
{
	struct egm_file *efile = desc->file->private_data;
	struct egm_region *region = efile->region;
	u64 len = vma_desc_size(desc), offset;
	bool populate = true;
	int ret;

	/* Copy on write needs struct pages. */
	if (!vma_desc_test(desc, VMA_MAYSHARE_BIT)) {
		egm_region_info(region, "a private mapping is not possible, use MAP_SHARED\n");
		return -EINVAL;
	}

	ret = egm_mapping_reserve(efile, desc->pgoff, len, &offset);
	if (ret)
		return ret;

	desc->vm_ops = &egm_mapping_vm_ops;

	if (egm_mapping_fits_huge(desc->start, desc->end, region->base + offset))
		populate = false;
	/* Map on demand around a blocked page. egm_mapping_mapped() zaps a page blocked later. */
	if (egm_retired_next_blocked(&region->retired, offset, offset + len) < offset + len)
		populate = false;

	/* Populate the VMA only if its memory is zero: mmap_lock must not be held to zero. */
	if (populate && egm_scrub_use_zero(&region->scrub, offset, len))
		mmap_action_remap_full(desc, PHYS_PFN(region->base + offset));
	else
		vma_desc_set_flags_mask(desc, VMA_REMAP_FLAGS);
	return 0;
}
