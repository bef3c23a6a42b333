#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: default
# A socket's region lives from its first GPU to its last, in any order.
. /egm/bin/tap.sh
. /egm/bin/host.sh
a=0000:00:10.0 b=0000:00:11.0 c=0000:00:12.0 d=0000:00:13.0
plan 13

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
done_testing
