/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef _NVGRACE_EGM_HANDOVER_H
#define _NVGRACE_EGM_HANDOVER_H

#include <linux/types.h>

struct egm_retired;

void egm_handover_init(struct egm_retired *retired);
void egm_handover_exit(void);
void egm_handover_add(u64 spa, u64 len);

#endif /* _NVGRACE_EGM_HANDOVER_H */
