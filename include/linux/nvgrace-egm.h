/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Contract between nvgrace-gpu-vfio-pci, which finds the EGM region of a Grace
 * socket, and nvgrace-egm, which gives it to user space.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef _LINUX_NVGRACE_EGM_H
#define _LINUX_NVGRACE_EGM_H

#include <linux/types.h>

#define NVGRACE_EGM_MODNAME	"nvgrace_gpu_vfio_pci"
#define NVGRACE_EGM_DEVNAME	"egm"

/**
 * struct nvgrace_egm_info - the EGM region of one Grace socket
 * @base: SPA of the region's first byte, PAGE_SIZE aligned
 * @size: bytes, a non-zero multiple of PAGE_SIZE
 * @pxm: ACPI proximity domain of the region
 *
 * Platform data of the auxiliary device "nvgrace_gpu_vfio_pci.egm.<pxm>", whose
 * NUMA node is that of @pxm. Constant and there from before the device's probe to
 * after its remove. The creator has seen to it that the range is neither System
 * RAM nor part of another region.
 */
struct nvgrace_egm_info {
	phys_addr_t base;
	u64 size;
	u32 pxm;
};

#endif /* _LINUX_NVGRACE_EGM_H */
