/* SPDX-License-Identifier: GPL-2.0-only */
/* Insertions into the VFS: the flag by which a driver lets VFIO type1 hold its files. */

/* [type1 flag] */
/*
 * Memory that VM_PFNMAP mappings of the file map belongs to the file until its release,
 * so that a reference to the file is one to those PFNs. Not for files that can hold
 * other files: the holder of the reference could be among them.
 */
#define FOP_PFNMAP_REF		((__force fop_flags_t)(1 << 9))
