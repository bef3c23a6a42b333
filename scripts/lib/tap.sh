# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The results of the tests of the build machine, by the kernel's functions for tests in shell:
# source it after common.sh. A test prints its plan first, by ktap_set_plan.
#
# $WORK is a folder that is removed when the script ends; $WORK/out is the output of the
# command that result() runs.

[ -e "$TREE/.source" ] || die "no build/tree; run: make tree"
. "$TREE/tools/testing/selftests/kselftest/ktap_helpers.sh"
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

# result NAME COMMAND... - a result: "ok" if COMMAND succeeds
result() {
	local what=$1

	shift
	if "$@" >"$WORK/out" 2>&1; then
		ktap_test_pass "$what"
	else
		sed 's/^/# /' "$WORK/out"
		ktap_test_fail "$what"
	fi
}

# skip NAME REASON - a result that is skipped
skip() { ktap_test_skip "$1: $2"; }

# End the script, with status 0 if no result failed and all that were planned are there.
done_testing() { ktap_finished; }
