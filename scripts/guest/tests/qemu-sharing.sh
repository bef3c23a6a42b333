#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: default
# Several users of one region, users that must not be, and what each is told.
. /egm/bin/tap.sh
. /egm/bin/host.sh
# shellcheck source=scripts/guest/console.sh
. /egm/bin/console.sh
plan 14

start() { start_guest "$@" && wait_says "$1" 'guest: marked'; }
check "a guest on the first half" start s1 mark FIRST-GUEST egm4=256M
first=$guest
check "a guest on the second half, by offset" start s2 mark SECOND-GUEST egm4=256M@256M
second=$guest
third() { EGM_PATH='' egm-guest boot egm4=256M@128M </dev/null; }
refused() { ! third >/tmp/s3 2>&1 && cat /tmp/s3 && grep -qi 'busy' /tmp/s3; }
check "a third across both is refused: busy" refused
guest=$first
check "the first ends well" end_guest s1
check "nothing of it is left" not_there egm4 FIRST-GUEST 0 0x10000000
check "the second is still there" alive "$second"
next() { start s4 mark THIRD-GUEST egm4=256M; }
check "the first half has a new guest" next
check "it ends well" end_guest s4
guest=$second
check "the second ends well" end_guest s2

# qemu_says PATTERN WORDS... - QEMU ends at once, and says why
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
check "the kernel says what to do" sh -c 'dmesg | tail -n 20 | grep "use MAP_SHARED"'
# QEMU asks the size by SEEK_END: the driver need not refuse.
too_large() {
	qemu_says 'size.*exceeds\|too small\|larger than\|does not match' -m 4096M \
		-object memory-backend-file,id=m0,mem-path=/dev/egm4,size=4096M,share=on
}
check "more than the region has is refused by QEMU itself" too_large

touches_all() { EGM_BACKEND=,prealloc=on start s6 mark KILLED egm4=256M; }
check "a guest with all of its memory touched" touches_all
kill_guest
check "killed: all of it is zero for the next" /egm/tests/egm_poke /dev/egm4 zero 0 0
done_testing
