#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: default
# A page of a running KVM guest goes bad: the process in the guest that uses it dies, the guest
# goes on, and nobody else is told.
. /egm/bin/tap.sh
. /egm/bin/host.sh
# shellcheck source=scripts/guest/console.sh
. /egm/bin/console.sh
# Its firmware comes first.
# shellcheck disable=SC2034 # for wait_says
patience=600
plan 15
bytes() { cat /sys/class/egm/egm4/retired_bytes; }

# With ras=on QEMU tells the guest by ACPI, for which there has to be firmware.
cp /egm/firmware/vars.fd /tmp/vars.fd
export QEMU_MACHINE=,ras=on
export QEMU_WORDS="-drive if=pflash,format=raw,readonly=on,file=/egm/firmware/code.fd
	-drive if=pflash,format=raw,file=/tmp/vars.fd"
start() { start_guest p1 churn egm4=256M && wait_says p1 'memtest: the middle is at'; }
check "a guest that uses all its memory, ras=on" start
# Another user of the region, and of the kernel's time.
/egm/tests/egm_poke /dev/egm4 hold 600 0x10000000 0x200000 >/tmp/p2 2>&1 &
holder=$!
check "another process has the next blocks" wait_until 10 test -s /tmp/p2
# A page of egm_memtest in the guest goes bad. The guest's RAM begins at 1 GiB, and at the
# region's first byte.
page=$(($(page_kib) << 10))
used=$(sed -n 's/.*memtest: the middle is at \(0x[0-9a-f]*\).*/\1/p' /tmp/p1)
bad=$(((used - 0x40000000) / page * page))
inject() {
	base=$(base_of egm4) && echo $((base + bad)) >/sys/devices/system/memory/hard_offline_page
}
check "a page that the guest uses goes bad" inject
retired() { [ "$(bytes)" -gt 0 ]; }
check "it is on the list" wait_until 10 retired
dies() { wait_says p1 'guest: memtest ended with 135'; }
check "the process in the guest that uses it dies of SIGBUS" dies
says_so() { grep -aE 'GHES|Hardware error|Memory failure|HardwareCorrupted' /tmp/p1 | sed 's/^/# /'; says p1 'HardwareCorrupted: *[1-9]'; }
out_of_use() { wait_says p1 'guest: memtest: .* good' && says_so; }
check "the guest takes the page out of use, and says so" out_of_use
goes_on() { wait_says p1 'guest: switching off' && wait_until 60 guest_gone && wait "$guest"; }
check "the guest and QEMU go on" goes_on
sed -n '/churns/,$p' /tmp/p1 | tail -n +2 | grep -av 'memtest: round' | head -n 12 | sed 's/^/# /'
check "the other process is not told" alive $holder
check "the kernel has nothing else to complain about" kernel_is_quiet
dmesg | grep -iE 'egm4|memory failure|hwpoison' | tail -n 5 | sed 's/^/# /'
kill $holder
wait $holder 2>/dev/null
check "the next user is told where it is" \
	list_is egm4 "$(printf '%#x %#x' $bad $page)"
unset QEMU_MACHINE QEMU_WORDS
next() { start_guest p3 mark POISON egm4=256M && wait_says p3 'guest: marked'; }
check "and has a guest" next
check "that ends well" end_guest p3
anew() { egm_unbind egm4 && egm_bind egm4 && [ "$(bytes)" -gt 0 ]; }
check "what was found stays known when the region is bound anew" anew
stays() { ! rmmod nvgrace-egm && [ "$(bytes)" -gt 0 ]; }
check "the module that knows of it cannot be unloaded" stays
check "a test can have it forget" forget_bad_pages egm4
done_testing
