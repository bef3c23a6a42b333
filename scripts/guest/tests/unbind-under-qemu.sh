#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: default
# The auxiliary device goes while a KVM guest runs on the region; QEMU is killed
# under a running guest: the host lives, and the next user gets clean memory.
. /egm/bin/tap.sh
. /egm/bin/host.sh
# shellcheck source=scripts/guest/console.sh
. /egm/bin/console.sh
plan 13
mark=UNDER-QEMU-$$

start() { start_guest "$1" mark $mark egm4=256M && wait_says "$1" 'guest: marked'; }

claim_stands() { ! guest_gone && grep "egm4$" /proc/iomem; }

check "a guest runs on egm4" start g1
egm_unbind egm4
check "unbinding does not wait for it" nodes_are egm5
check "the claim stands while QEMU does" claim_stands
# The guest waits for its console; a line makes it run on what it has lost.
tell g1 ''
# SIGBUS ends QEMU; an error of KVM_RUN stops the guest and leaves QEMU there.
noticed() { guest_gone || grep -aqi 'kvm run failed\|bad address' /tmp/g1; }
check "QEMU gets SIGBUS or an error" wait_until 60 noticed
echo "# QEMU said: $(grep -ai 'error\|bad address' /tmp/g1 | head -n 2 | tr '\n' ' ')"
if guest_gone; then
	skip "and after the error" "SIGBUS has ended QEMU"
else
	check "and after the error" claim_stands
fi
kill_guest
check "the kernel has nothing to complain about" kernel_is_quiet
check "the claim went with QEMU" wait_until 10 sh -c '! grep -q "egm4$" /proc/iomem'
egm_bind egm4
check "a rebind works" nodes_are egm4 egm5
check "nothing of the guest is left" not_there egm4 $mark
check "the region is zero" /egm/tests/egm_poke /dev/egm4 zero 0 0

check "another guest runs on egm4" start g2
kill_guest
check "QEMU killed: nothing of the guest is left" not_there egm4 $mark
check "QEMU killed: the region is zero" /egm/tests/egm_poke /dev/egm4 zero 0 0
done_testing
