// SPDX-License-Identifier: GPL-2.0-only
/* Insertions into nvgrace-egm's poison handling: each poisoned page, and kexec. */

/* [egm each poisoned page] */
/*
 * mm calls this for each poisoned page of the region, mapped or not, with pfn_space_lock
 * held, which keeps the range registered.
 */
static void egm_memory_failure_notify(struct pfn_address_space *space, unsigned long pfn)
{
	struct egm_region *region = container_of(space, struct egm_region, memory_failure.space);

	egm_memory_failure_report(region, pfn - space->node.start);
}

/* [egm each poisoned page told] */
	mf->space.memory_failure = egm_memory_failure_notify;

/* [egm poison for kexec] */
	egm_handover_add(PFN_PHYS(pfn), PAGE_SIZE);

/* [egm poison from kexec] */
	egm_handover_init(&egm_memory_failure_known);
	if (egm_retired_bytes(&egm_memory_failure_known))
		egm_memory_failure_pin();

/* [egm poison after exit] */
	egm_handover_exit();
