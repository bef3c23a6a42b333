#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: default
# A guest on EGM has the size and the NUMA nodes of its memory backends, and writes and reads all
# of its memory, under several options of QEMU. KVM maps its memory by blocks.
. /egm/bin/tap.sh
. /egm/bin/host.sh
# shellcheck source=scripts/guest/console.sh
. /egm/bin/console.sh
plan 14

page=$(page_kib)
# sees NAME NODE MIB - that node of the guest has MIB of memory
sees() {
	kb=$(sed -n "s/.*guest: node$2: .* kB of \([0-9]*\).*/\1/p" "/tmp/$1" | tail -n 1)
	echo "node$2: $kb kB"
	[ "$kb" = $(($3 << 10)) ]
}
runs() { start_guest "$@" && wait_says "$1" 'guest: memtest: .* good'; }
# A block is an entry of level 2 of the guest's stage 2, a page an entry of level 3.
blocks() {
	cat /sys/kernel/debug/kvm/*/stage2_page_tables >/tmp/stage2 || return 1
	large=$(stage2_kib 2 /tmp/stage2) small=$(stage2_kib 3 /tmp/stage2)
	echo "$large KiB in blocks, $small KiB in pages"
	[ "$large" -gt 0 ] && [ "$small" = 0 ]
}

export ALIGN=default
check "m1, align default: the guest's memory is good" runs m1 memtest egm4=256M
check "m1: node 0 has 256 MiB" sees m1 0 256
check "m1 powers off and QEMU exits with 0" end_guest m1

export ALIGN=2M EGM_BACKEND=,prealloc=on,prealloc-threads=2
check "m2, align=2M and prealloc=on: the guest's memory is good" runs m2 memtest egm4=256M
one_mapping() { grep -A 3 /dev/egm4 "/proc/$(guest_pid)/smaps" | grep -q 'Size: *262144 kB'; }
check "m2: QEMU has one mapping of the whole memory" one_mapping
if [ "$page" != 4 ]; then
	skip "m2: KVM maps all memory in blocks" \
		"a block is $((page * page / 8)) MiB here, more than the guest has"
elif ! cat /sys/kernel/debug/kvm/*/stage2_page_tables >/dev/null 2>&1; then
	skip "m2: KVM maps all memory in blocks" "the kernel lacks CONFIG_PTDUMP_STAGE2_DEBUGFS"
else
	check "m2: KVM maps all memory in blocks" blocks
fi
check "m2 powers off and QEMU exits with 0" end_guest m2
unset EGM_BACKEND

two() { start_guest m3 mark TWO-SOCKETS egm4=192M egm5=320M && wait_says m3 'guest: marked'; }
check "m3 boots on two regions" two
check "m3: node 0 has 192 MiB" sees m3 0 192
check "m3: node 1 has 320 MiB" sees m3 1 320
check "m3 powers off and QEMU exits with 0" end_guest m3

# The guest boots twice in one QEMU, on the same memory.
again() {
	REBOOT=1 start_guest m4 mark REBOOT egm4=256M && wait_says m4 'guest: marked' &&
		tell m4 again && wait_says m4 'guest: marked' 2
}
check "m4 reboots and boots again" again
reset() {
	end_guest m4
	REBOOT=1 start_monitored m5 mark RESET egm4=256M && wait_says m5 'guest: marked' &&
		hmp m5 system_reset && wait_says m5 'guest: marked' 2
}
check "m5 boots again after system_reset" reset
check "m5 powers off and QEMU exits with 0" end_guest m5
done_testing
