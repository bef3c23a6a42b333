#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: default
# profiles: 4k
# needs: guest-virtio
# The ways to give QEMU a memory backend on a region, each taken or refused, and with which
# words; backends that come and go in a running QEMU.
. /egm/bin/tap.sh
. /egm/bin/host.sh
. /egm/bin/console.sh
plan 65

node=/dev/egm4
page=$(($(page_kib) << 10))
hex_page=$(printf '%x' $page)
started='' qemu=qemu-system-aarch64 machine='' words=''

# A machine that waits before its first instruction, with backend m0 as RAM.
start() {
	# Open the pipe before QEMU does, for reading and writing: a write without a reader is lost.
	rm -f /tmp/backend.in
	mkfifo /tmp/backend.in
	# answered() must not read what an earlier QEMU printed.
	: >/tmp/backend
	exec 7<>/tmp/backend.in
	# shellcheck disable=SC2086 # lists of words
	$qemu ${machine:--M virt,gic-version=3,memory-backend=m0 -cpu host -accel kvm -m ${mib:-256}M} \
		-S -nodefaults -display none -monitor stdio \
		-object "memory-backend-file,id=m0,$1" $words <&7 >/tmp/backend 2>&1 &
	started=$!
	# QEMU puts a device tree at the start of the RAM; 61 times 67 is 4087.
	printf 'info memdev\nxp /1wx 0x40000000\nprint 61*67\n' >&7
	wait_until 60 answered
}
said() { sed -n '/\x1b/!p' /tmp/backend | tr -d '\r'; }
log_says() { dmesg | tail -n 50 | grep "$1"; }
gone() { ! kill -0 $started 2>/dev/null; }
answered() { grep -qa '^0xff7' /tmp/backend || gone; }
ended() {
	wait_until 30 gone || { echo "QEMU does not end"; kill -9 $started; }
	wait $started
}
maps() { grep "$node" /proc/$started/maps; }

# starts OPTIONS [PATTERN] - QEMU takes them, says PATTERN, complains of nothing else, and has
# mapped the region from $at on, at a multiple of $align bytes
at=0 align=1
starts() {
	start "$1"
	said
	maps >/tmp/backend.maps
	cat /tmp/backend.maps
	echo quit >&7
	ended || return 1
	[ -n "$machine" ] || said | grep -q '40000000: 0xedfe0dd0' || return 1
	said | grep -q "${2:-.}" || return 1
	! said | grep "^$qemu: " | grep -v "${2:-^\$}" || return 1
	first=$(sed -n "s/^\([0-9a-f]*\)-.* ${bits:-rw-s} 0*$at .*/\1/p" /tmp/backend.maps | head -n 1)
	[ -n "$first" ] && [ $((0x$first % align)) = 0 ]
}
# ends PATTERN OPTIONS - QEMU exits with an error like PATTERN
ends() {
	start "$2"
	said
	gone || { kill -9 $started; wait $started; return 1; }
	! ended && said | grep -q "^$qemu: .*$1"
}
taken() { check "taken: $1" starts "mem-path=$node,share=on,size=${mib:-256}M$2" "$3"; }
refused() { check "refused: $1" ends "$3" "mem-path=$node,share=on,size=${mib:-256}M$2"; }

# Where in QEMU's addresses
taken "no align" ''
align=$page taken "align of a page" ,align=$page
align=65536 taken "align=64K" ,align=64K
align=2097152 taken "align=2M" ,align=2M
align=1073741824 taken "align=1G" ,align=1G
refused "align=3M" ,align=3M 'alignment 0x300000 must be a power of two'
refused "align=1" ,align=1 "alignment 0x1 must be multiples of page size 0x$hex_page"

# Where in the region, and how much
at=$hex_page taken "offset of a page" ,offset=$page
at=200000 taken "offset=2M" ,offset=2M
at=30000000 taken "the last 256 MiB" ,offset=768M
refused "offset=100" ,offset=100 "offset 0x64 must be multiples of page size 0x$hex_page"
refused "a range that ends beyond the region" ,offset=896M \
	"backing store size 0x40000000 is too small for 'size' option 0x10000000 plus 'offset' option 0x38000000"
