/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For a kernel whose struct pfn_address_space has no member memory_failure: a structure with
 * that member, which mm never calls. mm then tells the driver only of pages that are mapped.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef _NVGRACE_EGM_COMPAT_MEMORY_FAILURE_H
#define _NVGRACE_EGM_COMPAT_MEMORY_FAILURE_H

#include_next <linux/memory-failure.h>

struct egm_pfn_address_space {
	union {
		struct pfn_address_space;
		struct pfn_address_space mm;
	};
	void (*memory_failure)(struct egm_pfn_address_space *space, unsigned long pfn);
};

#define pfn_address_space egm_pfn_address_space
#define register_pfn_address_space(space) register_pfn_address_space(&(space)->mm)
#define unregister_pfn_address_space(space) unregister_pfn_address_space(&(space)->mm)

#endif
