/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef _NVGRACE_EGM_TABLE_H
#define _NVGRACE_EGM_TABLE_H

#include <linux/sizes.h>
#include <linux/types.h>

struct device;
struct egm_retired;
struct egm_retired_page;

/* Firmware retires blocks of this size, whatever the kernel's page size is. */
#define EGM_TABLE_GRANULE	SZ_64K

enum {
	EGM_TABLE_MAX_ENTRIES = 4096,
};

size_t egm_table_parse(u64 *entries, size_t count, u64 base, u64 size,
		       struct egm_retired_page *pages, size_t *dropped);
int egm_table_read(struct egm_retired *retired, struct device *dev,
		   phys_addr_t table, phys_addr_t base, u64 size);

#endif /* _NVGRACE_EGM_TABLE_H */
