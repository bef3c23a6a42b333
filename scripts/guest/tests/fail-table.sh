#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: fail-table
# profiles: debug coverage
# Each allocation fails once while a region with a table of retired pages is bound.
. /egm/bin/tap.sh
plan 1
check "binding a region with a table" /egm/tests/egm_fail_nth_test -t driver_bind
done_testing
