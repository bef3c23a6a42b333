#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: broken-firmware
# Each GPU of the scenario has one fault in its firmware properties. The driver refuses its
# region with a reason, binds the GPU, and keeps the one good region.
. /egm/bin/tap.sh
. /egm/bin/host.sh
plan 19
gpu() { echo "0000:00:$1.0"; }

for g in 10 11 12 13 14 15 16 17 18 19 1a 1b 1c 1d; do
	bound "$(gpu $g)" || unbound="$unbound $g"
done
check "every GPU is bound" [ -z "$unbound" ]
check "only the good region has a node" nodes_are egm4
check "the good region is zero" /egm/tests/egm_poke /dev/egm4 zero 0 0

check "a region over System RAM is refused" said "$(gpu 11)" 'System RAM'
check "a region that ends in System RAM is refused" said "$(gpu 12)" 'System RAM'
check "a GPU with size 0 has no EGM and no message" said_nothing "$(gpu 13)"
check "a GPU with base 0 has no EGM and no message" said_nothing "$(gpu 14)"
check "a range that wraps is refused" said "$(gpu 15)" 'beyond the physical'
check "a base that is not page-aligned is refused" said "$(gpu 16)" 'page size'
check "a size that is not page-aligned is refused" said "$(gpu 17)" 'page size'
check "a proximity domain outside hypervisor mode is refused" said "$(gpu 18)" 'hypervisor mode'
check "a proximity domain out of range is refused" said "$(gpu 19)" 'proximity domain'
check "a region that overlaps another socket's region is refused" said "$(gpu 1a)" 'overlaps'
check "a GPU with a missing property is refused" said "$(gpu 1b)" 'only some'
check "a second range for one proximity domain is refused" \
	said "$(gpu 1c)" 'another GPU of its socket'
check "a range beyond the physical mask is refused" said "$(gpu 1d)" 'beyond the physical'

# The GPU with a second range is not a GPU of the region.
egm-gpu unbind "$(gpu 1c)"
check "unbind of the GPU with a second range keeps the region" nodes_are egm4
egm-gpu unbind "$(gpu 10)"
check "unbind of the good GPU removes the region" nodes_are
egm-gpu bind "$(gpu 1c)"
check "the range of the GPU that binds first is taken" nodes_are egm4
done_testing
