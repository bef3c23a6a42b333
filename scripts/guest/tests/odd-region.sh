#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: odd-region
# Blocks, and the region's end, are where no huge entry can be; the same tests must pass.
. /egm/bin/tap.sh
plan 5
check "the node is there" nodes_are egm4
check "mmap" /egm/tests/egm_mmap_test
check "owners" /egm/tests/egm_owner_test
check "huge entries" /egm/tests/egm_huge_test
check "zeroing" /egm/tests/egm_scrub_test
done_testing
