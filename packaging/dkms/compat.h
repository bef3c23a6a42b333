/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Functions of 7.3 for the kernels before it that the driver and nvgrace-gpu's main.c of 7.3 fit
 * otherwise. The compiler includes this file before each source. They are macros, because a
 * header of mm would define pr_fmt() before the source does.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef _NVGRACE_EGM_COMPAT_H
#define _NVGRACE_EGM_COMPAT_H

#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 3, 0)
#define vma_start_pgoff(vma) ((vma)->vm_pgoff)
#define linear_page_delta(vma, address) (((address) - (vma)->vm_start) >> PAGE_SHIFT)
#endif

#endif
