/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The part of nvgrace-gpu-vfio-pci that describes EGM regions to nvgrace-egm.
 *
 *	egm_socket.c	one auxiliary device for the EGM region of each socket
 *	egm_fw.c	the EGM properties that firmware gives a GPU
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef _NVGRACE_GPU_EGM_H
#define _NVGRACE_GPU_EGM_H

#include <linux/kconfig.h>
#include <linux/types.h>

struct device;
struct pci_dev;

/**
 * struct egm_fw_props - the EGM region of a GPU's socket, as firmware describes it
 * @base: SPA of the first byte
 * @size: bytes
 * @pxm: ACPI proximity domain
 * @retired_table_pa: SPA of the table of retired pages, 0 if there is none; egm_fw_check()
 *		      does not check it
 */
struct egm_fw_props {
	u64 base;
	u64 size;
	u64 pxm;
	u64 retired_table_pa;
};

int egm_fw_read(struct device *dev, struct egm_fw_props *props);
int egm_fw_check(const struct egm_fw_props *props, const char **why);
int egm_fw_check_gpu(const struct egm_fw_props *props, struct device *gpu);

#if IS_ENABLED(CONFIG_NVGRACE_GPU_VFIO_PCI_EGM)
void nvgrace_egm_gpu_bound(struct pci_dev *pdev);
void nvgrace_egm_gpu_unbound(struct pci_dev *pdev);
#else
static inline void nvgrace_egm_gpu_bound(struct pci_dev *pdev) { }
static inline void nvgrace_egm_gpu_unbound(struct pci_dev *pdev) { }
#endif

#endif /* _NVGRACE_GPU_EGM_H */
