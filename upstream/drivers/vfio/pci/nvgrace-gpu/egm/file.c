// SPDX-License-Identifier: GPL-2.0-only
/* Insertions into nvgrace-egm's files: VFIO type1 holds the file of the PFNs that it maps. */

/* [egm file holds its PFNs] */
	/* The file owns its blocks until its release, and holds no other file. */
	.fop_flags = FOP_PFNMAP_REF,