refused "a range that begins at its end" ,offset=1G 'is too small for .* option 0x40000000'
mib=1024 taken "the whole region" '' 'size:  1073741824'
mib=2048 refused "more than the region" '' 'is too small for .* option 0x80000000'
mib=255 taken "a size that is no multiple of a block" '' 'size:  267386880'
refused "a size of 0" ,size=0 "doesn't take value '0'"
refused "a size that is no multiple of a page" ,size=1000000 "memory size must be multiple of"
mib=128 check "refused: less than the machine's RAM" ends \
	'memory size does not match the size of the memory backend' mem-path=$node,size=64M,share=on

# A private mapping is what QEMU makes without a word.
check "refused: no share=" ends 'unable to map backing store for guest RAM: Invalid argument' \
	mem-path=$node,size=256M
refused "share=off" ,share=off 'unable to map backing store for guest RAM: Invalid argument'
# The machine's RAM is written: by another machine.
machine='-M none' bits=r--s taken "readonly=on, mapped for reading" ,readonly=on
refused "readonly=on,share=off" ,readonly=on,share=off 'unable to map .*: Invalid argument'
refused "readonly=on,rom=off" ,readonly=on,rom=off "'rom' = 'off' is incompatible with"
refused "rom=on alone" ,rom=on "'rom' = 'on' is not supported with 'readonly' = 'off'"

taken "prealloc=on" ,prealloc=on 'prealloc: true'
taken "prealloc=on,prealloc-threads=4" ,prealloc=on,prealloc-threads=4 'prealloc: true'
taken "prealloc=off" ,prealloc=off 'prealloc: false'
refused "prealloc-threads=0" ,prealloc=on,prealloc-threads=0 "doesn't take value '0'"
taken "merge=off" ,merge=off 'merge: false'
taken "merge=on" ,merge=on 'merge: true'
taken "dump=off" ,dump=off 'dump: false'
taken "dump=on" ,dump=on 'dump: true'
taken "reserve=off" ,reserve=off 'reserve: false'
taken "discard-data=on" ,discard-data=on
taken "pmem=on, with a warning" ,pmem=on "warning: Using non DAX backing file with 'pmem=on'"
taken "x-use-canonical-path-for-ramblock-id=on" ,x-use-canonical-path-for-ramblock-id=on

# The region's own node has no memory of the kernel's. Another one is taken, without effect.
own=$(cat /sys/class/egm/egm4/numa_node)
for policy in bind preferred interleave; do
	refused "policy=$policy, its own node" ",policy=$policy,host-nodes=$own" \
		'cannot bind memory to host NUMA nodes: Invalid argument'
done
taken "policy=bind, node 0" ,policy=bind,host-nodes=0 'policy: bind'
taken "policy=preferred, node 0" ,policy=preferred,host-nodes=0 'policy: preferred'

# By another name
ln -s $node /tmp/egm-link
check "taken: a symbolic link" starts mem-path=/tmp/egm-link,share=on,size=256M
exec 8<>$node
check "taken: an open descriptor's name" starts mem-path=/proc/self/fd/8,share=on,size=256M
exec 8>&-
mem_path() {
	! timeout 60 $qemu -M virt -nodefaults -display none -S -mem-path $node </dev/null \
		>/tmp/backend 2>&1
	cat /tmp/backend
	said | grep -q 'unable to map backing store for guest RAM: Invalid argument'
}
check "refused: -mem-path, which is private" mem_path
ordinary() {
	node=/tmp/egm9 starts mem-path=/tmp/egm9,share=on,size=256M && [ -f /tmp/egm9 ]
	rc=$?
	rm -f /tmp/egm9
	return $rc
}
check "a node that is not there: QEMU makes an ordinary file" ordinary

