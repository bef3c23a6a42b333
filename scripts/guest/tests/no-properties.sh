#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: no-properties
# GPUs without EGM properties bind as before, and the kernel logs nothing about EGM.
. /egm/bin/tap.sh
. /egm/bin/host.sh
plan 4
check "the first GPU is bound" bound 0000:00:10.0
check "the second GPU is bound" bound 0000:00:11.0
check "there is no node" nodes_are
check "the kernel logged nothing about EGM" not_logged "no EGM"
done_testing
