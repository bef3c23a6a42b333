#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: default
# A vhost-user back end has the guest's memory by a descriptor of QEMU's, and keeps it. Of two
# guests on one region, one that maps the descriptor from 0 takes more than its guest has.
. /egm/bin/tap.sh
. /egm/bin/host.sh
# shellcheck source=scripts/guest/console.sh
. /egm/bin/console.sh
plan 17

# back_end NAME [from-zero] - for guest NAME; its pid is in $back_end
back_end() {
	rm -f "/tmp/$1.look" "/tmp/$1.sock"
	# Opened for both, it never ends by itself, and look() waits for no reader.
	mkfifo "/tmp/$1.look"
	/egm/tests/egm_vhost_user "/tmp/$1.sock" "$1 on the guest's node 0" ${2+"$2"} \
		<>"/tmp/$1.look" >"/tmp/$1.back" 2>&1 &
	back_end=$!
	wait_until 10 test -S "/tmp/$1.sock"
}
# run NAME MEMORY - a guest of that name with a vhost-user device
run() {
	QEMU_WORDS="-chardev socket,id=c0,path=/tmp/$1.sock -device vhost-user-rng-pci,chardev=c0" \
		start_guest "$1" mark "$1" "$2"
}
start() { run "$@" && wait_says "$1" 'guest: marked'; }
back_end_says() { cat "/tmp/$1.back"; [ "$(grep -c "$2" "/tmp/$1.back")" -ge "${3:-1}" ]; }
# sees NAME [COUNT] - the back end is asked, and finds what its guest wrote
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

check "the socket is there" back_end VHOST-USER
alone=$back_end
check "a guest with a vhost-user device" start VHOST-USER egm4=256M
check "the back end has its memory" wait_until 30 back_end_says VHOST-USER 'mapped [1-9]'
check "and sees what the guest wrote" sees VHOST-USER 1
kill_guest
# The descriptors are references of the same open file: it owns the memory still.
check "QEMU is gone, the memory is not free" busy egm4 0 0x200000
check "the back end sees it still" sees VHOST-USER 2
end "$alone"
check "the back end is gone: the memory is free, and zero" zero

back_end LOWER && lower_back=$back_end && start LOWER egm4=256M && lower=$guest
back_end UPPER && upper_back=$back_end && start UPPER egm4=256M@256M && upper=$guest
own() { sees LOWER 1 && sees UPPER 1; }
check "two guests by offset=, each back end sees its own" own
end "$upper"
end "$upper_back"

# The half before the guest's is the other guest's: the kernel refuses the back end.
back_end FROM-ZERO from-zero
run FROM-ZERO egm4=256M@256M
check "a back end that maps from 0 is refused the other guest's half" \
	wait_until 60 back_end_says FROM-ZERO 'mmap: Device or resource busy'
check "the kernel says who has it" log_says "0x0 is owned by a file" "$lower"
check "its guest does not start" wait_until 60 guest_gone
unharmed() { alive "$lower" && sees LOWER 2; }
check "the other guest goes on" unharmed
end "$lower"
end "$lower_back"

# The half before it is nobody's: the back end takes it, for a guest that has no use for it.
back_end FROM-ZERO from-zero
from_zero=$back_end
check "if nobody has that half, the guest starts" start FROM-ZERO egm4=256M@256M
check "and its back end has taken the half" busy egm4 0 0x10000000
check "the kernel says by whose file" log_says "0x0, 0x20000000 bytes, is now owned by the file" "$guest"
kill_guest
end "$from_zero"
check "until both are gone: all is free, and zero" zero
check "the kernel has nothing to complain about" kernel_is_quiet
done_testing
