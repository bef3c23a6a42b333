# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Test Anything Protocol for the tests of the build machine: source it after
# common.sh, with the plan still to be printed.
#
# $WORK is a folder that is removed when the script ends; $WORK/out is the output of the
# command that result() runs.

WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
n=0 failed=0

# result NAME COMMAND... - a result: "ok" if COMMAND succeeds
result() {
	local what=$1

	shift
	n=$((n + 1))
	if "$@" >"$WORK/out" 2>&1; then
		echo "ok $n $what"
	else
		sed 's/^/# /' "$WORK/out"
		echo "not ok $n $what"
		failed=$((failed + 1))
	fi
}

# skip NAME REASON - a result that is skipped
skip() {
	n=$((n + 1))
	echo "ok $n $1 # SKIP $2"
}

# End the script, with status 1 if a result failed.
done_testing() { exit $((failed > 0)); }
