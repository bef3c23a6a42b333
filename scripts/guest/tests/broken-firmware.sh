#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: broken-firmware
# Each GPU of the scenario has one fault in its firmware properties. The fault is
# refused with its reason, the GPU works, and the one good region is untouched.
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

check "over System RAM" said "$(gpu 11)" 'System RAM'
check "only the end over System RAM" said "$(gpu 12)" 'System RAM'
check "size 0 is no EGM, quietly" said_nothing "$(gpu 13)"
check "base 0 is no EGM, quietly" said_nothing "$(gpu 14)"
check "wraps" said "$(gpu 15)" 'beyond the physical'
check "base not page-aligned" said "$(gpu 16)" 'page size'
check "size not page-aligned" said "$(gpu 17)" 'page size'
check "proximity domain of no hypervisor mode" said "$(gpu 18)" 'hypervisor mode'
check "proximity domain out of range" said "$(gpu 19)" 'proximity domain'
check "overlaps another socket's region" said "$(gpu 1a)" 'overlaps'
check "one property missing" said "$(gpu 1b)" 'only some'
check "same PXM, different range" said "$(gpu 1c)" 'another GPU of its socket'
check "beyond the physical mask" said "$(gpu 1d)" 'beyond the physical'

# The GPU that was refused for its sibling's sake never counted.
egm-gpu unbind "$(gpu 1c)"
check "unbinding the one that differs changes nothing" nodes_are egm4
egm-gpu unbind "$(gpu 10)"
check "unbinding the good one takes the region" nodes_are
egm-gpu bind "$(gpu 1c)"
check "the one that differed is the first now" nodes_are egm4
done_testing
