#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: operations
# profiles: none
# No profile runs this test, since it takes half an hour. Run it by hand:
#	scripts/vm --scenario operations --timeout 7200 -- /egm/bin/run-tests script qemu-operations
# The documentation has a table of operations on EGM, device-dax and hugetlbfs. This test runs the
# rows that begin with "QEMU: ".
. /egm/bin/tap.sh
. /egm/bin/host.sh
# shellcheck source=scripts/guest/console.sh
. /egm/bin/console.sh
# shellcheck source=scripts/guest/kinds.sh
. /egm/bin/kinds.sh
table_names | grep '^QEMU: ' >/tmp/rows
plan $(($(wc -l </tmp/rows) + 5))
# Drop the results of operations.sh.
rm -f /tmp/saw.*

# note ROW RESULT - print and record a result of the kind $kind
note() {
	echo "# $kind: $1: $2" >&3
	saw "$kind" "QEMU: $1" "$2"
}
exec 3>&1

# backend ID OFFSET SIZE - QEMU's words for a backend on $file, in MiB
backend() {
	echo "memory-backend-file,id=$1,mem-path=$file,offset=${2}M,size=${3}M,share=on,align=2M"
}

# why FILE - the reason that QEMU names, as an errno
why() {
	for errno in 'EBUSY Device or resource busy' 'EINVAL Invalid argument' \
		'EFAULT Bad address' 'ENODEV No such device' 'EIO Input/output error'; do
		! grep -aq "${errno#* }" "$1" || { echo "${errno%% *}"; return; }
	done
	echo refused
}

# starts WORDS... - "yes" if QEMU starts and quits, else "hangs" or why it fails
starts() {
	echo quit | timeout 60 qemu-system-aarch64 -nodefaults -display none -monitor stdio "$@" \
		>/tmp/start 2>&1
	rc=$?
	if [ $rc = 0 ]; then echo yes; elif [ $rc = 124 ]; then echo hangs; else why /tmp/start; fi
}

# yes_if COMMAND... - for a result that is "yes" or "no"
yes_if() { if "$@" >/dev/null 2>&1; then echo yes; else echo no; fi; }

# How QEMU allocates
allocate() {
	note "prealloc=on" "$(starts -M none -object "$(backend m 0 64),prealloc=on")"
	note "share=off" "$(starts -M none -object "$(backend m 0 64 | sed s/share=on/share=off/)")"
	note "merge=on, dump=off" "$(starts -M none -object "$(backend m 0 64),merge=on,dump=off")"
	note "host-nodes= the memory's own, policy=bind" \
		"$(starts -M none -object "$(backend m 0 64),host-nodes=$(node_of "$kind"),policy=bind")"
	note "-overcommit mem-lock=on" \
		"$(starts -M none -overcommit mem-lock=on -object "$(backend m 0 64)")"
	note "virtio-mem" "$(starts -M virt,gic-version=3 -accel kvm -cpu host -S \
		-m 256M,slots=2,maxmem=2G -object "$(backend m0 0 256)" -machine memory-backend=m0 \
		-object "$(backend m1 512 256)" -device virtio-mem-pci,memdev=m1,requested-size=0)"
	note "host-nodes=0, policy=bind" "$(bound_to_0)"
}
# Where is the memory that QEMU has touched?
bound_to_0() {
	qemu-system-aarch64 -M none -nodefaults -display none \
		-object "$(backend m 0 64),prealloc=on,host-nodes=0,policy=bind" >/tmp/start 2>&1 &
	guest=$!
	touched() { grep "$file" "/proc/$guest/numa_maps" | grep -q bind:0; }
	if ! wait_until 20 touched; then
		why /tmp/start
	else
		sleep 2
		if grep "$file" /proc/$guest/numa_maps | grep -q ' N0='; then echo yes; else echo "no effect"; fi
	fi
	kill_guest
}