# Several of them
m1=memory-backend-file,id=m1,mem-path=$node,share=on,size=256M,offset
words="-object $m1=256M" taken "two backends on one region" '' 'memory backend: m1'
words="-object $m1=128M" refused "two backends that overlap" '' \
	'unable to map backing store for guest RAM: Device or resource busy'
words="-object $m1=0" refused "the same range twice" '' 'Device or resource busy'
names() { log_says "egm4: .*\[$started\]: offset 0x0 is owned by a file that .*\[$1\] opened"; }
check "the kernel log names QEMU as the owner" names "$started"
numa() {
	machine='-M virt,gic-version=3 -cpu host -accel kvm -m 512M' \
		words="-object $m1=256M -numa node,nodeid=0,memdev=m0 -numa node,nodeid=1,memdev=m1" \
		starts mem-path=$node,share=on,size=256M
	said | grep '40000000: 0xedfe0dd0' && grep " 10000000 .*$node" /tmp/backend.maps
}
check "taken: two parts as two NUMA nodes" numa
second() {
	start mem-path=$node,share=on,size=256M
	first=$started
	ends 'Device or resource busy' mem-path=$node,share=on,size=256M
	rc=$?
	kill -9 "$first"
	wait "$first"
	return $rc
}
check "refused: a second QEMU on the same range" second
check "the kernel log names the first QEMU as the owner" names "$first"

# The older QEMU
qemu='qemu-system-aarch64-10.0'
taken "$qemu" ''
align=2097152 at=10000000 taken "$qemu, align=2M,offset=256M" ,align=2M,offset=256M
taken "$qemu, prealloc=on" ,prealloc=on 'prealloc: true'
refused "$qemu, a range that ends beyond the region" ,offset=896M 'is too small for'
refused "$qemu, share=off" ,share=off 'unable to map .*: Invalid argument'
refused "$qemu, its own node" ",policy=bind,host-nodes=$own" 'cannot bind memory to host NUMA nodes'
words="-object $m1=128M" refused "$qemu, two backends that overlap" '' 'Device or resource busy'

# QEMU unmaps a deleted backend later (RCU): until then its memory is busy, for QEMU as well.
# uptime - in hundredths of a second
uptime() { sed 's/ .*//; s/\.//' /proc/uptime; }
add='{"qom-type": "memory-backend-file", "id": "m9", "mem-path": "/dev/egm4", "share": true,
	"size": 134217728, "offset": 536870912, "align": 2097152}'
add=$(echo "$add" | tr -d '\n\t')
added() { qmp churn object-add "$add" >/tmp/added; }
again_and_again() {
	i=0 busy=0 worst=0
	while [ $i -lt 60 ]; do
		since=$(uptime)
		if ! added; then
			busy=$((busy + 1))
			grep -q 'Device or resource busy' /tmp/added || { cat /tmp/added; return 1; }
			until added; do
				[ $(($(uptime) - since)) -lt 500 ] || { cat /tmp/added; return 1; }
			done
			took=$(($(uptime) - since))
			[ $took -le $worst ] || worst=$took
		fi
		# Send the next command without waiting for the answer.
		echo '{"execute": "object-del", "arguments": {"id": "m9"}}' 1<>/tmp/churn.qmp.in
		i=$((i + 1))
	done
	echo "# $busy of 60 were busy at first, for at most ${worst}0 ms" >/tmp/churned
}
running() { start_monitored churn mark CHURN egm4=256M && wait_says churn 'guest: marked'; }
zero() { /egm/tests/egm_poke $node zero 0x20000000 0x8000000; }
check "a guest runs" running
check "a backend is added and deleted 60 times on one range, each within 5 s" again_and_again
cat /tmp/churned
check "the range is free and zero within 5 s of the last deletion" wait_until 5 zero
check "the guest powers off and QEMU exits with 0" end_guest churn
check "the kernel logged no warning" kernel_is_quiet
done_testing
