#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: odd-region
# Blocks and the region's end are not aligned to huge entries. The tests of an aligned region
# must pass.
. /egm/bin/tap.sh
. /egm/bin/host.sh
plan 8
check "the region has a node" nodes_are egm4
selftest "mmap" egm_mmap_test
selftest "owners" egm_owner_test
selftest "huge entries" egm_huge_test
selftest "sysfs and fdinfo" egm_sysfs_test
selftest "trace events" egm_trace_test
selftest "zeroing" egm_scrub_test
selftest "concurrent zeroing" egm_scrub_race_test
done_testing
