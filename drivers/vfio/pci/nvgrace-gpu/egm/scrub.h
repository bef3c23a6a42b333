/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef _NVGRACE_EGM_SCRUB_H
#define _NVGRACE_EGM_SCRUB_H

#include <linux/types.h>

struct egm_region;

int egm_scrub(struct egm_region *region, u64 offset, u64 len);

#endif /* _NVGRACE_EGM_SCRUB_H */
