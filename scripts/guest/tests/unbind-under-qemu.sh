#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: default
# The auxiliary device goes while a KVM guest runs on the region; QEMU is killed
# under a running guest: the host lives, and the next user gets clean memory.
. /egm/bin/tap.sh
plan 12
adev=nvgrace_gpu_vfio_pci.egm.4
driver=/sys/bus/auxiliary/drivers/nvgrace_egm.nvgrace_egm
mark=UNDER-QEMU-$$

# start_guest LOG - a guest that has marked its memory and waits
start_guest() {
	mkfifo "$1.in"
	# Opened for both, the console never ends.
	egm-guest mark $mark egm4=256M <>"$1.in" >"$1" 2>&1 &
	qemu=$!
	wait_until 240 grep -aq 'guest: marked' "$1"
}

# Since the guest was started; the console's verdict comes only after all tests.
quiet() { ! dmesg | grep -E 'WARNING|BUG|Call trace|Oops|KASAN|blocked for more'; }
claim_stands() { gone "$qemu" || grep -q "egm4$" /proc/iomem; }
gone() { ! kill -0 "$1" 2>/dev/null; }

check "a guest runs on egm4" start_guest /tmp/g1
echo $adev >$driver/unbind
check "unbinding does not wait for it" nodes_are egm5
# The guest waits for its console; a line makes it run on what it has lost.
echo >/tmp/g1.in
# SIGBUS ends QEMU; an error of KVM_RUN stops the guest and leaves QEMU there.
noticed() { gone "$qemu" || grep -aqi 'kvm run failed\|bad address' /tmp/g1; }
check "QEMU gets SIGBUS or an error" wait_until 60 noticed
echo "# QEMU said: $(grep -ai 'error\|bad address' /tmp/g1 | head -n 2 | tr '\n' ' ')"
check "the claim stands while QEMU does" claim_stands
kill -9 "$qemu" 2>/dev/null
wait "$qemu" 2>/dev/null
check "the kernel has nothing to complain about" quiet
check "the claim went with QEMU" wait_until 10 sh -c '! grep -q "egm4$" /proc/iomem'
echo $adev >$driver/bind
check "a rebind works" nodes_are egm4 egm5
check "nothing of the guest is left" sh -c "! /egm/tests/egm_poke /dev/egm4 find $mark 0 0"
check "the region is zero" /egm/tests/egm_poke /dev/egm4 zero 0 0

check "another guest runs on egm4" start_guest /tmp/g2
kill -9 "$qemu"
wait "$qemu" 2>/dev/null
check "QEMU killed: nothing of the guest is left" sh -c "! /egm/tests/egm_poke /dev/egm4 find $mark 0 0"
check "QEMU killed: the region is zero" /egm/tests/egm_poke /dev/egm4 zero 0 0
done_testing
