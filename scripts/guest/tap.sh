# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# Test Anything Protocol for the tests in tests/: source it, then
#
#	plan 2
#	check "what must hold" command that says whether it does
#	done_testing

tap_n=0 tap_failed=0

plan() { echo "TAP version 13"; echo "1..$1"; }

check() {
	what=$1
	shift
	tap_n=$((tap_n + 1))
	if "$@" >/tmp/tap.out 2>&1; then
		echo "ok $tap_n $what"
	else
		sed 's/^/# /' /tmp/tap.out
		echo "not ok $tap_n $what"
		tap_failed=$((tap_failed + 1))
	fi
}

# skip WHAT WHY
skip() {
	tap_n=$((tap_n + 1))
	echo "ok $tap_n $1 # SKIP $2"
}

done_testing() { exit $((tap_failed > 0)); }

# wait_until SECONDS COMMAND... - true as soon as the command is
wait_until() {
	tap_left=$(($1 * 10))
	shift
	until "$@"; do
		tap_left=$((tap_left - 1))
		[ $tap_left -gt 0 ] || return 1
		sleep 0.1
	done
}

nodes() {
	(cd /dev && for n in egm*; do [ ! -e "$n" ] || echo "$n"; done) |
		tr '\n' ' ' | sed 's/ $//'
}
nodes_are() { echo "nodes: $(nodes)"; [ "$(nodes)" = "$*" ]; }
# not_there NODE TEXT - the region can be read, and the text is not in it
not_there() {
	/egm/tests/egm_poke "/dev/$1" find "$2" 0 "${3:-0}"
	[ $? = 1 ]
}
# list_is NODE RANGE... - so are the retired pages; none if no range is given
list_is() {
	tap_list=$(/egm/tests/egm_poke "/dev/$1" retired) || return 1
	shift
	echo "$tap_list"
	[ "$tap_list" = "$(printf '%s\n' "$@")" ]
}
# Data races are judged from outside, by whose they are.
kernel_is_quiet() {
	! dmesg | grep -v 'BUG: KCSAN' |
		grep -E 'WARNING|BUG|Call trace|Oops|KASAN|UBSAN|blocked for more'
}
# said GPU PATTERN - did the kernel log say this of the GPU?
said() { dmesg | grep "$1: no EGM" | tee /dev/stderr | grep -q "$2"; }
said_nothing() { ! dmesg | grep -q "$1: no EGM"; }
bound() { [ "$(basename "$(readlink "/sys/bus/pci/devices/$1/driver")")" = nvgrace_gpu_vfio_pci ]; }
