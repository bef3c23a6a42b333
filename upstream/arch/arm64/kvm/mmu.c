// SPDX-License-Identifier: GPL-2.0-only
/* Insertions into KVM of arm64: dirty pages of cacheable PFN mappings are logged. */

/* [kvm logs cacheable memory] */
			/* Memory is logged like pages. A device's is not allowed to be. */
			if (new->flags & KVM_MEM_LOG_DIRTY_PAGES &&
			    !kvm_vma_is_cacheable(vma)) {

/* [kvm write-protects cacheable memory] */
	if (s2vi->map_writable && (s2vi->map_non_cacheable ||

/* [kvm sets no device flag] */
			s2vi->map_non_cacheable = true;
		}

/* [kvm has no device flag] */
