/* SPDX-License-Identifier: GPL-2.0-only */
/* Insertions into mm: the owner of a PFN range is told of each bad page in it. */

/* [mm failure callback] */
	/* Optional: @pfn is bad, mapped or not. May sleep, must not register or unregister. */
	void (*memory_failure)(struct pfn_address_space *pfn_space,
			       unsigned long pfn);
