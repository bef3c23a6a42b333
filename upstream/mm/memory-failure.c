// SPDX-License-Identifier: GPL-2.0-only
/* Insertions into mm: tell the owner of a PFN range of each poisoned page in the range. */

/* [mm failure tells] */
			if (pfn_space->memory_failure)
				pfn_space->memory_failure(pfn_space, pfn);

/* [mm failure has a space] */
static bool pfn_has_address_space(unsigned long pfn)
{
	guard(mutex)(&pfn_space_lock);
	return interval_tree_iter_first(&pfn_space_itree, pfn, pfn);
}

/* [mm failure beside RAM] */
	/* A frame of a registered range has a struct page if its section includes RAM. */
	if (pfn_has_address_space(pfn)) {
		put_ref_page(pfn, flags);
		res = memory_failure_pfn(pfn, flags);
		goto unlock_mutex;
	}
