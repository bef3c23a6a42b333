#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: retired
# Firmware's table of retired pages: what of it is believed, and that the kernel leaves
# such pages as they are.
. /egm/bin/tap.sh
. /egm/bin/host.sh
plan 12
g=65536
bytes_are() { [ "$(cat "/sys/class/egm/$1/retired_bytes")" = "$2" ]; }

check "the good entries, sorted and merged" list_is egm4 \
	"0x30000 0x20000" "0x90000 0x10000" "0xa00000 0x10000" "0xfff0000 0x10000"
same_list() {
	list=$(/egm/tests/egm_poke /dev/egm4 retired) &&
		list32=$(/egm/tests/egm_poke32 /dev/egm4 retired) || return 1
	echo "$list32"
	[ -n "$list" ] && [ "$list32" = "$list" ]
}
if [ -e /egm/tests/egm_poke32 ]; then
	check "the same for a program of 32 bits" same_list
else
	skip "the same for a program of 32 bits" "this kernel runs none"
fi
check "as many bytes" bytes_are egm4 $((5 * g))
check "one line says what was ignored" \
	[ "$(dmesg | grep -c 'egm.4: .*ignored 5 of 10 entries')" = 1 ]
check "a zeroed table is an empty list" list_is egm5
check "no word about it" sh -c '! dmesg | grep "egm.5:.*retired"'

# Firmware left a pattern at each block's start; what the kernel zeroes is zero.
intact() { /egm/tests/egm_poke /dev/egm4 intact; }
check "zeroed ahead" wait_until 60 zeroed egm4
check "retired pages as they were, all else zero" intact
check "the same after a release" intact
echo 0 >/sys/module/nvgrace_egm/parameters/scrub_workers
check "the same, zeroed by faults" intact
check "the same, zeroed in mmap" /egm/tests/egm_poke /dev/egm4 intact-populated
prealloc() {
	EGM_BACKEND=,prealloc=on egm-guest boot egm4=256M </dev/null
}
# The guest is not told, and may use them: last.
check "QEMU touches all of it, prealloc=on" prealloc
done_testing
