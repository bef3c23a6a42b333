#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: default
# A vhost-user back end has the guest's memory by a descriptor of QEMU's, and keeps it.
. /egm/bin/tap.sh
. /egm/bin/host.sh
# shellcheck source=scripts/guest/console.sh
. /egm/bin/console.sh
plan 8
text="VHOST-USER on the guest's node 0"
says_backend() { cat /tmp/backend; [ "$(grep -c "$1" /tmp/backend)" -ge "${2:-1}" ]; }
# Opened for both, it never ends by itself, and look() waits for no reader.
rm -f /tmp/look
mkfifo /tmp/look
/egm/tests/egm_vhost_user /tmp/vhost.sock "$text" <>/tmp/look >/tmp/backend 2>&1 &
backend=$!
export QEMU_WORDS="-chardev socket,id=c0,path=/tmp/vhost.sock -device vhost-user-rng-pci,chardev=c0"
look() { echo 1<>/tmp/look; }
start() { start_guest v1 mark VHOST-USER egm4=256M && wait_says v1 'guest: marked'; }
check "the socket is there" wait_until 10 test -S /tmp/vhost.sock
check "a guest with a vhost-user device" start
check "the back end has its memory" wait_until 30 says_backend 'mapped [1-9]'
look
check "and sees what the guest wrote" wait_until 30 says_backend 'is there'
kill_guest
# The descriptors are references of the same open file: it owns the memory still.
check "QEMU is gone, the memory is not free" busy egm4 0 0x200000
look
check "the back end sees it still" wait_until 30 says_backend 'is there' 2
kill $backend
wait $backend 2>/dev/null
zero() { /egm/tests/egm_poke /dev/egm4 zero 0 0; }
check "the back end is gone: the memory is free, and zero" zero
check "the kernel has nothing to complain about" kernel_is_quiet
done_testing
