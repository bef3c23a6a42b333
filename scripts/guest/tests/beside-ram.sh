#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: beside-ram
# needs: memory-failure
# The region shares a memory section with System RAM, so its pages have a struct page.
# memory_failure() must not treat a page of the region as RAM.
. /egm/bin/tap.sh
. /egm/bin/host.sh
plan 5
check "the region has a node" nodes_are egm4
ends_at() { grep -q -- "-$1 : System RAM" /proc/iomem; }
check "System RAM ends where the region begins" ends_at b6bfffff
selftest "poison" egm_poison_test
selftest "bad pages" egm_bad_page_test
not_ours() { ! echo $(($(base_of egm4) + 0x2000000)) >/sys/devices/system/memory/hard_offline_page; }
check "the kernel refuses a bad page behind the region" not_ours
done_testing
