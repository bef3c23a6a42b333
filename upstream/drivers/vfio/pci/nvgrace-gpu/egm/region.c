// SPDX-License-Identifier: GPL-2.0-only
/* Insertions into nvgrace-egm's region object: DMA mappings of iommufd. */

/* [egm DMA of a new region] */
	mutex_init(&region->dma_lock);
	INIT_LIST_HEAD(&region->dma_users);

/* [egm DMA of a freed region] */
	mutex_destroy(&region->dma_lock);
