#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: default
# lsegm names the owner of a range, however the owner holds it.
. /egm/bin/tap.sh
. /egm/bin/host.sh
plan 9
# The root file system has no compiled modules of Python, and cannot be written.
export PYTHONPYCACHEPREFIX=/tmp/pycache
lsegm() { /usr/bin/python3 /egm/tests/lsegm "$@"; }

# hold mapped|open|queued - own 2 MiB at 4 MiB of egm4, by a mapping, a descriptor, or a message
# in a socket's queue alone
hold() {
	/usr/bin/python3 -u -c '
import mmap, os, socket, sys, time
fd = os.open("/dev/egm4", os.O_RDWR)
m = mmap.mmap(fd, 2 << 20, offset=4 << 20, trackfd=False)
if sys.argv[1] != "mapped":
	m.close()
if sys.argv[1] == "queued":
	ends = socket.socketpair()
	socket.send_fds(ends[0], [b"fd"], [fd])
if sys.argv[1] != "open":
	os.close(fd)
print("ready")
time.sleep(600)' "$1" >/tmp/hold 2>&1 &
	holder=$!
	wait_until 30 grep -q ready /tmp/hold
}
drop() { kill $holder; wait $holder 2>/dev/null; }

# prints LINE WORDS... - is there a line of lsegm that matches the extended regular expression?
prints() {
	want=$1
	shift
	lsegm "$@" >/tmp/lsegm 2>&1
	cat /tmp/lsegm
	grep -qE "$want" /tmp/lsegm
}

check "regions have size, node and GPUs" \
	prints '^egm5  1G  +2  +1G .* 0000:00:12\.0,0000:00:13\.0$'
hold mapped
check "a mapping" prints "^egm4  0x400000  2M  +python3\[$holder\]  python3\[$holder\] mapped$"
check "the range is not free" prints "^egm4  1G  +1  +1022M "
drop
hold open
check "a descriptor, nothing mapped" \
	prints "^egm4  0x400000  2M  +python3\[$holder\]  python3\[$holder\] fd [0-9]+$" egm4
json() {
	lsegm -J egm4 >/tmp/json && cat /tmp/json && /usr/bin/python3 -c '
import json
r, = json.load(open("/tmp/json"))["regions"]
o, = r["owners"]
assert r["name"] == "egm4" and r["size"] == 1 << 30 and r["free"] == (1 << 30) - (2 << 20)
assert o["offset"] == 4 << 20 and o["size"] == 2 << 20 and o["opener"] == '$holder'
assert [h["pid"] for h in o["holders"]] == [o["opener"]]'
}
check "JSON has the same" json
# Another user cannot read the owners.
unprivileged() {
	/usr/bin/python3 -c 'import os
os.setuid(65534)
os.execv("/usr/bin/python3", ["python3", "/egm/tests/lsegm"])' >/tmp/lsegm 2>&1
	cat /tmp/lsegm
	grep -qE '^egm4  1G  +1  +\?  ' /tmp/lsegm && ! grep -q python3 /tmp/lsegm
}
check "another user sees no owner" unprivileged
drop
hold queued
check "a message in a socket's queue" \
	prints "^egm4  0x400000  2M  +python3\[$holder\]  kernel$"
drop
unknown() { ! lsegm egm9 && prints '^lsegm: no region egm9: ' egm9; }
check "an unknown region is an error" unknown
nobody_left() { lsegm >/tmp/lsegm && cat /tmp/lsegm && ! grep -q 'OPENED BY' /tmp/lsegm; }
check "nothing is listed after the last reference" nobody_left
done_testing
