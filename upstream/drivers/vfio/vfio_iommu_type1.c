// SPDX-License-Identifier: GPL-2.0-only
/* Insertions into VFIO type1: a mapping holds the files whose PFNs it maps. */

/* [type1 include] */
#include <linux/file.h>

/* [type1 files of a mapping] */
	struct list_head	files;		/* struct vfio_dma_file */

/* [type1 one file] */
/* A file whose PFNs a vfio_dma maps, and whose driver has set FOP_PFNMAP_REF */
struct vfio_dma_file {
	struct list_head	next;
	struct file		*file;
};

/* [type1 hold and put] */
/*
 * PFNs of a VM_PFNMAP VMA have no page to pin.  The translation outlives munmap, close
 * and exit, so hold the file that owns the PFNs until the mapping is removed.
 *
 * Hold only files whose driver has set FOP_PFNMAP_REF: a vfio device's file holds its group
 * and container, which would never be released if a BAR mapped here held the file.
 */
static int vfio_dma_hold_file(struct vfio_dma *dma, struct vm_area_struct *vma)
{
	struct file *file = vma->vm_file;
	struct vfio_dma_file *held;

	if (!file || !(file->f_op->fop_flags & FOP_PFNMAP_REF))
		return 0;

	/* Most pages follow a page of the same file, whose entry is the first. */
	list_for_each_entry(held, &dma->files, next) {
		if (held->file == file) {
			list_move(&held->next, &dma->files);
			return 0;
		}
	}

	held = kmalloc_obj(*held, GFP_KERNEL_ACCOUNT);
	if (!held)
		return -ENOMEM;

	held->file = get_file(file);
	list_add(&held->next, &dma->files);
	return 0;
}

/* Call after the mapping was removed from each IOMMU, and the IOTLBs were flushed. */
static void vfio_dma_put_files(struct vfio_dma *dma)
{
	struct vfio_dma_file *held, *tmp;

	list_for_each_entry_safe(held, tmp, &dma->files, next) {
		fput(held->file);
		kfree(held);
	}
}

/* [type1 mapping for the signature] */
			   unsigned long npages, struct vfio_dma *dma,
			   unsigned long *pfn,

/* [type1 protection] */
	int prot = dma->prot;

/* [type1 hold] */
		if (!ret)
			ret = vfio_dma_hold_file(dma, vma);

/* [type1 mapping of many pages] */
			ret = vaddr_get_pfns(mm, vaddr, npage, dma, &pfn,
					     batch);

/* [type1 mapping of one page] */
	ret = vaddr_get_pfns(mm, vaddr, 1, dma, pfn_base, &batch);

/* [type1 put] */
	vfio_dma_put_files(dma);

/* [type1 no file yet] */
	INIT_LIST_HEAD(&dma->files);
