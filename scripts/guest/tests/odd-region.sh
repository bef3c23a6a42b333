#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: odd-region
# Blocks, and the region's end, are where no huge entry can be; the same tests must pass.
. /egm/bin/tap.sh
. /egm/bin/host.sh
plan 6
check "the node is there" nodes_are egm4
selftest "mmap" egm_mmap_test
selftest "owners" egm_owner_test
selftest "huge entries" egm_huge_test
selftest "zeroing" egm_scrub_test
selftest "zeroing at once" egm_scrub_race_test
done_testing
