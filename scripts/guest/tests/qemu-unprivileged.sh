#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: default
# needs: iommufd
# QEMU without privileges runs in the group that the udev rule sets, and fails in another one. A
# descriptor does not replace the permission: a memory backend opens a path. EGM does not count
# as locked memory, with or without an assigned device.
. /egm/bin/tap.sh
. /egm/bin/host.sh
# shellcheck source=scripts/guest/console.sh
. /egm/bin/console.sh
plan 16
gid=108
# Add a user and the group: the root file system has root alone.
printf 'root:x:0:0:root:/root:/bin/sh\nvm:x:1000:1000::/:/bin/sh\n' >/tmp/passwd
printf 'root:x:0:\nvm:x:1000:\nkvm:x:108:\n' >/tmp/group
mount -o bind /tmp/passwd /etc/passwd
mount -o bind /tmp/group /etc/group
was=$(stat -c '%g %a %n' /dev/egm4 /dev/kvm)
# Set group and mode like the udev rule of the operator's guide.
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

check "group and mode of the udev rule are set" mode
check "QEMU of another group fails with EACCES" denied
check "QEMU of another group fails with EACCES also by an inherited descriptor" fd_refused
check "QEMU of the group opens the node by a descriptor's name" fd_opened
check "QEMU cannot open /dev/fdset as memory" no_fdset
check "u2 boots with the group's permission" start
check "the QEMU of u2 has no capability" who
check "u2 powers off and QEMU exits with 0" end_guest u2

# 64 KiB, the default limit of older kernels.
# shellcheck disable=SC3045 # busybox has it
ulimit -l 64
# lock_check NAME COMMAND... - a check of the limit of 64 KiB
lock_check() {
	if [ "$(page_kib)" = 4 ]; then
		check "$@"
	else
		skip "$1" "64 KiB are one page here"
	fi
}
limited() { grep 'Max locked memory' "/proc/$(guest_pid)/limits" | tee /dev/stderr | grep -q ' 65536  *65536 '; }
start_limited() { AS=vm:kvm start_guest u3 mark LIMITED egm4=256M && wait_says u3 'guest: marked'; }
lock_check "u3 boots with a limit of 64 KiB of locked memory" start_limited
lock_check "the QEMU of u3 has this limit" limited
kill_guest

edu=0000:00:1d.0
to_vfio_pci $edu
device_nodes=$(echo /dev/iommu /dev/vfio/devices/* /dev/vfio/[0-9]*)
# shellcheck disable=SC2086 # a list of words
chown vm:kvm $device_nodes
# with_device NAME - start a guest whose device copies pages all over its RAM
with_device() {
	DEVICE=$edu AS=vm:kvm start_guest "$1" dma egm4=256M &&
		wait_says "$1" 'dma: 16 of 16 pages right' && limited
}
type1() { TYPE1=1 with_device u5; }
# too_much WORDS... - the limit refuses anonymous memory for the device
too_much() {
	! timeout 60 start-stop-daemon -S -c vm:kvm -x /usr/bin/qemu-system-aarch64 -- \
		-M virt,gic-version=3,memory-backend=m0 -cpu host -accel kvm -m 256M -S -nodefaults \
		-display none -object memory-backend-ram,id=m0,size=256M "$@" </dev/null >/tmp/u6 2>&1 &&
		cat /tmp/u6 && grep -i 'cannot allocate memory' /tmp/u6
}
lock_check "u4 boots with a device through iommufd and this limit" with_device u4
kill_guest
lock_check "u5 boots with a device through type1 and this limit" type1
kill_guest
lock_check "the limit refuses anonymous memory through iommufd" too_much \
	-object iommufd,id=iommufd0 -device vfio-pci,host=$edu,iommufd=iommufd0
lock_check "the limit refuses anonymous memory through type1" too_much -device vfio-pci,host=$edu
locked() {
	! QEMU_WORDS="-overcommit mem-lock=on" AS=vm:kvm egm-guest boot egm4=256M </dev/null >/tmp/u7 2>&1
	cat /tmp/u7
	grep -i 'locking memory failed' /tmp/u7
}
lock_check "the limit refuses mem-lock=on" locked
# shellcheck disable=SC2086 # a list of words
chown 0:0 $device_nodes
check "the kernel logged no warning" kernel_is_quiet
echo "$was" | while read -r group bits node; do chgrp "$group" "$node"; chmod "$bits" "$node"; done
umount /etc/passwd /etc/group
done_testing
