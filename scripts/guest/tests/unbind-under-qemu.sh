#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: default
# The auxiliary device is unbound while a KVM guest runs on the region, and QEMU is killed while
# a guest runs. The host survives, and the next user maps zeroes.
. /egm/bin/tap.sh
. /egm/bin/host.sh
# shellcheck source=scripts/guest/console.sh
. /egm/bin/console.sh
plan 13
mark=UNDER-QEMU-$$

start() { start_guest "$1" mark $mark egm4=256M && wait_says "$1" 'guest: marked'; }

claim_stands() { ! guest_gone && grep "egm4$" /proc/iomem; }

check "g1 boots on egm4" start g1
egm_unbind egm4
check "unbind does not wait for the guest" nodes_are egm5
check "the claim stands while QEMU runs" claim_stands
# The guest waits for its console. A line makes it access memory that was revoked.
tell g1 ''
# SIGBUS kills QEMU. An error of KVM_RUN stops the guest, and QEMU runs on.
noticed() { guest_gone || grep -aqi 'kvm run failed\|bad address' /tmp/g1; }
check "QEMU receives SIGBUS or an error of KVM_RUN" wait_until 60 noticed
echo "# QEMU said: $(grep -ai 'error\|bad address' /tmp/g1 | head -n 2 | tr '\n' ' ')"
if guest_gone; then
	skip "the claim stands after an error of KVM_RUN" "SIGBUS has killed QEMU"
else
	check "the claim stands after an error of KVM_RUN" claim_stands
fi
kill_guest
check "the kernel logged no warning" kernel_is_quiet
check "the exit of QEMU frees the claim" wait_until 10 sh -c '! grep -q "egm4$" /proc/iomem'
egm_bind egm4
check "the region is bound again" nodes_are egm4 egm5
check "the text of g1 is not in the region" not_there egm4 $mark
check "the region is zero after bind" /egm/tests/egm_poke /dev/egm4 zero 0 0

check "g2 boots on egm4" start g2
kill_guest
check "the text of g2 is not in the region after QEMU is killed" not_there egm4 $mark
check "the region is zero after QEMU is killed" /egm/tests/egm_poke /dev/egm4 zero 0 0
done_testing
