#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: default
# Guests that share a region by offset, overlapping and invalid mappings, and their errors.
. /egm/bin/tap.sh
. /egm/bin/host.sh
# shellcheck source=scripts/guest/console.sh
. /egm/bin/console.sh
plan 14

start() { start_guest "$@" && wait_says "$1" 'guest: marked'; }
check "s1 boots on the first half" start s1 mark FIRST-GUEST egm4=256M
first=$guest
check "s2 boots on the second half, by offset" start s2 mark SECOND-GUEST egm4=256M@256M
second=$guest
third() { EGM_PATH='' egm-guest boot egm4=256M@128M </dev/null; }
refused() { ! third >/tmp/s3 2>&1 && cat /tmp/s3 && grep -qi 'busy' /tmp/s3; }
check "QEMU fails with EBUSY on memory of both guests" refused
guest=$first
check "s1 powers off and QEMU exits with 0" end_guest s1
check "the text of s1 is not in the first half" not_there egm4 FIRST-GUEST 0 0x10000000
check "s2 runs on" alive "$second"
next() { start s4 mark THIRD-GUEST egm4=256M; }
check "s4 boots on the first half" next
check "s4 powers off and QEMU exits with 0" end_guest s4
guest=$second
check "s2 powers off and QEMU exits with 0" end_guest s2

# qemu_says PATTERN WORDS... - QEMU fails with a message like PATTERN
qemu_says() {
	pattern=$1
	shift
	timeout 60 qemu-system-aarch64 -M virt,gic-version=3 -cpu host -accel kvm -nodefaults \
		-display none -m 256M "$@" -numa node,memdev=m0 -kernel /egm/kernel/Image >/tmp/s5 2>&1
	rc=$?
	cat /tmp/s5
	[ $rc -ne 0 ] && [ $rc -ne 124 ] && grep -qi "$pattern" /tmp/s5
}
check "share=off is refused" qemu_says 'Invalid argument' \
	-object memory-backend-file,id=m0,mem-path=/dev/egm4,size=256M,share=off
check "the kernel log names MAP_SHARED" sh -c 'dmesg | tail -n 20 | grep "use MAP_SHARED"'
# QEMU asks the size by SEEK_END: the driver need not refuse.
too_large() {
	qemu_says 'size.*exceeds\|too small\|larger than\|does not match' -m 4096M \
		-object memory-backend-file,id=m0,mem-path=/dev/egm4,size=4096M,share=on
}
check "QEMU itself refuses a size beyond the region" too_large

touches_all() { EGM_BACKEND=,prealloc=on start s6 mark KILLED egm4=256M; }
check "s6 boots with all of its memory touched" touches_all
kill_guest
check "the region is zero after QEMU is killed" /egm/tests/egm_poke /dev/egm4 zero 0 0
done_testing
