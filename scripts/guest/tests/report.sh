#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: default
# profiles: 4k
# egm-report describes and measures a machine, and its text names neither the machine nor an
# address of its memory.
. /egm/bin/tap.sh
. /egm/bin/host.sh
plan 9
export PYTHONPYCACHEPREFIX=/tmp/pycache
hostname secretname
workers=/sys/module/nvgrace_egm/parameters/scrub_workers
before=$(cat $workers)
# A message with an address of the region
retire() { echo $(($(base_of egm5) + 0x10000)) >/sys/devices/system/memory/hard_offline_page; }

report() { /usr/bin/python3 /egm/tests/egm-report "$@" >/tmp/report 2>&1; }
has() { grep -qE "$1" /tmp/report || { cat /tmp/report; return 1; }; }
sections() {
	for want in kernel 'region egm4' 'region egm5' 'kernel messages' 'measured on egm4, 64 MiB'; do
		has "^== $want\$" || return 1
	done
}
names_nothing() {
	! grep -iE "secretname|([0-9a-f]{2}:){5}|$(printf %x "$(base_of egm4)")|$(printf %x "$(base_of egm5)")" \
		/tmp/report
}
as_before() { [ "$(cat $workers)" = "$before" ]; }
refused() {
	want=$1
	shift
	! report "$@" && has "$want"
}
held() {
	/egm/tests/egm_poke /dev/egm4 hold 600 0 0x200000 >/tmp/holder 2>&1 &
	holder=$!
	wait_until 10 grep -q holding /tmp/holder
	refused 'egm4: cannot map .* Device or resource busy' --measure egm4
	rc=$?
	kill $holder
	wait $holder 2>/dev/null
	return $rc
}

if why=$(lacks memory-failure); then
	skip "a page of egm5 is retired" "$why"
else
	check "a page of egm5 is retired" retire
fi
check "the report is written" report --measure egm4 --bytes 0x4000000
check "the report has each section" sections
check "the report has times of calls, and zeroing by 1 and 2 workers" \
	eval 'has "^first touch of 2 MiB, median: [0-9.]+ us" && has "^zeroing by 2 workers: [0-9.]+ GB/s"'
check "the report names neither the machine nor an address" names_nothing
check "the number of workers is as before" as_before
check "memory of another owner is not measured" held
check "an unknown region is refused" refused 'no region egm99' --measure egm99
check "egm_forget.ko clears the list" forget_bad_pages egm5
done_testing
