#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: no-properties
. /egm/bin/tap.sh
plan 4
check "the first GPU is bound" bound 0000:00:10.0
check "the second GPU is bound" bound 0000:00:11.0
check "no node" nodes_are
check "nothing to complain about" sh -c '! dmesg | grep -i "no EGM"'
done_testing
