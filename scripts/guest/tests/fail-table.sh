#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: fail-table
# profiles: debug coverage
# Each allocation fails once while a region with a table of retired pages is bound.
. /egm/bin/tap.sh
. /egm/bin/host.sh
plan 2
selftest "binding a region with a table" egm_fail_nth_test -t driver_bind
check "the list has every entry in the end" list_is egm4 \
	"0x800000 0x20000" "0xa00000 0x10000" "0xfff0000 0x10000"
done_testing
