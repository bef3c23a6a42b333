#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: default
# needs: kvm-poison
# A page of a running KVM guest goes bad: the process in the guest that uses it dies, the guest
# runs on, and no other process receives a signal.
. /egm/bin/tap.sh
. /egm/bin/host.sh
# shellcheck source=scripts/guest/console.sh
. /egm/bin/console.sh
# The guest boots through firmware, which takes longer.
# shellcheck disable=SC2034 # for wait_says
patience=600
plan 15
bytes() { cat /sys/class/egm/egm4/retired_bytes; }

# With ras=on QEMU reports the page by ACPI, which needs firmware in the guest.
cp /egm/firmware/vars.fd /tmp/vars.fd
export QEMU_MACHINE=,ras=on
export QEMU_WORDS="-drive if=pflash,format=raw,readonly=on,file=/egm/firmware/code.fd
	-drive if=pflash,format=raw,file=/tmp/vars.fd"
start() { start_guest p1 churn egm4=256M && wait_says p1 'memtest: the middle is at'; }
check "a guest with ras=on uses all its memory" start
# Another process that holds memory of the region.
/egm/tests/egm_poke /dev/egm4 hold 600 0x10000000 0x200000 >/tmp/p2 2>&1 &
holder=$!
check "another process holds the next blocks" wait_until 10 test -s /tmp/p2
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
check "the bad page is on the list" wait_until 10 retired
dies() { wait_says p1 'guest: memtest ended with 135'; }
check "the process in the guest that uses it dies of SIGBUS" dies
says_so() { grep -aE 'GHES|Hardware error|Memory failure|HardwareCorrupted' /tmp/p1 | sed 's/^/# /'; says p1 'HardwareCorrupted: *[1-9]'; }
out_of_use() { wait_says p1 'guest: memtest: .* good' && says_so; }
check "the guest stops to use the page and reports HardwareCorrupted" out_of_use
goes_on() { wait_says p1 'guest: switching off' && wait_until 60 guest_gone && wait "$guest"; }
check "the guest powers off and QEMU exits with 0" goes_on
sed -n '/churns/,$p' /tmp/p1 | tail -n +2 | grep -av 'memtest: round' | head -n 12 | sed 's/^/# /'
check "the other process receives no SIGBUS" alive $holder
check "the kernel logged no warning" kernel_is_quiet
dmesg | grep -iE 'egm4|memory failure|hwpoison' | tail -n 5 | sed 's/^/# /'
kill $holder
wait $holder 2>/dev/null
check "the bad page is on the list after the guest" \
	list_is egm4 "$(printf '%#x %#x' $bad $page)"
unset QEMU_MACHINE QEMU_WORDS
next() { start_guest p3 mark POISON egm4=256M && wait_says p3 'guest: marked'; }
check "the next guest boots on the same memory" next
check "the next guest powers off and QEMU exits with 0" end_guest p3
rebind() { egm_unbind egm4 && egm_bind egm4 && [ "$(bytes)" -gt 0 ]; }
check "the bad page stays on the list when the region is rebound" rebind
stays() { ! rmmod nvgrace-egm && [ "$(bytes)" -gt 0 ]; }
check "the module cannot be unloaded while its list has the page" stays
check "egm_forget.ko clears the list" forget_bad_pages egm4
done_testing
