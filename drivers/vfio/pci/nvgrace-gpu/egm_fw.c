// SPDX-License-Identifier: GPL-2.0-only
/*
 * The EGM properties that firmware gives a GPU, which are untrusted input.
 *
 * Firmware also publishes the properties where the range belongs to the running kernel: with
 * its hypervisor mode off, and in a guest whose virtual firmware passes them on. A driver that
 * trusts the properties zeroes the kernel's own memory.
 *
 * egm_socket.c compares the properties of GPUs and sockets. nvgrace-egm checks firmware's
 * table of retired pages (egm/retired_table.c).
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include "egm.h"

#include <kunit/visibility.h>
#include <linux/dev_printk.h>
#include <linux/errno.h>
#include <linux/ioport.h>
#include <linux/mm.h>
#include <linux/nvgrace-egm.h>
#include <linux/overflow.h>
#include <linux/property.h>

#ifdef MAX_PHYSMEM_BITS
#define EGM_FW_PHYS_MASK	(BIT_ULL(MAX_PHYSMEM_BITS) - 1)
#else
#define EGM_FW_PHYS_MASK	((u64)type_max(phys_addr_t))
#endif

/**
 * egm_fw_read - read the EGM properties of a GPU
 * @dev: the GPU
 * @props: set on success, unchanged otherwise
 *
 * Without a valid property for the table of retired pages, the region has no table.
 *
 * Context: may sleep.
 * Return: 0; -ENOENT if the socket has no EGM, because the base property is absent, or the
 * base or the size is 0; -EINVAL if another property is absent or not a 64-bit number.
 */
int egm_fw_read(struct device *dev, struct egm_fw_props *props)
{
	struct egm_fw_props p;

	if (!device_property_present(dev, "nvidia,egm-base-pa"))
		return -ENOENT;
	if (device_property_read_u64(dev, "nvidia,egm-base-pa", &p.base) ||
	    device_property_read_u64(dev, "nvidia,egm-size", &p.size))
		return -EINVAL;
	if (!p.base || !p.size)
		return -ENOENT;
	if (device_property_read_u64(dev, "nvidia,egm-pxm", &p.pxm))
		return -EINVAL;
	p.retired_table_pa = 0;
	if (device_property_present(dev, "nvidia,egm-retired-pages-data-base") &&
	    device_property_read_u64(dev, "nvidia,egm-retired-pages-data-base",
				     &p.retired_table_pa))
		dev_warn_ratelimited(dev, FW_BUG "retired pages unknown: nvidia,egm-retired-pages-data-base is not a 64-bit number\n");

	*props = p;
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(egm_fw_read);

/**
 * egm_fw_check_gpu - check that a region does not overlap the memory of a GPU
 * @props: properties that egm_fw_check() accepted
 * @gpu: any device; a device without properties of GPU memory has none
 *
 * A GPU's memory is assigned with the GPU. A region that overlaps it would give the memory to
 * a second owner, and zero it under the first one.
 *
 * Context: may sleep.
 * Return: 0; -EBUSY if the region overlaps the memory.
 */
int egm_fw_check_gpu(const struct egm_fw_props *props, struct device *gpu)
{
	u64 base, size, last;

	if (device_property_read_u64(gpu, "nvidia,gpu-mem-base-pa", &base) ||
	    device_property_read_u64(gpu, "nvidia,gpu-mem-size", &size) || !size)
		return 0;
	if (check_add_overflow(base, size - 1, &last))
		last = U64_MAX;
	return base <= props->base + (props->size - 1) && props->base <= last ? -EBUSY : 0;
}
EXPORT_SYMBOL_IF_KUNIT(egm_fw_check_gpu);

/**
 * egm_fw_check - check that the range of a region can be given to user space
 * @props: properties that egm_fw_read() returned
 * @why: on error set to the reason, for the log
 *
 * Context: may sleep; takes the resource lock.
 * Return: 0; -ERANGE if the proximity domain cannot be one of EGM; -EOVERFLOW if the range
 * wraps or exceeds the physical address space; -EINVAL if the range is empty or not aligned
 * to pages; -EBUSY if the range includes System RAM.
 */
int egm_fw_check(const struct egm_fw_props *props, const char **why)
{
	u64 last;

	if (props->pxm < NVGRACE_EGM_PXM_FIRST || props->pxm > NVGRACE_EGM_PXM_LAST) {
		*why = "not a proximity domain of EGM, is the firmware's hypervisor mode on?";
		return -ERANGE;
	}

	if (!props->size) {
		*why = FW_BUG "the range is empty";
		return -EINVAL;
	}

	if (check_add_overflow(props->base, props->size - 1, &last) ||
	    last > EGM_FW_PHYS_MASK) {
		*why = FW_BUG "the range ends beyond the physical address space";
		return -EOVERFLOW;
	}

	if (!PAGE_ALIGNED(props->base) || !PAGE_ALIGNED(props->size)) {
		*why = "the base or the size is not a multiple of the page size";
		return -EINVAL;
	}

	if (region_intersects(props->base, props->size, IORESOURCE_SYSTEM_RAM,
			      IORES_DESC_NONE) != REGION_DISJOINT) {
		*why = "the range includes System RAM, is the firmware's hypervisor mode on?";
		return -EBUSY;
	}

	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(egm_fw_check);
