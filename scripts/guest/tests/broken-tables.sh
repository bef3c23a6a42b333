#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: broken-tables
# A broken table of retired pages leaves the region usable and the kernel quiet.
. /egm/bin/tap.sh
. /egm/bin/host.sh
plan 12
# A kernel without CONFIG_SYMBOLIC_ERRNAME prints numbers.
ebusy='cannot be read (-\(EBUSY\|16\))'
enxio='cannot be read (-\(ENXIO\|6\))'
nowhere='no table can be at'

check "every region has its node" nodes_are egm10 egm11 egm12 egm4 egm5 egm6 egm7 egm8 egm9
# unknown N PATTERN - the list is empty, and the kernel logged a reason like PATTERN
unknown() {
	dmesg | grep "egm.$1:"
	list_is "egm$1" && dmesg | grep -q "egm.$1: .*retired pages unknown: .*$2"
}
quiet() { not_logged "egm.$1:.*retired"; }
check "a count of 2^64 - 1 yields the entries that fit" list_is egm4 "0x10000 0x20000"
check "a count of 2^64 - 1 is logged" sh -c "dmesg | grep -q 'egm.4: .*table of retired pages.*says 18446744073709551615 entries'"
check "a table in the region itself is refused" unknown 5 "$ebusy"
check "a table that is not aligned is refused" unknown 6 "$nowhere"
check "a table in System RAM is refused" unknown 7 "$ebusy"
check "a table beyond all addresses is refused" unknown 8 "$nowhere"
check "a table in another region is refused" unknown 9 "$ebusy"
check "a table outside the memory of SRAT is refused" unknown 10 "$enxio"
check "a region without a table logs nothing about one" quiet 11
check "a table up to the end of its memory is read" list_is egm12 "0 0x10000" "0x20000 0x10000"
each() {
	for n in 4 5 6 7 8 9 10 11 12; do
		not_there egm$n never-there || return 1
	done
}
check "every region can be mapped and read" each
done_testing
