#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: large-region
# More than 1 TiB is for the device node alone. Nothing here touches the memory: there is
# no such machine behind it.
. /egm/bin/tap.sh
. /egm/bin/host.sh
plan 5
log_has() { dmesg | grep -q "$1"; }
check "the node is there" nodes_are egm4
check "it has all of the size" grep -qx 0x10000200000 /sys/class/egm/egm4/egm_size
selftest "the vfio device has no such region" \
	egm_vfio_region_test -t no_region_that_does_not_fit
check "it says why" log_has '0000:00:10.0: EGM of 0x10000200000 bytes is more than a vfio region'
check "a table that is nowhere is said" log_has '0000:00:10.0: retired pages unknown'
done_testing
