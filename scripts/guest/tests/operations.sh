#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: operations
# profiles: 4k
# What programs can do with EGM, device-dax and hugetlbfs is what the table in the documentation
# says. Rows of QEMU are those of qemu-operations.sh.
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
check "the table has each operation and no other" rows_are_table /tmp/rows
while read -r name; do
	check "$name: $(table_cells "$name")" row "$name"
done </tmp/rows

# Two pages went bad.
forget() { egm_unbind egm4 && ! insmod /egm/tests/egm_forget.ko 2>/dev/null && egm_bind egm4 && list_is egm4; }
check "the bad pages are forgotten" forget
leave() { have_no_huge && have_no_dax && nodes_are egm4 egm5; }
check "the regions are back" leave
check "the kernel has nothing to complain about" kernel_is_quiet
done_testing
