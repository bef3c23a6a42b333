#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: broken-tables
# No table of retired pages, however wrong, costs the region or the kernel.
. /egm/bin/tap.sh
. /egm/bin/host.sh
plan 12
# Not every kernel has names for them.
ebusy='cannot be read (-\(EBUSY\|16\))'
enxio='cannot be read (-\(ENXIO\|6\))'
nowhere='no table can be at'

check "every region has its node" nodes_are egm10 egm11 egm12 egm4 egm5 egm6 egm7 egm8 egm9
# unknown N WHY - the list is empty, and the kernel says why
unknown() {
	dmesg | grep "egm.$1:"
	list_is "egm$1" && dmesg | grep -q "egm.$1: .*retired pages unknown: .*$2"
}
quiet() { ! dmesg | grep "egm.$1:.*retired"; }
check "count of 2^64 - 1: the entries there are" list_is egm4 "0x10000 0x20000"
check "and a word about it" sh -c "dmesg | grep -q 'egm.4: .*table of retired pages.*says 18446744073709551615 entries'"
check "table in the region itself" unknown 5 "$ebusy"
check "table not aligned" unknown 6 "$nowhere"
check "table in System RAM" unknown 7 "$ebusy"
check "table beyond all addresses" unknown 8 "$nowhere"
check "table in another region" unknown 9 "$ebusy"
check "table where SRAT knows of no memory" unknown 10 "$enxio"
check "no table, no word" quiet 11
check "table up to the end of its memory" list_is egm12 "0 0x10000" "0x20000 0x10000"
each() {
	for n in 4 5 6 7 8 9 10 11 12; do
		not_there egm$n never-there || return 1
	done
}
check "all of them can be mapped and read" each
done_testing
