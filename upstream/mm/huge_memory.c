// SPDX-License-Identifier: GPL-2.0-only
/* Insertions into mm: fork does not bring back a PFN mapping that was zapped meanwhile. */

/* [mm fork looks again] */
		/*
		 * An rmap walk zaps PFN mappings without mmap_lock, also between
		 * the look above and the locks.  The child faults then.
		 */
		ret = -EAGAIN;
		pmd = pmdp_get(src_pmd);
		if (!pmd_present(pmd) || !pmd_special(pmd))
			goto out_unlock;

/* [mm fork looked once] */
