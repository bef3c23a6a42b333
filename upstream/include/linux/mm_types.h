/* SPDX-License-Identifier: GPL-2.0-only */
/* Insertions into mm: a caller of fixup_user_fault() can tell poison from other errors. */

/* [mm fault flag] */
	/**
	 * @FAULT_FLAG_HWPOISON: Only for fixup_user_fault(): return -EHWPOISON instead of
	 *			 -EFAULT for poisoned memory.
	 */
	FAULT_FLAG_HWPOISON =		1 << 13,
