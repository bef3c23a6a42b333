/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by the KUnit tests of the firmware properties.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef _NVGRACE_GPU_EGM_FW_KUNIT_H
#define _NVGRACE_GPU_EGM_FW_KUNIT_H

/*
 * In no memory map of a machine that runs these tests, and with room above it below the
 * 46 bits that x86 has with page tables of four levels.
 */
#define FREE_SPA	0x2f0000000000ULL

#endif /* _NVGRACE_GPU_EGM_FW_KUNIT_H */
