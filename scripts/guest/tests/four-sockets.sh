#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: four-sockets
# Of as many sockets as the largest system has, each has its region.
. /egm/bin/tap.sh
. /egm/bin/host.sh
plan 3
check "a node each" nodes_are egm4 egm5 egm6 egm7
each() {
	for n in 4 5 6 7; do
		/egm/tests/egm_poke /dev/egm$n zero 0 0 || return 1
	done
}
check "each can be mapped and is zero" each
claims() {
	grep egm /proc/iomem
	for n in 4 5 6 7; do
		grep -qx " *1${n}000000000-1${n}00fffffff : egm$n" /proc/iomem || return 1
	done
}
check "each claims its own range" claims
done_testing
