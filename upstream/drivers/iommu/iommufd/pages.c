// SPDX-License-Identifier: GPL-2.0-only
/* Insertions into iommufd: map a physical file as memory, not as MMIO. */

/* [iommufd kind of a range] */
	enum batch_kind kind;

/* [iommufd kind of this range] */
	dmabuf->kind = pages->dmabuf.file ? BATCH_CPU_MEMORY : BATCH_MMIO;

/* [iommufd cacheable range] */
			  last_index - start_index + 1, dmabuf->kind);

/* [iommufd release] */
	if (iopt_is_dmabuf(pages) && pages->dmabuf.file) {
		WARN_ON(!list_empty(&pages->dmabuf.tracker));
		iopt_phys_file_release(pages->dmabuf.file);
	} else if (IS_ENABLED(CONFIG_DMA_SHARED_BUFFER) &&
		   iopt_is_dmabuf(pages) && pages->dmabuf.attach) {
