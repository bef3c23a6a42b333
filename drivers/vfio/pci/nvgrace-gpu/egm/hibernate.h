/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef _NVGRACE_EGM_HIBERNATE_H
#define _NVGRACE_EGM_HIBERNATE_H

int egm_hibernate_init(void);
void egm_hibernate_exit(void);

#endif /* _NVGRACE_EGM_HIBERNATE_H */
