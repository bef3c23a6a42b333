#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: beside-ram
# mm has a struct page for every frame of a section that holds RAM; a region's must not be
# taken for RAM when one goes bad.
. /egm/bin/tap.sh
. /egm/bin/host.sh
plan 5
check "the node is there" nodes_are egm4
ends_at() { grep -q -- "-$1 : System RAM" /proc/iomem; }
check "RAM ends where it begins" ends_at b6bfffff
selftest "poison" egm_poison_test
selftest "bad pages" egm_bad_page_test
not_ours() { ! echo $(($(base_of egm4) + 0x2000000)) >/sys/devices/system/memory/hard_offline_page; }
check "a page behind it is not the region's" not_ours
done_testing