# Devices that read and write a guest's memory. Disks: O_DIRECT to a RAM disk, a file in the page
# cache of tmpfs, and a file on 9p, which has no page cache.
start_devices() {
	mkdir -p /tmp/fs/tmpfs /tmp/fs/9p
	grep -q ' /tmp/fs/9p ' /proc/mounts || mount -o bind /egm/scratch /tmp/fs/9p
	truncate -s 4M /tmp/disk /egm/scratch/disk
	rm -f /tmp/fs.sock /tmp/vhost.sock /tmp/look
	/usr/libexec/virtiofsd --socket-path /tmp/fs.sock --shared-dir /tmp/fs --sandbox none \
		--seccomp none >/tmp/virtiofsd 2>&1 &
	virtiofsd=$!
	mkfifo /tmp/look
	/egm/tests/egm_vhost_user /tmp/vhost.sock x <>/tmp/look >/tmp/backend 2>&1 &
	vhost_user=$!
	[ -e /sys/class/net/tap0 ] || tunctl -t tap0
	ifconfig tap0 10.9.0.1
	wait_until 10 test -S /tmp/fs.sock && wait_until 10 test -S /tmp/vhost.sock || return 1
	QEMU_WORDS="-drive if=none,id=d0,file=/dev/ram0,format=raw,cache=none
		-device virtio-blk-pci,drive=d0,serial=direct
		-drive if=none,id=d1,file=/tmp/disk,format=raw,cache=writeback
		-device virtio-blk-pci,drive=d1,serial=tmpfs
		-drive if=none,id=d2,file=/egm/scratch/disk,format=raw,cache=writeback
		-device virtio-blk-pci,drive=d2,serial=9p
		-netdev tap,id=n0,ifname=tap0,script=no,downscript=no,vhost=on
		-device virtio-net-pci,netdev=n0,romfile=
		-chardev socket,id=c0,path=/tmp/fs.sock -device vhost-user-fs-pci,chardev=c0,tag=egm
		-chardev socket,id=c1,path=/tmp/vhost.sock -device vhost-user-rng-pci,chardev=c1
		-object $(backend shm 512 2) -device ivshmem-plain,memdev=shm
		-device virtio-balloon-pci,free-page-reporting=on" \
		start_guest d devices egm4=256M
	wait_says d 'guest: devices used'
}
# used DEVICE - "yes" if the guest used the device, else why not
used() {
	grep -a "guest: $1: " /tmp/d | tail -n 1 >/tmp/used
	if grep -q ': right' /tmp/used; then echo yes; else why /tmp/used; fi
}

