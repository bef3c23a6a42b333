/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef _NVGRACE_EGM_RETIRED_H
#define _NVGRACE_EGM_RETIRED_H

#include <linux/rbtree.h>
#include <linux/spinlock.h>
#include <linux/types.h>

struct egm_retired_page;

/**
 * struct egm_retired - the pages of a region that memory must not be used for
 * @lock: guards all below; innermost
 * @ranges: as bytes from the region's start (from that of memory, for those of regions
 *	    that are no more); can overlap
 * @blocked: ranges that must not be mapped; read without @lock, so that a region without
 *	     one costs its users nothing
 * @generation: counts what was added
 */
struct egm_retired {
	spinlock_t lock;	/* guards all below */
	struct rb_root_cached ranges;
	unsigned long blocked;
	unsigned long generation;
};

void egm_retired_init(struct egm_retired *retired);
void egm_retired_destroy(struct egm_retired *retired);

int egm_retired_add(struct egm_retired *retired, u64 offset, u64 len);
int egm_retired_report(struct egm_retired *retired, u64 offset, u64 len, bool block);

bool egm_retired_next_unmap(struct egm_retired *retired, u64 *offset, u64 *len);
void egm_retired_unblock(struct egm_retired *retired, u64 offset, u64 len);
void egm_retired_move(struct egm_retired *from, u64 offset, u64 len,
		      struct egm_retired *to, u64 to_offset);
u64 egm_retired_next_blocked(struct egm_retired *retired, u64 offset, u64 end);

u64 egm_retired_next(struct egm_retired *retired, u64 offset, u64 end, u64 *len);
size_t egm_retired_list(struct egm_retired *retired, struct egm_retired_page *pages,
			size_t max, unsigned long *generation);
u64 egm_retired_bytes(struct egm_retired *retired);
unsigned long egm_retired_generation(struct egm_retired *retired);

#endif /* _NVGRACE_EGM_RETIRED_H */
