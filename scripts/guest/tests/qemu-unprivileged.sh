#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: default
# QEMU without privileges: by the group that the udev rule gives the node, and not
# without it. A descriptor alone is not enough: a memory backend opens a path.
. /egm/bin/tap.sh
. /egm/bin/host.sh
# shellcheck source=scripts/guest/console.sh
. /egm/bin/console.sh
plan 8
gid=108
# A user and the group, where there was root alone.
printf 'root:x:0:0:root:/root:/bin/sh\nvm:x:1000:1000::/:/bin/sh\n' >/tmp/passwd
printf 'root:x:0:\nvm:x:1000:\nkvm:x:108:\n' >/tmp/group
mount -o bind /tmp/passwd /etc/passwd
mount -o bind /tmp/group /etc/group
was=$(stat -c '%g %a %n' /dev/egm4 /dev/kvm)
# What the rule of the operator's guide has udev do.
mode() { chgrp $gid /dev/egm4 /dev/kvm && chmod 0660 /dev/egm4 && chmod 0666 /dev/kvm; }
denied() { ! AS=vm:vm egm-guest boot egm4=256M </dev/null >/tmp/u1 2>&1 && grep -i 'permission denied' /tmp/u1; }
by_fd() { EGM_PATH=/proc/self/fd/9 egm-guest boot egm4=256M 9<>/dev/egm4 </dev/null >/tmp/u3 2>&1; }
fd_refused() { ! AS=vm:vm by_fd && grep -i 'permission denied' /tmp/u3; }
fd_opened() { AS=vm:kvm by_fd && grep 'guest: switching off' /tmp/u3; }
no_fdset() {
	! timeout 60 qemu-system-aarch64 -M virt -nodefaults -display none -add-fd fd=9,set=1 \
		-object memory-backend-file,id=m0,mem-path=/dev/fdset/1,size=256M,share=on \
		9<>/dev/egm4 </dev/null >/tmp/u3 2>&1 &&
		grep 'open backing store /dev/fdset/1' /tmp/u3
}
start() { AS=vm:kvm start_guest u2 mark UNPRIVILEGED egm4=256M && wait_says u2 'guest: marked'; }
who() { grep -E '^(Uid|Gid|CapEff)' "/proc/$(guest_pid)/status" | tee /dev/stderr | grep -q 'CapEff:.*0000000000000000'; }

check "the rule's group and mode" mode
check "another group is refused" denied
check "a descriptor does not stand for the permission" fd_refused
check "a descriptor names the node, with it" fd_opened
check "a set of descriptors is no backing store" no_fdset
check "a guest by the group" start
check "without a capability" who
check "it ends well" end_guest u2
echo "$was" | while read -r group bits node; do chgrp "$group" "$node"; chmod "$bits" "$node"; done
umount /etc/passwd /etc/group
done_testing
