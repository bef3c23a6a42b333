#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: default
# The commands of the operator's guide: they list regions, and the processes that use them.
. /egm/bin/tap.sh
. /egm/bin/host.sh
plan 6
show() { cd /sys/class/egm && grep . egm*/egm_size egm*/numa_node egm*/retired_bytes egm*/gpu_devices; }
shows() { show >/tmp/topology; cat /tmp/topology; grep -qx "$1" /tmp/topology; }
# shellcheck disable=SC2010 # the command of the guide
by_file() { ls -l /proc/[0-9]*/fd/* 2>/dev/null | grep -o '/proc/.*/dev/egm.*'; }
by_mapping() { grep -l /dev/egm /proc/[0-9]*/maps; }

check "egm4 has its size" shows egm4/egm_size:0x40000000
check "egm4 has its NUMA node" shows egm4/numa_node:1
check "egm5 has its GPUs" shows egm5/gpu_devices:0000:00:12.0
check "egm4 has no retired pages" shows egm4/retired_bytes:0
/egm/tests/egm_poke /dev/egm4 hold 600 0 0x200000 >/tmp/held 2>&1 &
holder=$!
wait_until 10 test -s /tmp/held
opener() { by_file; by_file | grep -q "^/proc/$holder/fd/.* -> /dev/egm4$"; }
check "ls lists the process that opened the node" opener
mapped() { by_mapping; [ "$(by_mapping)" = "/proc/$holder/maps" ]; }
check "grep lists the process that maps the region" mapped
kill $holder
wait $holder 2>/dev/null
done_testing
