#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: kexec
# profiles: 4k 64k
# needs: kexec-file memory-failure
# A second kernel, booted by kexec, reads the list of the pages that went bad under the first,
# and zeroes the rest. This script runs in both kernels.
. /egm/bin/tap.sh
. /egm/bin/host.sh
page=$(page_kib) bad=0x5550000

first() {
	plan 5
	/egm/tests/egm_poke /dev/egm4 hold 600 0x5400000 0x400000 >/tmp/holder 2>&1 &
	check "a process holds memory of the region" wait_until 20 test -s /tmp/holder
	inject() { echo $((base + bad)) >/sys/devices/system/memory/hard_offline_page; }
	base=$(base_of egm4)
	check "a page of this process goes bad" inject
	base=$(base_of egm5)
	check "a page of a free block goes bad" inject
	all() { listed egm4 && listed egm5; }
	check "both bad pages are listed" wait_until 20 all
	stop_if_failed
	/egm/tests/egm_kexec /egm/kernel/Image /egm/ctl/initrd "$(cat /proc/cmdline) egm_second=1"
	check "kexec does not return to this script" false
}

# The second kernel lists the bad page, and zeroes the rest of the memory.
second() {
	plan 6
	check "the second kernel has the regions" nodes_are egm4 egm5
	check "the bad page of the process is listed" listed egm4
	check "the bad page of the free block is listed" listed egm5
	check "workers zero the region" wait_until 120 zeroed egm4
	zero() {
		/egm/tests/egm_poke /dev/egm4 zero 0 $bad &&
			/egm/tests/egm_poke /dev/egm4 zero $((bad + page * 1024)) 0
	}
	check "the memory around the bad page is zero" zero
	kept() { ! /egm/tests/egm_poke /dev/egm4 zero $bad $((page * 1024)); }
	check "the bad page was not written" kept
}
listed() { list_is "$1" "$(printf '%#x %#x' $bad $((page * 1024)))"; }

if grep -q egm_second /proc/cmdline; then second; else first; fi
done_testing
