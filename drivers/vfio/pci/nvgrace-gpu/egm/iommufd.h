/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef _NVGRACE_EGM_IOMMUFD_H
#define _NVGRACE_EGM_IOMMUFD_H

#include <linux/kconfig.h>

struct file_operations;

#if IS_ENABLED(CONFIG_IOMMUFD)
void egm_iommufd_init(const struct file_operations *fops);
void egm_iommufd_exit(void);
#else
static inline void egm_iommufd_init(const struct file_operations *fops) { }
static inline void egm_iommufd_exit(void) { }
#endif

#endif /* _NVGRACE_EGM_IOMMUFD_H */
