/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef _NVGRACE_EGM_SOCKET_H
#define _NVGRACE_EGM_SOCKET_H

#include <linux/kconfig.h>

struct pci_dev;

#if IS_ENABLED(CONFIG_NVGRACE_GPU_EGM)
void nvgrace_egm_gpu_bound(struct pci_dev *pdev);
void nvgrace_egm_gpu_unbound(struct pci_dev *pdev);
#else
static inline void nvgrace_egm_gpu_bound(struct pci_dev *pdev) { }
static inline void nvgrace_egm_gpu_unbound(struct pci_dev *pdev) { }
#endif

#endif /* _NVGRACE_EGM_SOCKET_H */
