/* SPDX-License-Identifier: GPL-2.0-only */
/* Insertions into the VFS: the flag by which a driver lets VFIO type1 hold its files. */

/* [type1 flag] */
/*
 * The PFNs that VM_PFNMAP mappings of the file map belong to the file until its release:
 * a reference to the file is a reference to the PFNs. Not for a file that holds other
 * files, because the holder of the reference could be one of them.
 */
#define FOP_PFNMAP_REF		((__force fop_flags_t)(1 << 9))
