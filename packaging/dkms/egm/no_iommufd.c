// SPDX-License-Identifier: GPL-2.0-only
/*
 * For a kernel whose iommufd has no providers of physical memory: iommufd refuses to map a
 * file of a region, as it refuses each VM_PFNMAP mapping.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include "egm.h"

void egm_iommufd_init(const struct file_operations *fops) { }
void egm_iommufd_exit(void) { }
