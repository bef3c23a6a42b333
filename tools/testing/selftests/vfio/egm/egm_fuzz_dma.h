/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The operations of egm_fuzz_test on DMA mappings: an IOAS without a device holds files as
 * one with a device does.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef EGM_FUZZ_DMA_H
#define EGM_FUZZ_DMA_H

#include "egm_fuzz_memory.h"
#include "egm_iommufd.h"

static int dma_iommufd = -1;
static uint32_t dma_ioas;

/* Each DMA mapping has 4 GiB of IOVAs for itself. */
static inline uint64_t dma_iova(int slot)
{
	return (uint64_t)slot << 32;
}

static inline bool dma_open(void)
{
	dma_iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	return dma_iommufd >= 0 && !ioas_alloc(dma_iommufd, &dma_ioas);
}

/* The end of an iommufd drops all mappings of its IOAS. */
static inline bool dma_open_again(void)
{
	int i;

	if (dma_iommufd < 0)
		return true;
	close(dma_iommufd);
	for (i = 0; i < MAX_DMA; i++)
		model_dma_unmap(i);
	return MUST(dma_open(), "no IOAS: %s", strerror(errno));
}

/* A slot that is used, or one that is not; -1 if there is none, as without iommufd. */
static inline int pick_dma(bool used)
{
	int i, slot = pick(MAX_DMA);

	for (i = 0; dma_iommufd >= 0 && i < MAX_DMA; i++, slot = (slot + 1) % MAX_DMA) {
		bool is_used = dma_file[slot] != NO_FILE;

		if (is_used == used)
			return slot;
	}
	return -1;
}

static inline bool dma_mapped(int slot, int file, uint64_t rpage, unsigned int count, int err)
{
	int want = model_dma_map(slot, file, rpage, count, region_pages);

	return MUST(err == -want, "DMA mapping of %u pages at %#llx: %s, not %s", count,
		    (unsigned long long)rpage, strerror(err), strerror(-want));
}

static inline bool op_dma_file(void)
{
	int fd = any_fd(), slot = pick_dma(false);
	unsigned int first, count;
	uint64_t rpage;

	if (fd < 0 || slot < 0)
		return true;
	any_range(&first, &count);
	rpage = pick(rpages);
	if (rpage + count > rpages)
		rpage = region_pages - pick(count);
	return dma_mapped(slot, file_of[fd], rpage, count,
			  ioas_map_file_flags(dma_iommufd, dma_ioas, fd_of[fd], rpage * page,
					      dma_iova(slot), (uint64_t)count * page,
					      pick(4) ? IOAS_MAP_RW : IOAS_MAP_RO));
}

static inline bool op_dma_address(void)
{
	int slot = pick_dma(false), prot;
	unsigned int first, count;

	if (slot < 0)
		return true;
	any_range(&first, &count);
	/* iommufd would pin the pages of a range that is not a single VMA of a region. */
	if (!model_one_vma(first, count))
		return true;
	prot = vpages[first].prot;
	if (!(prot & PROT_READ))
		return true;
	return dma_mapped(slot, vpages[first].file, vpages[first].rpage, count,
			  ioas_map_flags(dma_iommufd, dma_ioas, at(first), dma_iova(slot),
					 (uint64_t)count * page,
					 prot & PROT_WRITE ? IOAS_MAP_RW : IOAS_MAP_RO));
}

static inline bool op_dma_unmap(void)
{
	int slot = pick_dma(true), err;

	if (!pick(16))
		return dma_open_again();
	if (slot < 0)
		return true;
	err = ioas_unmap(dma_iommufd, dma_ioas, dma_iova(slot), UINT32_MAX);
	model_dma_unmap(slot);
	return MUST(!err, "DMA unmap: %s", strerror(err));
}

#endif /* EGM_FUZZ_DMA_H */
