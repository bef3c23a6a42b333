#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: default
# Hibernation would lose EGM, and is refused while a region exists. Suspend is not refused.
. /egm/bin/tap.sh
. /egm/bin/host.sh
plan 9
# pm_test LEVEL STATE - enter STATE as far as LEVEL, and return
pm_test() {
	pm_rc=0
	echo "$1" >/sys/power/pm_test
	echo "$2" >/sys/power/state || pm_rc=1
	echo none >/sys/power/pm_test
	return $pm_rc
}
refused() {
	logged=$(dmesg | wc -l)
	! pm_test freezer disk && dmesg | tail -n +$((logged + 1)) | grep 'hibernation is refused'
}
check "hibernation is refused while regions are bound" refused
/egm/tests/egm_poke /dev/egm4 hold 600 0 0x400000 >/tmp/holder 2>&1 &
holder=$!
check "a process holds memory of the region" wait_until 20 test -s /tmp/holder
# Not the level of devices: virtio-9p, which has the root file system, does not resume.
check "suspend to idle is not refused" pm_test freezer freeze
unbind() { egm_unbind egm4 && egm_unbind egm5 && nodes_are; }
check "both regions are unbound" unbind
check "hibernation is refused while a revoked file is open" refused
kill $holder
wait $holder 2>/dev/null
check "hibernation is not refused after the last file is closed" wait_until 20 pm_test freezer disk
# An open /dev/snapshot is the start of hibernation, until it is closed.
not_yet() { exec 8</dev/snapshot && ! egm_bind egm4 && nodes_are; }
check "bind fails after the start of hibernation" not_yet
exec 8<&-
bind() { egm_bind egm4 && egm_bind egm5 && nodes_are egm4 egm5; }
check "both regions are bound again" bind
check "the kernel logged no warning" kernel_is_quiet
done_testing
