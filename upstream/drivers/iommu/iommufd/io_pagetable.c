// SPDX-License-Identifier: GPL-2.0-only
/* Insertions into iommufd: look for a physical file before pages are pinned. */

/* [iommufd map by address] */
	pages = iopt_alloc_phys_user_pages(uptr, length,
					   iommu_prot & IOMMU_WRITE);
	if (IS_ERR(pages))
		return PTR_ERR(pages);
	if (pages)
		return iopt_map_common(ictx, iopt, pages, iova, length,
				       offset_in_page(uptr), iommu_prot, flags);

/* [iommufd map by file] */
		pages = iopt_alloc_phys_file_pages(file, start_byte, start,
						   length,
						   iommu_prot & IOMMU_WRITE);
		if (!pages)
			pages = iopt_alloc_file_pages(file, start_byte, start,
						      length,
						      iommu_prot & IOMMU_WRITE);
