#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: large-region
# A region of more than 1 TiB. Nothing here touches the memory: there is no such machine
# behind it.
. /egm/bin/tap.sh
. /egm/bin/host.sh
plan 3
log_has() { dmesg | grep -q "$1"; }
check "the node is there" nodes_are egm4
check "it has all of the size" grep -qx 0x10000200000 /sys/class/egm/egm4/egm_size
check "a table that is nowhere is said" log_has '0000:00:10.0: .*retired pages unknown'
done_testing
