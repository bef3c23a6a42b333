// SPDX-License-Identifier: GPL-2.0-only
/* Insertions into KVM of arm64: KVM logs dirty pages of cacheable PFN mappings. */

/* [kvm logs cacheable memory] */
			/* A device changes its memory without the guest's stores. */
			if (new->flags & KVM_MEM_LOG_DIRTY_PAGES && !kvm_vma_is_cacheable(vma)) {
				ret = -EINVAL;
				break;
			}

/* [kvm write-protects cacheable memory] */
	if (s2vi->map_writable &&
	    (s2vi->map_non_cacheable || !memslot_is_logging(s2fd->memslot) ||
	     kvm_is_write_fault(s2fd->vcpu)))
		*prot |= KVM_PGTABLE_PROT_W;

/* [kvm sets no device flag] */
			s2vi->map_non_cacheable = true;
		}

/* [kvm has no device flag] */
