// SPDX-License-Identifier: GPL-2.0-only
/* Insertions into KVM: tell a guest of poison in memory without struct pages. */

/* [kvm asks for poison] */
				     FAULT_FLAG_HWPOISON |
				     (write_fault ? FAULT_FLAG_WRITE : 0),

/* [kvm hands poison on] */
		if (r == -EHWPOISON)
			pfn = KVM_PFN_ERR_HWPOISON;
		else if (r < 0)
