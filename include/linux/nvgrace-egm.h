/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Contract between nvgrace-gpu-vfio-pci, which finds the EGM region of a Grace
 * socket, and nvgrace-egm, which gives it to user space.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef _LINUX_NVGRACE_EGM_H
#define _LINUX_NVGRACE_EGM_H

#include <linux/auxiliary_bus.h>
#include <linux/list.h>
#include <linux/types.h>

struct device;

#define NVGRACE_EGM_MODNAME	"nvgrace_gpu_vfio_pci"
#define NVGRACE_EGM_DEVNAME	"egm"

/*
 * Firmware numbers the proximity domain of a socket's EGM region socket + 4 when its
 * hypervisor mode is on. The socket is a 4-bit field of the GPU's PCI segment. In domains
 * 0 to 3 the mode is off, and the memory belongs to the host kernel.
 */
enum {
	NVGRACE_EGM_PXM_FIRST	= 4,
	NVGRACE_EGM_MAX_SOCKETS	= 16,
	NVGRACE_EGM_PXM_LAST	= NVGRACE_EGM_PXM_FIRST + NVGRACE_EGM_MAX_SOCKETS - 1,
};

/**
 * struct nvgrace_egm_gpu - a bound GPU of the socket
 * @dev: the GPU's PCI device
 * @node: in &struct nvgrace_egm_info.gpus
 */
struct nvgrace_egm_gpu {
	struct device *dev;
	struct list_head node;
};

/**
 * struct nvgrace_egm_info - the EGM region of one Grace socket
 * @base: SPA of the region's first byte, PAGE_SIZE aligned
 * @size: bytes, a non-zero multiple of PAGE_SIZE
 * @retired_table_pa: SPA of firmware's table of retired pages, unchecked; 0 if there is none
 * @pxm: ACPI proximity domain of the region
 * @gpus: the socket's bound GPUs, guarded by the auxiliary device's device lock
 *
 * Platform data of the auxiliary device "nvgrace_gpu_vfio_pci.egm.<pxm>", whose
 * NUMA node is that of @pxm. There from before the device's probe to after its
 * remove; what comes before @gpus is constant. The creator has seen to it that the range is
 * neither System RAM nor part of another region.
 */
struct nvgrace_egm_info {
	phys_addr_t base;
	u64 size;
	phys_addr_t retired_table_pa;
	u32 pxm;
	struct list_head gpus;
};

/**
 * struct nvgrace_egm_driver - an auxiliary driver for EGM regions
 * @adrv: the auxiliary driver
 * @gpu_bound: a GPU was added to &struct nvgrace_egm_info.gpus
 * @gpu_unbound: a GPU is about to be removed from it
 *
 * Only such a driver may bind to the device. The callbacks come under the device
 * lock, to a device that is bound; GPUs that are there at probe are found in the
 * list. They may sleep and cannot fail.
 */
struct nvgrace_egm_driver {
	struct auxiliary_driver adrv;
	void (*gpu_bound)(struct auxiliary_device *adev, struct device *gpu);
	void (*gpu_unbound)(struct auxiliary_device *adev, struct device *gpu);
};

#define to_nvgrace_egm_driver(drv) \
	container_of_const(to_auxiliary_drv(drv), struct nvgrace_egm_driver, adrv)

#endif /* _LINUX_NVGRACE_EGM_H */
