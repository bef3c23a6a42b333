#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: default
# What a guest sees of EGM: its size, its NUMA nodes, all of it good memory, however
# QEMU is told to map it; how KVM maps it.
. /egm/bin/tap.sh
. /egm/bin/host.sh
# shellcheck source=scripts/guest/console.sh
. /egm/bin/console.sh
plan 14

page=$(page_kib)
# sees NAME NODE MIB - the guest's node has so much
sees() {
	kb=$(sed -n "s/.*guest: node$2: .* kB of \([0-9]*\).*/\1/p" "/tmp/$1" | tail -n 1)
	echo "node$2: $kb kB"
	[ "$kb" = $(($3 << 10)) ]
}
runs() { start_guest "$@" && wait_says "$1" 'guest: memtest: .* good'; }
# Blocks are level 2 of the guest's stage 2, pages are level 3.
blocks() {
	cat /sys/kernel/debug/kvm/*/stage2_page_tables >/tmp/stage2 || return 1
	large=$(stage2_kib 2 /tmp/stage2) small=$(stage2_kib 3 /tmp/stage2)
	echo "$large KiB in blocks, $small KiB in pages"
	[ "$large" -gt 0 ] && [ "$small" = 0 ]
}

export ALIGN=default
check "one socket, align default: all memory is good" runs m1 memtest egm4=256M
check "its size" sees m1 0 256
check "it ends well" end_guest m1

export ALIGN=2M EGM_BACKEND=,prealloc=on,prealloc-threads=2
check "align=2M, prealloc=on: all memory is good" runs m2 memtest egm4=256M
one_mapping() { grep -A 3 /dev/egm4 "/proc/$(guest_pid)/smaps" | grep -q 'Size: *262144 kB'; }
check "mapped as one" one_mapping
if [ "$page" != 4 ]; then
	skip "stage 2 in blocks" "a block is $((page * page / 8)) MiB here, more than the guest has"
elif [ ! -e /sys/kernel/debug/kvm ]; then
	skip "stage 2 in blocks" "no debugfs of KVM"
else
	check "stage 2 in blocks" blocks
fi
check "it ends well" end_guest m2
unset EGM_BACKEND

two() { start_guest m3 mark TWO-SOCKETS egm4=192M egm5=320M && wait_says m3 'guest: marked'; }
check "two sockets, two nodes" two
check "size of the first" sees m3 0 192
check "size of the second" sees m3 1 320
check "it ends well" end_guest m3

# Each starts QEMU anew on the same memory.
again() {
	REBOOT=1 start_guest m4 mark REBOOT egm4=256M && wait_says m4 'guest: marked' &&
		tell m4 again && wait_says m4 'guest: marked' 2
}
check "a guest that reboots comes back" again
reset() {
	end_guest m4
	REBOOT=1 start_monitored m5 mark RESET egm4=256M && wait_says m5 'guest: marked' &&
		hmp m5 system_reset && wait_says m5 'guest: marked' 2
}
check "system_reset too" reset
check "it ends well" end_guest m5
done_testing
