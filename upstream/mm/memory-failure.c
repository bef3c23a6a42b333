// SPDX-License-Identifier: GPL-2.0-only
/* Insertions into mm: the owner of a PFN range is told of each bad page in it. */

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
	/* RAM in the same memory section can give such a frame a struct page. */
	if (pfn_has_address_space(pfn)) {
		put_ref_page(pfn, flags);
		res = memory_failure_pfn(pfn, flags);
		goto unlock_mutex;
	}
