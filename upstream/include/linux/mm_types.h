/* SPDX-License-Identifier: GPL-2.0-only */
/* Insertions into mm: a caller of fixup_user_fault() can tell poison from other errors. */

/* [mm fault flag] */
	/**
	 * @FAULT_FLAG_HWPOISON: For fixup_user_fault() alone: return -EHWPOISON, not
	 *			 -EFAULT, for memory that is poisoned.
	 */
	FAULT_FLAG_HWPOISON =		1 << 13,
