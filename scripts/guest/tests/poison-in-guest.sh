#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: poison
# needs: kvm-poison
# A page of a running KVM guest goes bad: a page of a process, under either QEMU and with a
# device that does DMA, a page of the guest's kernel, and a page table. Then system_reset with a
# bad page.
. /egm/bin/tap.sh
. /egm/bin/host.sh
# shellcheck source=scripts/guest/console.sh
. /egm/bin/console.sh
# The guest boots through firmware, which takes longer.
# shellcheck disable=SC2034 # for wait_says
patience=600
plan 22

edu=0000:00:1d.0
to_vfio_pci $edu
page=$(($(page_kib) << 10))
export QEMU_MACHINE=,ras=on
export QEMU_WORDS="-drive if=pflash,format=raw,readonly=on,file=/egm/firmware/code.fd
	-drive if=pflash,format=raw,file=/tmp/vars.fd"

# start NAME - a guest that uses all its memory, on a region that has no bad page
start() {
	cp /egm/firmware/vars.fd /tmp/vars.fd
	start_monitored "$1" churn egm4=256M
	wait_says "$1" 'memtest: the middle is at'
}

# inject NAME PLACE - make the page bad whose address the guest printed after PLACE "is at"
inject() {
	used=$(sed -n "s/.*$2 is at \(0x[0-9a-f]*\).*/\1/p" "/tmp/$1")
	bad=$(($(base_of egm4) + (used - 0x40000000) / page * page))
	echo "$2: $used, $bad"
	[ $((used)) -gt $((0x40000000)) ] && echo $bad >/sys/devices/system/memory/hard_offline_page
}

# shown NAME [LINES] - print the guest's messages after the injection
shown() {
	sed -n '/the middle is at/,$p' "/tmp/$1" | grep -av 'pages right\|memtest: round\|  x[0-9]' | head -n "${2:-12}" |
		cut -c1-100 | sed 's/^/# /'
}

ended() { wait_until 120 guest_gone && wait "$guest"; }
killed() { wait_says "$1" 'guest: memtest ended with 135'; }

# lives NAME - the process dies, the guest lives
lives() {
	check "$1: a page of a process goes bad" inject "$1" 'memtest: the middle'
	check "$1: the process dies of SIGBUS" killed "$1"
	check "$1: the rest of the memory is good" wait_says "$1" 'guest: memtest: .* good'
}

QEMU=10.0 start old
lives old
check "old: the guest powers off and QEMU exits with 0" ended
forget_bad_pages egm4

for how in iommufd type1; do
	type1=''
	[ $how = iommufd ] || type1=1
	DEVICE=$edu TYPE1=$type1 start $how
	wait_says $how 'dma: 16 of 16 pages right' 2
	lives $how
	goes_on() {
		seen=$(grep -ac 'dma: 16 of 16' "/tmp/$how")
		wait_says "$how" 'dma: 16 of 16 pages right' $((seen + 2)) && ! says "$how" 'dma: [0-9] of'
	}
	check "$how: DMA to other pages stays right" goes_on
	kill_guest
	forget_bad_pages egm4
done

start kernel
check "kernel: a page of the guest's kernel goes bad" inject kernel 'guest: the kernel'
# The guest's panic touches the page again, and QEMU exits. With 64 KiB pages QEMU exits before
# the guest prints anything.
panics() {
	wait_says kernel 'Internal error: synchronous external abort\|OSPM does not acknowledge' &&
		wait_until 120 guest_gone
}
check "kernel: the guest or QEMU prints the error, and QEMU exits" panics
shown kernel 30
forget_bad_pages egm4

# Each round of the memory test uses that table: the processor reads it to translate an address.
# When the process ends, the guest's kernel reads the table.
start table
check "table: a page table of a process goes bad" inject table 'memtest: a page table'
hit() {
	guest_gone ||
		says table 'memtest ended with 135\|Internal error\|OSPM does not acknowledge\|Kernel panic'
}
check "table: process, guest or QEMU ends" wait_until 600 hit
no_wrong() { shown table 40; ! says table 'memtest: wrong'; }
check "table: no wrong word was read" no_wrong
kill_guest
forget_bad_pages egm4

REBOOT=1 start reset
check "reset: a page of a process goes bad" inject reset 'memtest: the middle'
check "reset: the process dies of SIGBUS" killed reset
# QEMU discards the bad page at a reset, which fails for a character device.
after_reset() { guest_gone || says reset 'memtest: the middle is at' 2; }
reset() {
	hmp reset system_reset
	wait_until 300 after_reset
}
check "reset: system_reset ends QEMU or boots the guest" reset
shown reset 20
if guest_gone; then echo "# QEMU has exited"; else echo "# QEMU runs"; fi
kill_guest
forget_bad_pages egm4

check "the kernel logged no warning" kernel_is_quiet
check "both regions have their nodes" nodes_are egm4 egm5
done_testing
