# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# The results of the tests in tests/, by the kernel's functions for tests in shell: source it, then
#
#	plan 2
#	check "egm4 has a node" test -e /dev/egm4
#	selftest "mmap of the region" egm_mmap_test
#	done_testing

. /egm/tests/ktap_helpers.sh

plan() { ktap_print_header; ktap_set_plan "$1"; }

# result NAME STATUS - print a result; /tmp/tap.out is the output of its command
result() {
	if [ "$2" = 0 ]; then
		ktap_test_pass "$1"
	else
		sed 's/^/# /' /tmp/tap.out
		ktap_test_fail "$1"
	fi
}

check() {
	tap_what=$1
	shift
	"$@" >/tmp/tap.out 2>&1
	result "$tap_what" $?
}

# skip NAME REASON
skip() { ktap_test_skip "$1: $2"; }

# selftest NAME PROGRAM [WORDS...] - a kselftest as one result. A kselftest exits with 0 if it
# skips tests: the result is SKIP if it skipped some, and "not ok" if it skipped all.
selftest() {
	tap_what=$1 tap_test=/egm/tests/$2
	shift 2
	"$tap_test" "$@" >/tmp/tap.out 2>&1
	tap_status=$?
	grep '^ok ' /tmp/tap.out | grep -qv '# SKIP' || tap_status=1
	tap_skipped=$(sed -n 's/^ok [0-9]* *\(.*\)# SKIP *\(.*\)/\1(\2)/p' /tmp/tap.out | tr '\n' ' ')
	if [ $tap_status = 0 ] && [ -n "$tap_skipped" ]; then
		skip "$tap_what" "$tap_skipped"
	else
		result "$tap_what" $tap_status
	fi
}

stop_if_failed() { [ "$KTAP_CNT_FAIL" = 0 ] || done_testing; }
# Succeeds only if as many results were printed as planned.
done_testing() { ktap_finished; }
