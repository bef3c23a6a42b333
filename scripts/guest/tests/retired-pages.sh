#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: retired
# Firmware's table of retired pages: valid entries are listed, others are ignored, and the kernel
# does not write to the pages on the list.
. /egm/bin/tap.sh
. /egm/bin/host.sh
plan 12
g=65536
bytes_are() { [ "$(cat "/sys/class/egm/$1/retired_bytes")" = "$2" ]; }

check "the list is the valid entries, sorted and merged" list_is egm4 \
	"0x30000 0x20000" "0x90000 0x10000" "0xa00000 0x10000" "0xfff0000 0x10000"
same_list() {
	list=$(/egm/tests/egm_poke /dev/egm4 retired) &&
		list32=$(/egm/tests/egm_poke32 /dev/egm4 retired) || return 1
	echo "$list32"
	[ -n "$list" ] && [ "$list32" = "$list" ]
}
if [ -e /egm/tests/egm_poke32 ]; then
	check "a 32-bit program reads the same list" same_list
else
	skip "a 32-bit program reads the same list" "this kernel has no CONFIG_COMPAT"
fi
check "retired_bytes is the sum of the list" bytes_are egm4 $((5 * g))
check "the kernel logged one line with the number of ignored entries" \
	[ "$(dmesg | grep -c 'egm.4: .*ignored 5 of 10 entries')" = 1 ]
check "a zeroed table is an empty list" list_is egm5
check "the kernel logged nothing about a zeroed table" not_logged "egm.5:.*retired"

# Firmware left a pattern in each block, which the kernel must zero, but for the retired pages.
intact() { /egm/tests/egm_poke /dev/egm4 intact; }
check "workers zero the region" wait_until 60 zeroed egm4
check "the kernel kept the retired pages and zeroed the rest, ahead" intact
check "the kernel kept the retired pages and zeroed the rest, after a release" intact
echo 0 >/sys/module/nvgrace_egm/parameters/scrub_workers
check "the kernel kept the retired pages and zeroed the rest, by faults" intact
check "the kernel kept the retired pages and zeroed the rest, in mmap" \
	/egm/tests/egm_poke /dev/egm4 intact-populated
prealloc() {
	EGM_BACKEND=,prealloc=on egm-guest boot egm4=256M </dev/null
}
# Last, since the guest does not know the list and may write to the pages.
check "a guest boots with prealloc=on, which touches the retired pages" prealloc
done_testing
