#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: default
# profiles: none
# No profile runs this test yet: edu takes 100 ms for each transfer, and upstream's tests have a
# limit of 30 s, which passes on a busy machine. Run it by hand:
#	scripts/vm --timeout 3600 -- /egm/bin/run-tests script vfio-selftests
# Upstream's own selftests of VFIO, on the edu device. Each of their cases is a result here.
. /egm/bin/tap.sh
. /egm/bin/host.sh
edu=0000:00:1d.0

# cases TEST - run one of the programs on the device
cases() {
	"/egm/tests/vfio/$1" $edu >/tmp/tap.out 2>&1
	tap_status=$?
	# edu has no VFs. Another program that skips all of its cases is a failure.
	if [ $tap_status = 4 ] && [ "$1" = vfio_pci_sriov_uapi_test ]; then
		skip "$1" "$(sed -n 's/.*SKIP *//p' /tmp/tap.out | tail -n 1)"
		return
	fi
	grep -E '^(not )?ok [0-9]+ ' /tmp/tap.out >/tmp/cases
	while read -r ok rest; do
		rest=${rest#ok }
		what="$1: ${rest#* }"
		case $rest in
		*'# SKIP'*) skip "${what%% # SKIP*}" "${what##*# SKIP }" ;;
		*) if [ "$ok" = ok ]; then result "$what" 0; else result "$what" 1; fi ;;
		esac
	done </tmp/cases
	grep -qx "1\.\.$(wc -l </tmp/cases)" /tmp/tap.out
	result "$1: each of its cases has a result" $?
}

# They map 1 GiB for DMA forty times, which takes long by small pages.
echo always >/sys/kernel/mm/transparent_hugepage/shmem_enabled
echo 8 >/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages

ktap_print_header
check "vfio-pci takes the device" to_vfio_pci $edu
for test in vfio_dma_mapping_test vfio_dma_mapping_mmio_test vfio_iommufd_setup_test \
	vfio_pci_device_test vfio_pci_device_init_perf_test vfio_pci_driver_test \
	vfio_pci_sriov_uapi_test; do
	cases $test
done
echo never >/sys/kernel/mm/transparent_hugepage/shmem_enabled
echo 0 >/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages
check "the kernel has nothing to complain about" kernel_is_quiet
# Known only now
ktap_set_plan $((KTAP_TESTNO - 1))
done_testing
