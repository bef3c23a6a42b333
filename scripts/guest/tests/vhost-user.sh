#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: default
# A vhost-user back end maps the guest's memory by a descriptor of QEMU's file, and holds it. A
# back end that maps this file from offset 0 reserves memory before its guest's RAM too.
. /egm/bin/tap.sh
. /egm/bin/host.sh
# shellcheck source=scripts/guest/console.sh
. /egm/bin/console.sh
plan 17

# back_end NAME [from-zero] - start a back end for guest NAME; $back_end is its pid
back_end() {
	rm -f "/tmp/$1.look" "/tmp/$1.sock"
	# Opened for reading and writing, the pipe never ends, and a writer never waits.
	mkfifo "/tmp/$1.look"
	/egm/tests/egm_vhost_user "/tmp/$1.sock" "$1 on the guest's node 0" ${2+"$2"} \
		<>"/tmp/$1.look" >"/tmp/$1.back" 2>&1 &
	back_end=$!
	wait_until 10 test -S "/tmp/$1.sock"
}
# run NAME MEMORY - start guest NAME with a vhost-user device
run() {
	QEMU_WORDS="-chardev socket,id=c0,path=/tmp/$1.sock -device vhost-user-rng-pci,chardev=c0" \
		start_guest "$1" mark "$1" "$2"
}
start() { run "$@" && wait_says "$1" 'guest: marked'; }
back_end_says() { cat "/tmp/$1.back"; [ "$(grep -c "$2" "/tmp/$1.back")" -ge "${3:-1}" ]; }
# sees NAME [COUNT] - the back end searches the memory and finds its guest's text, COUNT times
sees() {
	echo 1<>"/tmp/$1.look"
	wait_until 30 back_end_says "$1" 'is there' "$2"
}
log_says() { dmesg | tail -n 20 | grep "egm4: egm_vhost_user.*: offset $1 that qemu-system-aar\[$2\] opened"; }
end() {
	kill -9 "$1" 2>/dev/null
	wait "$1" 2>/dev/null
	true
}
zero() { /egm/tests/egm_poke /dev/egm4 zero 0 0; }

check "the back end listens on its socket" back_end VHOST-USER
alone=$back_end
check "a guest boots with a vhost-user device" start VHOST-USER egm4=256M
check "the back end maps the guest's memory" wait_until 30 back_end_says VHOST-USER 'mapped [1-9]'
check "the back end reads the guest's text" sees VHOST-USER 1
kill_guest
# The back end's descriptors are references to QEMU's open file, which owns the memory.
check "the memory is busy after QEMU is killed" busy egm4 0 0x200000
check "the back end reads the guest's text after QEMU is killed" sees VHOST-USER 2
end "$alone"
check "the memory is free and zero after the back end is killed" zero

back_end LOWER && lower_back=$back_end && start LOWER egm4=256M && lower=$guest
back_end UPPER && upper_back=$back_end && start UPPER egm4=256M@256M && upper=$guest
own() { sees LOWER 1 && sees UPPER 1; }
check "each of two back ends reads its own guest's text" own
end "$upper"
end "$upper_back"

# The other guest owns the half before the guest's: the kernel refuses the back end.
back_end FROM-ZERO from-zero
run FROM-ZERO egm4=256M@256M
check "mmap from 0 fails with EBUSY while another guest owns this half" \
	wait_until 60 back_end_says FROM-ZERO 'mmap: Device or resource busy'
check "the kernel log names the owner" log_says "0x0 is owned by a file" "$lower"
check "the guest of the refused back end does not start" wait_until 60 guest_gone
unharmed() { alive "$lower" && sees LOWER 2; }
check "the other guest and its back end run on" unharmed
end "$lower"
end "$lower_back"

# The half before the guest's is free: the back end reserves it for QEMU's file.
back_end FROM-ZERO from-zero
from_zero=$back_end
check "a guest boots whose back end maps a free half too" start FROM-ZERO egm4=256M@256M
check "the half is reserved" busy egm4 0 0x10000000
check "the kernel log names the file that the half is reserved for" \
	log_says "0x0, 0x20000000 bytes, is now owned by the file" "$guest"
kill_guest
end "$from_zero"
check "the region is free and zero after QEMU and back end are killed" zero
check "the kernel logged no warning" kernel_is_quiet
done_testing
