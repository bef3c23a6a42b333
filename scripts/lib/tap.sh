# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Test Anything Protocol for the tests of the build machine: source it after
# common.sh, with the plan still to be printed.
#
# $WORK is a folder that goes with the script; $WORK/out has what the command of the
# present result() has printed so far.

WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
n=0 failed=0

# result WHAT COMMAND... - does it hold?
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

# skip WHAT WHY - a result that there is none of
skip() {
	n=$((n + 1))
	echo "ok $n $1 # SKIP $2"
}

# Ends the script, with what the results say.
done_testing() { exit $((failed > 0)); }
