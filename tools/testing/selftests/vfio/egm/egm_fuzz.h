/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The model that egm_fuzz_test compares the driver with. It has the content and the owner of
 * each page of the region, the page that each page of a fixed range of addresses (the arena)
 * maps, and the file of each DMA mapping.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef EGM_FUZZ_H
#define EGM_FUZZ_H

#include "egm_retired.h"

#define BLOCKS		6		/* of the region that are played with */
#define ARENA_BLOCKS	16
#define MAX_FDS		6
#define MAX_FILES	64
#define MAX_RPAGES	(BLOCKS * (EGM_BLOCK >> 12))
#define MAX_VPAGES	(ARENA_BLOCKS * (EGM_BLOCK >> 12))
#define NO_FILE		-1
#define MAX_BAD		12
#define MAX_DMA		6

/* An open file of the region: alive while a descriptor, a page of a mapping or a DMA mapping is. */
struct file {
	int fds;
	int vpages;
	int dma;
	bool gone;
};

struct vpage {
	int file;		/* NO_FILE: not mapped */
	unsigned int rpage;	/* of the region */
	unsigned int vma;	/* changes where a VMA ends for sure */
	int prot;
};

static struct file files[MAX_FILES];
static int fd_of[MAX_FDS], file_of[MAX_FDS];	/* -1: free */
static int dma_file[MAX_DMA];			/* NO_FILE: free */
static int owner[BLOCKS];
static uint64_t content[MAX_RPAGES];
static bool blocked[MAX_RPAGES], listed[MAX_RPAGES];
static struct vpage vpages[MAX_VPAGES];
static unsigned int last_vma;
static bool bound;
static char *arena;
static size_t page;
static unsigned int rpages, vpage_count, per_block;
static unsigned int bad_pages;

/* All pages are zero but the bad ones, which stay listed until the module is reloaded. */
static inline void model_new_region(bool loaded)
{
	unsigned int i;

	for (i = 0; i < BLOCKS; i++)
		owner[i] = NO_FILE;
	if (loaded) {
		memset(listed, 0, sizeof(listed));
		bad_pages = 0;
	}
	for (i = 0; i < MAX_RPAGES; i++)
		if (!listed[i])
			content[i] = 0;
	memset(blocked, 0, sizeof(blocked));
	bound = true;
}

static inline bool model_alive(int file)
{
	return files[file].fds || files[file].vpages || files[file].dma;
}

/* If @file has no reference left, free its blocks and zero their pages but the bad ones. */
static inline void model_put(int file)
{
	unsigned int b, i;

	if (model_alive(file) || files[file].gone)
		return;
	for (b = 0; b < BLOCKS; b++) {
		if (owner[b] != file)
			continue;
		owner[b] = NO_FILE;
		for (i = b * per_block; i < (b + 1) * per_block; i++) {
			blocked[i] = false;
			if (!listed[i])
				content[i] = 0;
		}
	}
}

static inline int model_open(void)
{
	int f;

	for (f = 0; f < MAX_FILES; f++)
		if (!model_alive(f)) {
			files[f] = (struct file) { .fds = 1 };
			return f;
		}
	abort();
}

static inline void model_unmap(unsigned int first, unsigned int count)
{
	unsigned int i;
	int f;

	for (i = first; i < first + count; i++) {
		f = vpages[i].file;
		if (f == NO_FILE)
			continue;
		vpages[i].file = NO_FILE;
		files[f].vpages--;
		model_put(f);
	}
}

static inline void model_map(unsigned int first, unsigned int count, int file,
			     unsigned int rpage, int prot)
{
	unsigned int i;

	/* It may hold the last reference to itself. */
	files[file].vpages += count;
	model_unmap(first, count);
	last_vma++;
	for (i = 0; i < count; i++) {
		vpages[first + i] = (struct vpage) {
			.file = file, .rpage = rpage + i, .vma = last_vma, .prot = prot,
		};
		owner[(rpage + i) / per_block] = file;
	}
}

/* The result that mmap of @count pages must have, 0 or -errno. */
static inline int model_mmap(int file, uint64_t rpage, unsigned int count, bool shared,
			     uint64_t region_pages)
{
	unsigned int b;

	if (!shared || rpage >= region_pages || count > region_pages - rpage)
		return -EINVAL;
	if (files[file].gone)
		return -ENODEV;
	for (b = rpage / per_block; b <= (rpage + count - 1) / per_block; b++)
		if (owner[b] != NO_FILE && owner[b] != file)
			return -EBUSY;
	return 0;
}

/* The result that a DMA mapping of @count pages must have, 0 or -errno. */
static inline int model_dma_map(int slot, int file, uint64_t rpage, unsigned int count,
				uint64_t region_pages)
{
	int err = model_mmap(file, rpage, count, true, region_pages);
	unsigned int i;

	if (err)
		return err;
	/* The file owns the blocks of the range even if the mapping fails. */
	for (i = rpage / per_block; i <= (rpage + count - 1) / per_block; i++)
		owner[i] = file;
	for (i = rpage; i < rpage + count; i++)
		if (blocked[i])
			return -EHWPOISON;
	dma_file[slot] = file;
	files[file].dma++;
	return 0;
}

static inline void model_dma_unmap(int slot)
{
	int file = dma_file[slot];

	if (file == NO_FILE)
		return;
	dma_file[slot] = NO_FILE;
	files[file].dma--;
	model_put(file);
}

/* Is [first, first + count) of one VMA? */
static inline bool model_one_vma(unsigned int first, unsigned int count)
{
	unsigned int i;

	for (i = first; i < first + count; i++)
		if (vpages[i].file == NO_FILE || vpages[i].vma != vpages[first].vma)
			return false;
	return true;
}

/* A VMA ends where the page before is of another one. */
static inline void model_end_vma(unsigned int at)
{
	unsigned int i, old = vpages[at].vma;

	last_vma++;
	for (i = at; i < vpage_count && vpages[i].file != NO_FILE && vpages[i].vma == old; i++)
		vpages[i].vma = last_vma;
}

/* mm splits VMAs at both ends of a range. */
static inline void model_split(unsigned int first, unsigned int count)
{
	model_end_vma(first);
	if (first + count < vpage_count)
		model_end_vma(first + count);
}

/* The signal's code that a touch must raise, 0 for none. */
static inline int model_touch(unsigned int v, bool write)
{
	const struct vpage *p = &vpages[v];

	if (p->file == NO_FILE)
		return SEGV_MAPERR;
	if (!(p->prot & (write ? PROT_WRITE : PROT_READ | PROT_WRITE)))
		return SEGV_ACCERR;
	if (files[p->file].gone)
		return BUS_ADRERR;
	return blocked[p->rpage] ? BUS_MCEERR_AR : 0;
}

#endif /* EGM_FUZZ_H */
