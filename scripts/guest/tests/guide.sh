#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: default
# The commands of the guide's section "Installation", in order, with the output that it prints.
. /egm/bin/tap.sh
. /egm/bin/host.sh
guide=/egm/tests/nvgrace-egm.rst

# Before the installation: no module, no GPU bound. For the emulated GPUs "egm-gpu ready" is what
# firmware does for real ones.
lsegm() { PYTHONPYCACHEPREFIX=/tmp/pycache /usr/bin/python3 /egm/tests/lsegm "$@"; }
egm-gpu unbind
rmmod nvgrace-egm nvgrace-gpu-vfio-pci
for gpu in $(egm-gpu list); do echo >"/sys/bus/pci/devices/$gpu/driver_override"; done
egm-gpu ready

# Commands have the prompt "# ", and their output follows. "grace# " is for a real host alone.
awk '
	/^Installation$/ { on = 1; next }
	/^Firmware mode$/ { on = 0 }
	!on || !/^\t/ { next }
	{ sub(/^\t/, "") }
	/^grace# / { next }
	/^# / { n++; print substr($0, 3) >("/tmp/guide." n ".cmd"); close("/tmp/guide." n ".cmd"); next }
	{ print >>("/tmp/guide." n ".out") }
	END { print n + 0 }' $guide >/tmp/guide.count
count=$(cat /tmp/guide.count)

# The drill needs a kernel that reports pages which no process maps.
needs_report() {
	grep -q 'retired_pages$' "$1" && ! core_has memory-failure
}

# as_printed N - run command N; its output is the text of the guide, where "..." is any text
as_printed() {
	cat "/tmp/guide.$1.cmd"
	: >>"/tmp/guide.$1.out"
	eval "$(cat "/tmp/guide.$1.cmd")" >/tmp/guide.got 2>&1
	status=$?
	cat /tmp/guide.got
	[ $status = 0 ] || return 1
	[ -s "/tmp/guide.$1.out" ] || [ "$(sed -n 's/^\(modinfo\).*/\1/p' "/tmp/guide.$1.cmd")" = modinfo ] ||
		{ [ ! -s /tmp/guide.got ]; return; }
	while IFS= read -r line; do
		pattern=$(printf '%s\n' "$line" | sed 's/[][\.*^$]/\\&/g; s/ *\\\.\\\.\\\.$/.*/')
		grep -qx -- "$pattern" /tmp/guide.got || { echo "not printed: $line"; return 1; }
	done <"/tmp/guide.$1.out"
}

plan $((count + 1))
check "the guide has commands" test "$count" -ge 15
i=1
while [ $i -le "$count" ]; do
	name=$(cut -c1-60 "/tmp/guide.$i.cmd")
	if needs_report "/tmp/guide.$i.cmd"; then
		skip "$name" "the core kernel lacks the driver's change memory-failure"
	else
		check "$name" as_printed $i
	fi
	i=$((i + 1))
done
done_testing
