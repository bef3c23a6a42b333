#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: default
# Hibernation loses EGM, and is refused as long as there is a region; suspend keeps it.
. /egm/bin/tap.sh
. /egm/bin/host.sh
plan 9
# pm_test LEVEL STATE - as far as LEVEL, and back
pm_test() {
	pm_rc=0
	echo "$1" >/sys/power/pm_test
	echo "$2" >/sys/power/state || pm_rc=1
	echo none >/sys/power/pm_test
	return $pm_rc
}
refused() {
	dmesg -c >/dev/null
	! pm_test freezer disk && dmesg | grep 'hibernation is refused'
}
check "hibernation is refused while regions are bound" refused
/egm/tests/egm_poke /dev/egm4 hold 600 0 0x400000 >/tmp/holder 2>&1 &
holder=$!
check "a process has memory" wait_until 20 test -s /tmp/holder
# Its devices cannot be tried here: virtio-9p, which has the root file system, does not resume.
check "suspend to idle is not refused" pm_test freezer freeze
unbind() { egm_unbind egm4 && egm_unbind egm5 && nodes_are; }
check "the regions are unbound" unbind
check "it is refused while a file is open" refused
kill $holder
wait $holder 2>/dev/null
check "and works when there is none" wait_until 20 pm_test freezer disk
# It holds the system there until it is closed.
not_yet() { exec 8</dev/snapshot && ! egm_bind egm4 && nodes_are; }
check "no region is bound on the way to hibernation" not_yet
exec 8<&-
bind() { egm_bind egm4 && egm_bind egm5 && nodes_are egm4 egm5; }
check "the regions come back" bind
check "the kernel has nothing to complain about" kernel_is_quiet
done_testing
