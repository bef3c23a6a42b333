// SPDX-License-Identifier: GPL-2.0-only
/*
 * Insertions into iommufd: a guest queue in a physical file is contiguous, and has no
 * pages to pin. iommufd locks the area of the queue, without an access object.
 */

/* [iommufd include for queues] */
#include "phys_file.h"

/* [iommufd queue in a range] */
	rc = iopt_phys_file_lock(&viommu->hwpt->ioas->iopt,
				 cmd->nesting_parent_iova, cmd->length, base_pa);
	if (rc != -ENOENT)
		return ERR_PTR(rc);

/* [iommufd queue gone] */
	else if (hw_queue->viommu)
		iopt_phys_file_unlock(&hw_queue->viommu->hwpt->ioas->iopt,
				      hw_queue->base_addr);
