/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The contract between nvgrace-gpu-vfio-pci, which describes the EGM region of a Grace socket
 * by an auxiliary device, and nvgrace-egm, the driver of that device.
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
 * With its hypervisor mode on, firmware numbers the proximity domain of a socket's EGM region
 * socket + 4. The socket is a 4-bit field of the GPU's PCI segment. In domains 0 to 3 the
 * mode is off, and the memory belongs to the host kernel.
 */
enum {
	NVGRACE_EGM_PXM_FIRST	= 4,
	NVGRACE_EGM_MAX_SOCKETS	= 16,
	NVGRACE_EGM_PXM_LAST	= NVGRACE_EGM_PXM_FIRST + NVGRACE_EGM_MAX_SOCKETS - 1,
};

/**
 * struct nvgrace_egm_gpu - a bound GPU of the socket
 * @dev: the GPU's PCI device
 * @node: entry in &struct nvgrace_egm_info.gpus
 */
struct nvgrace_egm_gpu {
	struct device *dev;
	struct list_head node;
};

/**
 * struct nvgrace_egm_info - the EGM region of one Grace socket
 * @base: SPA of the region's first byte, PAGE_SIZE aligned
 * @size: bytes, a non-zero multiple of PAGE_SIZE
 * @retired_table_pa: SPA of firmware's table of retired pages, unchecked; 0 without a table
 * @pxm: ACPI proximity domain of the region
 * @gpus: the socket's bound GPUs, guarded by the device lock of the auxiliary device
 *
 * Platform data of the auxiliary device "nvgrace_gpu_vfio_pci.egm.<pxm>", whose NUMA node is
 * the node of @pxm. The structure is valid from before probe until after remove, and constant
 * but for @gpus. The creator has checked that the range overlaps neither System RAM nor
 * another region.
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
 * @gpu_unbound: a GPU is about to be removed from &struct nvgrace_egm_info.gpus
 *
 * Only a driver of this type may bind to the device, as with &struct iidc_rdma_core_auxiliary_drv.
 * The callbacks run under the device lock of a bound device. They can sleep and cannot fail.
 * The list of GPUs holds the GPUs that were bound before probe.
 */
struct nvgrace_egm_driver {
	struct auxiliary_driver adrv;
	void (*gpu_bound)(struct auxiliary_device *adev, struct device *gpu);
	void (*gpu_unbound)(struct auxiliary_device *adev, struct device *gpu);
};

#define to_nvgrace_egm_driver(drv) \
	container_of_const(to_auxiliary_drv(drv), struct nvgrace_egm_driver, adrv)

#endif /* _LINUX_NVGRACE_EGM_H */
