#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: default
# A socket's region lives from its first GPU to its last, in any order.
. /egm/bin/tap.sh
. /egm/bin/host.sh
a=0000:00:10.0 b=0000:00:11.0 c=0000:00:12.0 d=0000:00:13.0
plan 23

check "both sockets have a node" nodes_are egm4 egm5
egm-gpu unbind $a
check "the node stays when the first GPU is unbound" nodes_are egm4 egm5
egm-gpu bind $a
egm-gpu unbind $b
check "the node stays when the second GPU is unbound" nodes_are egm4 egm5
egm-gpu unbind $a
check "unbind of the last GPU removes the node of its socket alone" nodes_are egm5
egm-gpu bind $b
check "bind of either GPU creates the node" nodes_are egm4 egm5
egm-gpu bind $a
check "each socket has one auxiliary device" \
	[ "$(find /sys/bus/auxiliary/devices -type l | wc -l)" = 2 ]
check "/proc/iomem has the range of egm4" grep -q '10000000000-1003fffffff : egm4' /proc/iomem

rmmod nvgrace-egm
check "rmmod removes the nodes" nodes_are
check "rmmod frees the ranges in /proc/iomem" sh -c '! grep -q egm /proc/iomem'
modprobe nvgrace-egm
check "modprobe creates both nodes" nodes_are egm4 egm5

# The uevent helper loads the module by its alias.
egm-gpu unbind
rmmod nvgrace-egm
egm-gpu bind
check "the uevent of the auxiliary device loads the driver" wait_until 20 nodes_are egm4 egm5

# Without the lock two GPUs that bind concurrently both create the auxiliary device.
concurrent() {
	i=0
	while [ $i -lt 15 ]; do
		egm-gpu unbind
		nodes_are || return 1
		egm-gpu bind $a & p1=$!
		egm-gpu bind $b & p2=$!
		egm-gpu bind $c & p3=$!
		egm-gpu bind $d & p4=$!
		wait $p1 && wait $p2 && wait $p3 && wait $p4 || return 1
		wait_until 10 nodes_are egm4 egm5 || return 1
		egm-gpu unbind $a & p1=$!
		egm-gpu unbind $b & p2=$!
		wait $p1 && wait $p2 || return 1
		nodes_are egm5 || return 1
		egm-gpu bind $a && egm-gpu bind $b || return 1
		i=$((i + 1))
	done
}
check "concurrent bind and unbind of GPUs leave one region a socket" concurrent
check "the kernel logged no duplicate and no refused region" not_logged "duplicate|no EGM"

# keep - own 4 MiB of egm4, full of a pattern; kept - end it: the pattern was still there
keep() {
	/egm/tests/egm_poke /dev/egm4 keep 600 0 0x400000 >/tmp/kept 2>&1 &
	keeper=$!
	wait_until 10 grep -q holding /tmp/kept
}
let_go() { kill $keeper; wait $keeper; }
kept() { let_go; rc=$?; cat /tmp/kept; [ $rc = 0 ]; }
# swap GPU DRIVER - bind the GPU to that driver, by driver_override
swap() {
	echo "$1" >"/sys/bus/pci/devices/$1/driver/unbind"
	echo "$2" >"/sys/bus/pci/devices/$1/driver_override"
	echo "$1" >/sys/bus/pci/drivers_probe
	[ "$(driver_of "$1")" = "$2" ]
}
# rounds GPUS NODES - bind GPUS to vfio-pci, where NODES are left, and back, twenty times
rounds() {
	i=0
	while [ $i -lt 20 ]; do
		for gpu in $1; do swap "$gpu" vfio-pci || return 1; done
		nodes_are "$2" || return 1
		for gpu in $1; do swap "$gpu" nvgrace_gpu_vfio_pci || return 1; done
		nodes_are egm4 egm5 || return 1
		i=$((i + 1))
	done
}
modprobe vfio-pci
keep
check "the region stays while one of two GPUs is bound to vfio-pci and back, 20 times" \
	rounds $a "egm4 egm5"
check "the owner of memory of this region kept its content" kept
check "the region is removed and created while both GPUs are bound to vfio-pci and back, 20 times" \
	rounds "$a $b" egm5
zero() { /egm/tests/egm_poke /dev/egm4 zero 0 0; }
check "the region that was created again is zero" zero

# Remove a GPU from PCI and rescan. egm-gpu sets the registers of the GPU that was found.
take_out() { echo 1 >"/sys/bus/pci/devices/$1/remove"; }
found() { echo 1 >/sys/bus/pci/rescan && wait_until 10 test -e "/sys/bus/pci/devices/$1" && egm-gpu ready "$1"; }
back() { found "$1" && egm-gpu bind "$1"; }
claim() { grep '10000000000-1003fffffff : egm4' /proc/iomem; }
stays() { take_out $a && nodes_are egm4 egm5 && back $a && nodes_are egm4 egm5; }
goes() { take_out $a && take_out $b && nodes_are egm5 && claim; }
# The owner still holds the range: the region cannot be created.
refused() { back $a && back $b && nodes_are egm5 && dmesg | tail -n 20 | grep 'still claimed'; }
lost() { let_go; rc=$?; cat /tmp/kept; [ $rc = 135 ]; }
again() { egm_bind egm4 && nodes_are egm4 egm5 && zero; }
keep
check "the region stays while one of two GPUs is removed from PCI and found again" stays
check "removal of both GPUs removes the node, and the owner keeps the claim" goes
check "GPUs that are found again have no region while the owner lives" refused
check "a touch by the owner raises SIGBUS" lost
check "after the owner's exit the region binds and is zero" again
check "the kernel logged no warning" kernel_is_quiet
done_testing
