// SPDX-License-Identifier: GPL-2.0-only
/* Insertions into nvgrace-egm's device node: DMA mappings of iommufd. */

/* [egm DMA of a revoked region] */
	egm_iommufd_revoke(region);

/* [egm DMA by files] */
	egm_iommufd_init(&egm_file_fops);

/* [egm DMA after exit] */
	egm_iommufd_exit();
