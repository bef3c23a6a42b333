// SPDX-License-Identifier: GPL-2.0-only
/*
 * The EGM properties of a GPU: read once, believed only after checking.
 *
 * Firmware publishes the same properties in modes where the range they name is
 * memory that the running kernel uses: with hypervisor mode off, and in a guest
 * whose virtual firmware passes them on. A driver that trusts them hands out, and
 * zeroes, the kernel's own memory.
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
#define EGM_PHYS_MASK	(BIT_ULL(MAX_PHYSMEM_BITS) - 1)
#else
#define EGM_PHYS_MASK	((u64)type_max(phys_addr_t))
#endif

/**
 * egm_fw_read - read the EGM properties of a GPU
 * @dev: the GPU
 * @props: filled in on success, untouched otherwise
 *
 * Context: may sleep.
 * Return: 0; -ENOENT if firmware says that there is no EGM here, by absence of
 * the base property or a base or size of 0; -EINVAL if a further property is
 * missing or not a number. Without that of retired pages there are none.
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
		dev_warn_ratelimited(dev, "retired pages unknown: nvidia,egm-retired-pages-data-base is no number (firmware fault)\n");

	*props = p;
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(egm_fw_read);

/**
 * egm_fw_check_gpu - is a region apart from the memory of a GPU?
 * @props: what egm_fw_read() returned, checked by egm_fw_check()
 * @gpu: any device; one whose firmware node does not describe GPU memory has none
 *
 * Memory of a GPU is given out with the GPU: a region that overlaps it would reach
 * another owner, and be zeroed under it.
 *
 * Context: may sleep.
 * Return: 0; -EBUSY if the two overlap.
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
 * egm_fw_check - decide whether a region can be given to user space
 * @props: what egm_fw_read() returned
 * @why: on error, set to the reason in words, for the log
 *
 * Context: may sleep; takes the resource lock.
 * Return: 0; -ERANGE for a proximity domain that is no EGM one; -EOVERFLOW for a
 * range that wraps or exceeds the physical address space; -EINVAL for one that is
 * empty or not aligned to pages; -EBUSY for one that holds System RAM.
 */
int egm_fw_check(const struct egm_fw_props *props, const char **why)
{
	u64 last;

	if (props->pxm < NVGRACE_EGM_PXM_FIRST || props->pxm > NVGRACE_EGM_PXM_LAST) {
		*why = "no proximity domain of EGM, is the firmware's hypervisor mode on?";
		return -ERANGE;
	}

	if (!props->size) {
		*why = "it is empty";
		return -EINVAL;
	}

	if (check_add_overflow(props->base, props->size - 1, &last) ||
	    last > EGM_PHYS_MASK) {
		*why = "it ends beyond the physical address space";
		return -EOVERFLOW;
	}

	if (!PAGE_ALIGNED(props->base) || !PAGE_ALIGNED(props->size)) {
		*why = "its base or size is not a multiple of the page size";
		return -EINVAL;
	}

	if (region_intersects(props->base, props->size, IORESOURCE_SYSTEM_RAM,
			      IORES_DESC_NONE) != REGION_DISJOINT) {
		*why = "it holds System RAM, is the firmware's hypervisor mode on?";
		return -EBUSY;
	}

	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(egm_fw_check);
