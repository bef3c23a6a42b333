#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: broken-tables
# No table of retired pages, however wrong, costs the region or the kernel.
. /egm/bin/tap.sh
plan 12
check "every region has its node" nodes_are egm10 egm12 egm13 egm4 egm5 egm6 egm7 egm8 egm9
# unreadable NODE WHY
unreadable() { list_is "egm$1" && dmesg | grep -q "egm.$1: retired pages unknown: $2"; }
quiet() { ! dmesg | grep "egm.$1:.*retired"; }
check "count of 2^64 - 1: the entries there are" list_is egm4 "0x10000 0x20000"
check "and a word about it" sh -c "dmesg | grep -q 'egm.4: table of retired pages.*says 18446744073709551615 entries'"
check "table in the region itself" unreadable 5 "table .* cannot be read"
check "table not aligned" unreadable 6 "no table can be"
check "table in System RAM" unreadable 7 "table .* cannot be read"
check "table beyond all addresses" unreadable 8 "no table can be"
check "table in another region" unreadable 9 "table .* cannot be read"
check "table where SRAT knows of no memory" unreadable 10 "table .* cannot be read"
check "no table, no word" quiet 12
check "table up to the end of its memory" list_is egm13 "0 0x10000" "0x20000 0x10000"
each() {
	for n in 4 5 6 7 8 9 10 12 13; do
		not_there egm$n never-there || return 1
	done
}
check "all of them can be mapped and read" each
done_testing
