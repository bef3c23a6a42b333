#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: four-sockets
. /egm/bin/tap.sh
plan 3
check "a node each" nodes_are egm4 egm5 egm6 egm7
each() {
	for n in 4 5 6 7; do
		/egm/tests/egm_poke /dev/egm$n zero 0 0 || return 1
	done
}
check "each can be mapped and is zero" each
sizes() {
	for n in 4 5 6 7; do
		grep -q "1${n}[0-9a-f]* : egm$n" /proc/iomem || return 1
	done
}
check "each claims its own range" sizes
done_testing
