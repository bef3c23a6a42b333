// SPDX-License-Identifier: GPL-2.0-only
/* Insertions into KVM: a guest is told of poison in memory without pages. */

/* [kvm asks for poison] */
				     FAULT_FLAG_HWPOISON |
				     (write_fault ? FAULT_FLAG_WRITE : 0),

/* [kvm hands poison on] */
		if (r == -EHWPOISON)
			pfn = KVM_PFN_ERR_HWPOISON;
		else if (r < 0)
