#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: kdump
# profiles: 4k 64k
# needs: kexec-file
# The kernel that boots after a crash creates no region and zeroes nothing: the memory may be
# part of the dump. This script runs in both kernels.
. /egm/bin/tap.sh
. /egm/bin/host.sh

first() {
	plan 3
	/egm/tests/egm_poke /dev/egm4 hold 600 0 0x400000 >/tmp/holder 2>&1 &
	check "a process holds memory of the region" wait_until 20 test -s /tmp/holder
	check "a kernel for a crash is loaded" /egm/tests/egm_kexec --crash \
		/egm/kernel/Image /egm/ctl/initrd "console=ttyAMA0 panic=-1 loglevel=6 nr_cpus=1"
	stop_if_failed
	echo c >/proc/sysrq-trigger
	check "the crash does not return to this script" false
}

second() {
	plan 3
	check "the GPU is bound in the crash kernel" wait_until 60 bound 0000:00:10.0
	check "the crash kernel has no region" nodes_are
	unclaimed() { ! grep egm /proc/iomem; }
	check "the crash kernel claims no range" unclaimed
}

if [ -e /proc/vmcore ]; then second; else first; fi
done_testing
