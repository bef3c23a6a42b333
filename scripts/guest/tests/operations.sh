#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: operations
# profiles: 4k 64k
# needs: iommufd
# The documentation has a table of what works on EGM, device-dax and hugetlbfs. A program tries
# each row of it; qemu-operations.sh has the rows of QEMU.
. /egm/bin/tap.sh
. /egm/bin/host.sh
# shellcheck source=scripts/guest/kinds.sh
. /egm/bin/kinds.sh
table_names | grep -v '^QEMU: ' >/tmp/rows
plan $(($(wc -l </tmp/rows) + 6))

# A huge entry of device-dax: it maps nothing smaller.
page=$(page_kib)
pmd=$((page * page << 17))
size=$((pmd > 4 << 20 ? pmd : 4 << 20))
both() { have_dax && have_huge 16 4M; }
check "the three kinds of memory are there" both
export EGM_9P=/egm/scratch
programs() {
	/egm/tests/egm_operations /dev/egm4 $size "$(node_of egm)" >/tmp/saw.egm &&
		/egm/tests/egm_operations /dev/dax0.0 $size "$(node_of dax)" >/tmp/saw.dax &&
		/egm/tests/egm_operations /tmp/huge/memory 0x400000 0 >/tmp/saw.huge
}
check "a program does everything with each kind" programs
check_rows

# Two pages went bad.
check "the bad pages are forgotten" forget_bad_pages egm4
leave() { have_no_huge && have_no_dax && nodes_are egm4 egm5; }
check "the regions are back" leave
check "the kernel has nothing to complain about" kernel_is_quiet
done_testing
