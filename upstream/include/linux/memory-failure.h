/* SPDX-License-Identifier: GPL-2.0-only */
/* Insertions into mm: tell the owner of a PFN range of each poisoned page in the range. */

/* [mm failure callback] */
	/* Optional: @pfn is poisoned, mapped or not. May sleep, must not (un)register. */
	void (*memory_failure)(struct pfn_address_space *pfn_space,
			       unsigned long pfn);
