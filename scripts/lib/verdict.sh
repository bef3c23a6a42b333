# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Results for a reader, one a line: source it after common.sh, with $log a folder and the
# script's arguments. $log/out is the output of a command, which is printed if it failed.

: "${log:?}"
passed=0 failed=0 hits=0
names=("$@")

# verdict NAME COMMAND... - one result
verdict() {
	local name=$1 start=$SECONDS

	shift
	if "$@" >"$log/out" 2>&1; then
		passed=$((passed + 1))
		echo "  $name: passed, $((SECONDS - start)) s"
	else
		tail -n 60 "$log/out"
		failed=$((failed + 1))
		echo "  $name: FAILED"
	fi
}

# picked NAME - does NAME begin with one of the arguments, or are there no arguments?
picked() {
	local n

	[ ${#names[@]} -gt 0 ] || return 0
	for n in "${names[@]}"; do
		case $1 in "$n"*) hits=$((hits + 1)); return 0 ;; esac
	done
	return 1
}

# end_verdicts - print the plain count and end the script
end_verdicts() {
	[ ${#names[@]} -eq 0 ] || [ "$hits" -gt 0 ] ||
		{ echo "  nothing is named ${names[*]}"; failed=$((failed + 1)); }
	echo "$passed passed, $failed failed, 0 skipped"
	exit $((failed > 0))
}
