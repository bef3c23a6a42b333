# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# Test Anything Protocol for the tests in tests/: source it, then
#
#	plan 2
#	check "egm4 has a node" test -e /dev/egm4
#	selftest "mmap of the region" egm_mmap_test
#	done_testing

tap_n=0 tap_failed=0

plan() { echo "TAP version 13"; echo "1..$1"; }

# result NAME STATUS - print a result; /tmp/tap.out is the output of its command
result() {
	tap_n=$((tap_n + 1))
	if [ "$2" = 0 ]; then
		echo "ok $tap_n $1"
	else
		sed 's/^/# /' /tmp/tap.out
		echo "not ok $tap_n $1"
		tap_failed=$((tap_failed + 1))
	fi
}

check() {
	tap_what=$1
	shift
	"$@" >/tmp/tap.out 2>&1
	result "$tap_what" $?
}

# skip NAME REASON
skip() {
	tap_n=$((tap_n + 1))
	echo "ok $tap_n $1 # SKIP $2"
}

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

stop_if_failed() { [ $tap_failed = 0 ] || done_testing; }
done_testing() { exit $((tap_failed > 0)); }