# A guest whose memory QEMU frees by a balloon, saves and reads
start_plain() {
	QEMU_WORDS="-device virtio-balloon-pci -gdb tcp:127.0.0.1:1234" \
		REBOOT=1 start_monitored p devices egm4=256M
	wait_says p 'guest: devices used'
}
# QEMU prints an error for each range that it cannot free.
failed() { grep -ac 'ram_block_discard.*Failed' "/tmp/$1"; }
free_pages() { cat "$pool/free_hugepages"; }
more_free() { [ $(($(free_pages) - free)) -gt 10 ]; }
settled() { more_free || [ "$(failed "$1")" -gt "$said" ]; }
# given_back NAME - has the host more than $free pages, or QEMU printed more than $said errors?
given_back() {
	wait_until 15 settled "$1"
	echo "# $kind: $(($(failed "$1") - said)) lines of errors, $(($(free_pages) - free)) huge pages" >&3
	if more_free; then
		echo yes
	elif [ "$(failed "$1")" -gt "$said" ]; then
		echo "no effect"
	else
		echo "not tried"
	fi
}
# fill NAME - the guest uses memory and frees it; $free is the free pages of the host in between
fill() {
	tell "$1" fill
	wait_says "$1" 'guest: filled' >/dev/null
	said=$(failed "$1") free=$(free_pages)
	wait_says "$1" 'guest: freed' >/dev/null
}
reported() {
	fill d
	given_back d
}
ballooned() { qmp p query-balloon | grep -q '"actual": 134217728'; }
balloon() {
	fill p
	qmp p balloon '{"value": 134217728}' >/dev/null || { echo refused; return; }
	wait_until 120 ballooned || { echo "not inflated"; return; }
	given=$(given_back p)
	# QEMU gives back a huge page if the guest's balloon takes its small pages in a row.
	case $kind,$given in
	huge,yes | huge,"not tried") echo "whole pages" ;;
	*) echo "$given" ;;
	esac
	qmp p balloon '{"value": 268435456}' >/dev/null
}
# monitor NAME COMMAND [FILE] - "yes" if the monitor command succeeds, else why not
monitor() {
	if hmp "$1" "$2" >/tmp/command 2>&1; then echo yes; else why /tmp/command; fi
	[ -z "$3" ] || rm -f "$3"
}
# QEMU reads /proc/self/pagemap. Its message of an absent page lacks "Error:".
host_address() {
	hmp p 'gpa2hpa 0x40000000' >/tmp/command 2>&1
	if grep -q ' is 0x[0-9a-f]' /tmp/command; then echo yes; else why /tmp/command; fi
}
migrate() {
	hmp p 'migrate -d file:/tmp/saved' >/tmp/command 2>&1 || { why /tmp/command; return; }
	wait_until 120 migration_ended p
	status=$(qmp_field p query-migrate status)
	rm -f /tmp/saved
	case $status in
	completed) hmp p cont && echo yes ;;
	'') echo "QEMU ends" ;;
	*) echo "$status" ;;
	esac
}
measured() { [ "$(qmp_field p query-dirty-rate status)" = measured ]; }
dirty_rate() {
	qmp p calc-dirty-rate '{"calc-time": 1, "mode": "dirty-bitmap"}' >/tmp/command 2>&1 ||
		{ why /tmp/command; return; }
	if wait_until 60 measured; then echo yes; else echo "QEMU ends"; fi
}
reset() {
	seen=$(grep -ac 'guest: devices used' /tmp/p)
	hmp p system_reset >/dev/null 2>&1
	wait_says p 'guest: devices used' $((seen + 1)) >/dev/null && echo yes || echo no
}
# packet TEXT - a packet of the gdb protocol, with its checksum
packet() {
	sum=$(printf %s "$1" | od -An -v -t u1 | awk '{ for (i = 1; i <= NF; i++) s += $i } END { printf "%02x", s % 256 }')
	printf '$%s#%s' "$1" "$sum"
}
# gdb reads the header of the guest's kernel, at physical addresses.
gdb() {
	for p in Qqemu.PhyMemMode:1 m40000000,8 D; do
		packet $p
		sleep 1
		printf +
	done | timeout 20 nc 127.0.0.1 1234 >/tmp/gdb 2>&1
	if grep -aq '[0-9a-f]\{16\}#' /tmp/gdb; then echo yes; else echo no; fi
	hmp p cont >/dev/null
}
# QEMU frees a backend some time after object_del.
added_again() {
	hmp p "object_add $(backend again 768 64)" >/tmp/again
	cat /tmp/again
	! grep -q Error /tmp/again
}
add_again() {
	first=0
	for _ in 1 2 3 4 5; do
		added_again >/dev/null || {
			first=$((first + 1))
			wait_until 5 added_again >/dev/null
		}
		hmp p 'object_del again' >/dev/null
	done
	echo "# $kind: $first of 5 object_add after object_del are refused at first" >&3
	sleep 2
	if added_again >/dev/null; then echo yes; else why /tmp/again; fi
	hmp p 'object_del again' >/dev/null
}
devices() {
	start_devices >/tmp/started 2>&1 ||
		{ echo "# $kind:"; tail -n 30 /tmp/started /tmp/virtiofsd /tmp/backend /tmp/d | sed 's/^/# /'; }
	grep -a 'guest: disk\|guest: net\|guest: virtiofs\|guest: ivshmem' /tmp/d | sed "s/^/# $kind: /" >&3
	note "ivshmem-plain" "$(used ivshmem)"
	note "virtio-blk, cache=none" "$(used 'disk direct')"
	note "virtio-blk, cache=writeback, image on tmpfs" "$(used 'disk tmpfs')"
	note "virtio-blk, cache=writeback, image on 9p" "$(used 'disk 9p')"
	note "virtio-net, vhost=on" "$(used network)"
	note "virtiofsd, folder on tmpfs" "$(used 'virtiofs tmpfs')"
	note "virtiofsd, folder on 9p" "$(used 'virtiofs 9p')"
	note "vhost-user back end that maps by offset" "$(yes_if grep 'mapped [1-9]' /tmp/backend)"
	note "free-page-reporting" "$(reported)"
	kill_guest
	kill $virtiofsd $vhost_user 2>/dev/null
	wait $virtiofsd $vhost_user 2>/dev/null
}
# The first 4 MiB are enough of a dump.
part='0x40000000 0x400000'
plain() {
	start_plain >/tmp/started 2>&1 || { kill_guest; sed "s/^/# $kind: /" /tmp/started; return; }
	note "gdbstub" "$(gdb)"
	note "gpa2hpa" "$(host_address)"
	note "virtio-balloon, inflate" "$(balloon)"
	note "dump-guest-memory, to tmpfs" "$(monitor p "dump-guest-memory /tmp/saved $part" /tmp/saved)"
	note "dump-guest-memory, to 9p" \
		"$(monitor p "dump-guest-memory /egm/scratch/saved $part" /egm/scratch/saved)"
	note "capability background-snapshot" "$(monitor p 'migrate_set_capability background-snapshot on')"
	hmp p 'migrate_set_capability background-snapshot off'
	note "object_add, 2 s after object_del" "$(add_again)"
	note "calc_dirty_rate -b" "$(dirty_rate)"
	note "migrate to a file" "$(migrate)"
	note "system_reset" "$(reset)"
	kill_guest
}

