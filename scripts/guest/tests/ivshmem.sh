#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# profiles: 4k 64k debug
# needs: iommufd
# A guest's RAM and its ivshmem device are two parts of one region. The guest and an assigned
# device read and write both parts. A second QEMU cannot map the part of the ivshmem device.
. /egm/bin/tap.sh
. /egm/bin/host.sh
# shellcheck source=scripts/guest/console.sh
. /egm/bin/console.sh
plan 12

edu=0000:00:1d.0
to_vfio_pci $edu
at=0x20000000 len=0x1000000
export QEMU_WORDS="-object memory-backend-file,id=shared,mem-path=/dev/egm4,size=16M,offset=512M,share=on,align=2M -device ivshmem-plain,memdev=shared"

start() {
	start_guest "$1" ivshmem egm4=256M &&
		wait_says "$1" "guest: ivshmem: $((len)) bytes, 0x45474D31 0x45474D32"
}
ram() { wait_says "$1" 'dma: 16 of 16 pages right'; }
shared() { wait_says "$1" 'dma: 1 of 1 page right'; }
mapped() {
	grep /dev/egm4 "/proc/$(guest_pid)/maps"
	grep -q " 20000000 .*/dev/egm4" "/proc/$(guest_pid)/maps"
}
second() {
	! timeout 60 qemu-system-aarch64 -M none -nodefaults -display none \
		-object memory-backend-file,id=shared,mem-path=/dev/egm4,size=16M,offset=512M,share=on \
		</dev/null >/tmp/second 2>&1
	cat /tmp/second
	grep -q 'Device or resource busy' /tmp/second
}
zero() { /egm/tests/egm_poke /dev/egm4 zero "$@"; }

export DEVICE=$edu
check "a guest writes and reads the memory of its ivshmem device" start i1
check "the assigned device copies pages of the RAM" ram i1
check "the assigned device copies a page of the ivshmem memory" shared i1
check "QEMU has mapped the ivshmem memory at its offset" mapped
check "another file cannot map the ivshmem memory: EBUSY" busy egm4 $at $len
check "the memory behind it is free" zero 0x21000000 0x200000
check "a second QEMU cannot map the ivshmem memory: EBUSY" second
check "the guest powers off and QEMU exits with 0" end_guest i1
check "the ivshmem memory is zero after QEMU has exited" zero $at $len

start_with_type1() { TYPE1=1 start i2 && ram i2 && shared i2; }
check "with type1 guest and device read and write both parts" start_with_type1
kill_guest
check "the region is zero after QEMU is killed" zero 0 0
check "the kernel logged no warning" kernel_is_quiet
done_testing
