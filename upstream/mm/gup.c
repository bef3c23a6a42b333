// SPDX-License-Identifier: GPL-2.0-only
/* Insertions into mm: a caller of fixup_user_fault() can tell poison from other errors. */

/* [mm fault tells poison] */
		int err = vm_fault_to_errno(ret, fault_flags & FAULT_FLAG_HWPOISON ?
					    FOLL_HWPOISON : 0);
