#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: no-properties
# Without EGM the GPUs work as they always have, and nothing is said about it.
. /egm/bin/tap.sh
. /egm/bin/host.sh
plan 4
check "the first GPU is bound" bound 0000:00:10.0
check "the second GPU is bound" bound 0000:00:11.0
check "no node" nodes_are
check "nothing to complain about" sh -c '! dmesg | grep -i "no EGM"'
done_testing
