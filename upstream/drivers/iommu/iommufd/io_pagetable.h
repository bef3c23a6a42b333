/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Insertions into iommufd: track and revoke a range of a physical file like a range of a
 * dma-buf.
 */

/* [iommufd include] */
#include "phys_file.h"

/* [iommufd file of a range] */
	/* Set for a range of a physical file; NULL for a dma-buf */
	struct iopt_phys_file *file;

/* [iommufd ranges without dma-bufs] */
