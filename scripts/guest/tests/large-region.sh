#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: large-region
# A region of more than 1 TiB. This script does not touch the memory: the build machine does not
# back it.
. /egm/bin/tap.sh
. /egm/bin/host.sh
plan 3
log_has() { dmesg | grep -q "$1"; }
check "the region has a node" nodes_are egm4
check "egm_size is the whole size" grep -qx 0x10000200000 /sys/class/egm/egm4/egm_size
check "the kernel logged that the table cannot be read" \
	log_has '0000:00:10.0: .*retired pages unknown'
done_testing
