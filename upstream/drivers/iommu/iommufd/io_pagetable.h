/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Insertions into iommufd: a range of a physical file is tracked and revoked as the
 * range of a dma-buf is.
 */

/* [iommufd include] */
#include "phys_file.h"

/* [iommufd file of a range] */
	/* Of IOMMU_IOAS_MAP_FILE of a physical file; NULL for a dma-buf */
	struct iopt_phys_file *file;

/* [iommufd ranges without dma-bufs] */