# Another program holds the first 2 MiB of the file, and the guest the rest.
from_0() {
	/egm/tests/egm_poke "$file" hold 600 0 0x200000 >/tmp/holder 2>&1 &
	holder=$!
	rm -f /tmp/zero.sock /tmp/look
	mkfifo /tmp/look
	/egm/tests/egm_vhost_user /tmp/zero.sock x from-zero <>/tmp/look >/tmp/backend 2>&1 &
	vhost_user=$!
	wait_until 10 grep -q holding /tmp/holder && wait_until 10 test -S /tmp/zero.sock
	QEMU_WORDS="-chardev socket,id=c0,path=/tmp/zero.sock -device vhost-user-rng-pci,chardev=c0" \
		start_guest z boot egm4=128M@256M
	wait_until 120 grep -q mapped\|mmap /tmp/backend
	if grep -q 'mapped [1-9]' /tmp/backend; then echo yes; else why /tmp/backend; fi
	kill_guest
	kill $holder $vhost_user 2>/dev/null
	wait $holder $vhost_user 2>/dev/null
}

# DIMMs and NVDIMMs are found by ACPI, which needs firmware in the guest.
start_slots() {
	cp /egm/firmware/vars.fd /tmp/vars.fd
	QEMU_MACHINE=,ras=on,nvdimm=on EGM_BACKEND=,prealloc=on REBOOT=1 \
		QEMU_WORDS="-m 256M,slots=4,maxmem=4G
		-drive if=pflash,format=raw,readonly=on,file=/egm/firmware/code.fd
		-drive if=pflash,format=raw,file=/tmp/vars.fd
		-object $(backend nv 512 128) -device nvdimm,memdev=nv,id=nv0" \
		start_monitored s devices egm4=256M
	wait_says s 'guest: devices used'
}
guest_memory() { sed -n 's/guest: now MemTotal: *\([0-9]*\).*/\1/p' /tmp/s | tail -n 1; }
ask_memory() {
	seen=$(grep -ac 'guest: now' /tmp/s)
	tell s memory
	wait_says s 'guest: now' $((seen + 1)) >/dev/null
}
grown() { ask_memory && [ "$(guest_memory)" -gt $((before + 100000)) ]; }
plug_dimm() {
	ask_memory
	before=$(guest_memory)
	hmp s "object_add $(backend dimm 640 128)" >/tmp/command 2>&1 &&
		hmp s 'device_add pc-dimm,id=dimm0,memdev=dimm' >>/tmp/command 2>&1 || { why /tmp/command; return; }
	if wait_until 20 grown; then echo yes; else echo "not seen"; fi
}
# spa_of GPA - the SPA of a guest physical address
spa_of() {
	case $kind in
	egm) echo $(($(base_of egm4) + $1 - 0x40000000)) ;;
	dax) echo $((dax_base + $1 - 0x40000000)) ;;
	huge) hmp s "gpa2hpa $1" | sed -n 's/.* is \(0x[0-9a-f]*\).*/\1/p' ;;
	esac
}
booted_or_gone() { guest_gone || says s 'guest: devices used' 2; }
reset_after_bad_page() {
	spa=$(spa_of 0x48000000)
	echo $((spa)) >/sys/devices/system/memory/hard_offline_page || { echo "no bad page"; return; }
	sleep 2
	! guest_gone || { echo "QEMU ends before"; return; }
	hmp s system_reset >/dev/null 2>&1
	wait_until 300 booted_or_gone
	if guest_gone; then echo "QEMU ends"; elif says s 'guest: devices used' 2; then echo yes; else echo no; fi
}
slots() {
	start_slots >/tmp/started 2>&1 || { kill_guest; sed "s/^/# $kind: /" /tmp/started; return; }
	hmp s 'info memory-devices' >/tmp/command
	note "nvdimm" "$(yes_if grep nvdimm /tmp/command)"
	note "object_add and device_add pc-dimm" "$(plug_dimm)"
	note "system_reset, after a page went bad" "$(reset_after_bad_page)"
	kill_guest
}

# The file of huge pages is as long as a region, and has only the pages that are used.
both() { have_dax && have_huge 400 1G; }
check "the three kinds of memory are there" both
for kind in $kinds; do
	file=$(file_of "$kind")
	export EGM_PATH="$file"
	allocate
	devices
	plain
	note "vhost-user back end that maps from 0, next to another program" "$(from_0)"
	slots
done
check_rows

check "egm_forget.ko clears the list" forget_bad_pages egm4
leave() { umount /tmp/fs/9p; have_no_huge && have_no_dax && nodes_are egm4 egm5; }
check "both regions are bound again" leave
check "the kernel logged no warning" kernel_is_quiet
done_testing
