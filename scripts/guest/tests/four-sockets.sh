#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: four-sockets
# Four sockets, as on the largest system: each has its region.
. /egm/bin/tap.sh
. /egm/bin/host.sh
plan 3
check "each socket has a node" nodes_are egm4 egm5 egm6 egm7
each() {
	for n in 4 5 6 7; do
		/egm/tests/egm_poke /dev/egm$n zero 0 0 || return 1
	done
}
check "each region can be mapped and is zero" each
claims() {
	grep egm /proc/iomem
	for n in 4 5 6 7; do
		grep -qx " *1${n}000000000-1${n}00fffffff : egm$n" /proc/iomem || return 1
	done
}
check "each region claims its own range" claims
done_testing
