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
check "first GPU unbound: node stays" nodes_are egm4 egm5
egm-gpu bind $a
egm-gpu unbind $b
check "second GPU unbound: node stays" nodes_are egm4 egm5
egm-gpu unbind $a
check "last GPU unbound: node goes, the other stays" nodes_are egm5
egm-gpu bind $b
check "either GPU brings it back" nodes_are egm4 egm5
egm-gpu bind $a
check "one auxiliary device a socket" \
	[ "$(find /sys/bus/auxiliary/devices -type l | wc -l)" = 2 ]
check "the range is claimed" grep -q '10000000000-1003fffffff : egm4' /proc/iomem

rmmod nvgrace-egm
check "without the driver no node" nodes_are
check "without the driver no claim" sh -c '! grep -q egm /proc/iomem'
modprobe nvgrace-egm
check "with it again both" nodes_are egm4 egm5

# A module alias and a uevent, no modprobe by hand.
egm-gpu unbind
rmmod nvgrace-egm
egm-gpu bind
check "loaded by the device's alias" wait_until 20 nodes_are egm4 egm5

# Without the lock two GPUs that come at once both make the socket's device.
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
check "GPUs bound and unbound at once: one region a socket" concurrent
check "and no complaint" sh -c '! dmesg | grep -i "duplicate\|no EGM"'

# keep - own 4 MiB of egm4, full of a pattern; kept: and it is all still there
keep() {
	/egm/tests/egm_poke /dev/egm4 keep 600 0 0x400000 >/tmp/kept 2>&1 &
	keeper=$!
	wait_until 10 grep -q holding /tmp/kept
}
let_go() { kill $keeper; wait $keeper; }
kept() { let_go; rc=$?; cat /tmp/kept; [ $rc = 0 ]; }
# swap GPU DRIVER - by driver_override
swap() {
	echo "$1" >"/sys/bus/pci/devices/$1/driver/unbind"
	echo "$2" >"/sys/bus/pci/devices/$1/driver_override"
	echo "$1" >/sys/bus/pci/drivers_probe
	[ "$(driver_of "$1")" = "$2" ]
}
# rounds GPUS NODES - twenty times another driver has the GPUs, and the nodes are these
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
check "a GPU goes to vfio-pci and back, 20 times: the region stays with the other" \
	rounds $a "egm4 egm5"
check "its owner has its memory all the time" kept
check "both GPUs go to vfio-pci and back, 20 times: so does the region" rounds "$a $b" egm5
zero() { /egm/tests/egm_poke /dev/egm4 zero 0 0; }
check "and it is zero" zero

# As if pulled out, by hand; egm-gpu makes what is found again ready.
take_out() { echo 1 >"/sys/bus/pci/devices/$1/remove"; }
found() { echo 1 >/sys/bus/pci/rescan && wait_until 10 test -e "/sys/bus/pci/devices/$1" && egm-gpu ready "$1"; }
back() { found "$1" && egm-gpu bind "$1"; }
claim() { grep '10000000000-1003fffffff : egm4' /proc/iomem; }
stays() { take_out $a && nodes_are egm4 egm5 && back $a && nodes_are egm4 egm5; }
goes() { take_out $a && take_out $b && nodes_are egm5 && claim; }
# The owner has the memory still: the region cannot come back.
refused() { back $a && back $b && nodes_are egm5 && dmesg | tail -n 20 | grep 'still claimed'; }
lost() { let_go; rc=$?; cat /tmp/kept; [ $rc = 135 ]; }
again() { egm_bind egm4 && nodes_are egm4 egm5 && zero; }
keep
check "a GPU removed from PCI and found again: the region stays with the other" stays
check "both removed: the node goes, the claim stays with the owner" goes
check "found again, they have no region as long as the owner lives" refused
check "the owner touches its memory: SIGBUS" lost
check "after that the region comes back, zero" again
check "the kernel has nothing to complain about" kernel_is_quiet
done_testing
