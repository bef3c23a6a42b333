// SPDX-License-Identifier: GPL-2.0-only
/* Insertions into mm: fork does not copy a huge PFN entry that was zapped before its locks. */

/* [mm fork looks again] */
		/*
		 * An rmap walk zaps PFN mappings without mmap_lock, and can zap
		 * this one before the locks are taken.  The child faults instead.
		 */
		ret = -EAGAIN;
		pmd = pmdp_get(src_pmd);
		if (!pmd_present(pmd) || !pmd_special(pmd))
			goto out_unlock;

/* [mm fork looked once] */
