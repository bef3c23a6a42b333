/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef _NVGRACE_EGM_PROPERTIES_H
#define _NVGRACE_EGM_PROPERTIES_H

#include <linux/types.h>

struct device;

/*
 * Firmware numbers the proximity domain of a socket's EGM region socket + 4 when
 * its hypervisor mode is on, and the socket is a 4-bit field of the GPU's PCI
 * segment. Below that range the mode is off and the memory is the kernel's own.
 */
enum {
	EGM_PXM_FIRST	= 4,
	EGM_MAX_SOCKETS	= 16,
	EGM_PXM_LAST	= EGM_PXM_FIRST + EGM_MAX_SOCKETS - 1,
};

/**
 * struct egm_properties - what firmware says about the region of a GPU's socket
 * @base: SPA of the first byte
 * @size: bytes
 * @pxm: ACPI proximity domain
 * @retired: SPA of the table of retired pages, 0 if there is none; not checked here
 */
struct egm_properties {
	u64 base;
	u64 size;
	u64 pxm;
	u64 retired;
};

int egm_properties_read(struct device *dev, struct egm_properties *props);
int egm_properties_check_gpu(const struct egm_properties *props, struct device *gpu);
int egm_properties_check(const struct egm_properties *props, const char **why);

#endif /* _NVGRACE_EGM_PROPERTIES_H */
