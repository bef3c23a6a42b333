/* SPDX-License-Identifier: GPL-2.0-only */
/* Insertions into nvgrace-egm's header: DMA mappings of iommufd. */

/* [egm DMA of a region] */
	/** @dma_lock: guards @dma_users */
	struct mutex dma_lock;
	/** @dma_users: ranges that iommufd maps, as struct iommufd_phys_user */
	struct list_head dma_users;
