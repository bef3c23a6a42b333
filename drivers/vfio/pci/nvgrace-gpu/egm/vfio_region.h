/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef _NVGRACE_EGM_VFIO_REGION_H
#define _NVGRACE_EGM_VFIO_REGION_H

#include <linux/kconfig.h>
#include <linux/vfio_pci_core.h>

#if IS_ENABLED(CONFIG_NVGRACE_GPU_EGM)
void nvgrace_egm_open_device(struct vfio_pci_core_device *vdev);
void nvgrace_egm_close_device(struct vfio_device *core_vdev);
#else
static inline void nvgrace_egm_open_device(struct vfio_pci_core_device *vdev) { }

static inline void nvgrace_egm_close_device(struct vfio_device *core_vdev)
{
	vfio_pci_core_close_device(core_vdev);
}
#endif

#endif /* _NVGRACE_EGM_VFIO_REGION_H */
