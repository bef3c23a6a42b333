#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: default
# profiles: 4k 64k debug
# needs: kvm-poison
# A guest on EGM writes nearly all of its memory without end. It is saved and restored, and
# migrates while it runs: to another region, to ordinary memory and back. KVM logs its writes.
# EGM_ROUNDS in the environment: how often the guest migrates from one region to the other.
. /egm/bin/tap.sh
. /egm/bin/host.sh
# shellcheck source=scripts/guest/console.sh
. /egm/bin/console.sh
rounds=${EGM_ROUNDS:-1}
page=$(page_kib)
plan $((31 + 4 * rounds + (page > 4)))

size=240M

# wait_for SECONDS COMMAND... - like wait_until, but looks once a second: looking takes the
# guest's time
wait_for() {
	end=$(($(date +%s) + $1))
	shift
	until "$@"; do
		[ "$(date +%s)" -lt $end ] || return 1
		sleep 1
	done
}

# The memory test of the guest says a line each round: each word of its memory was right.
last_round() { sed -n 's/.*memtest: round \([0-9]*\), checksum.*/\1/p' "/tmp/$1" | tail -n 1; }
is_gone() { ! alive "$(cat "/tmp/$1.qmp.pid")"; }
rounds_said() {
	is_gone "$1" || says "$1" 'memtest: wrong' ||
		says "$1" 'memtest: round .*, checksum' "$2"
}
# goes_on NAME [BEFORE] - two whole rounds here, which follow those of QEMU BEFORE
goes_on() {
	wait_for 400 rounds_said "$1" 3
	echo "round $(last_round "$1"), before: ${2:+$(last_round "$2")}"
	says "$1" 'memtest: round .*, checksum' 3 || { tail -n 20 "/tmp/$1"; return 1; }
	! says "$1" 'memtest: wrong\|memtest ended' &&
		[ "$(last_round "$1")" -gt "$([ -z "$2" ] && echo 0 || last_round "$2")" ]
}

field_is() { [ "$(qmp_field "$1" "$2" "$3")" = "$4" ]; }
at_end() { is_gone "$1" || migration_ended "$1"; }
migrated() {
	wait_for 400 at_end "$1"
	qmp "$1" query-migrate
	field_is "$1" query-migrate status completed
}

# receive NAME NODE URI [COMMAND...] - start a QEMU that receives the guest
receive() {
	name=$1 uri=$3
	INCOMING=defer start_monitored "$1" churn "$2=$size"
	shift 3
	for command in "$@"; do hmp "$name" "$command" || return 1; done
	hmp "$name" "migrate_incoming $uri"
}

# The guest writes faster than it is sent: only a pause ends that, but not before what it
# has written was sent again.
sent_again() { [ "$(qmp_field "$1" query-migrate dirty-sync-count)" -ge 4 ] || at_end "$1"; }
# send NAME URI
send() {
	hmp "$1" 'migrate_set_parameter max-bandwidth 10G' &&
		hmp "$1" 'migrate_set_parameter downtime-limit 1' &&
		hmp "$1" "migrate -d $2" &&
		wait_for 400 sent_again "$1" &&
		hmp "$1" 'migrate_set_parameter downtime-limit 100000' &&
		migrated "$1"
}

# save NAME COMMAND... - into a file
save() {
	name=$1
	shift
	rm -f /tmp/saved
	for command in "$@"; do hmp "$name" "$command" || return 1; done
	send "$name" file:/tmp/saved && ls -l /tmp/saved
}

# restore NAME NODE COMMAND... - from the file
restore() {
	name=$1 node=$2
	shift 2
	receive "$name" "$node" file:/tmp/saved "$@" && migrated "$name" && hmp "$name" cont
}

# migrate FROM TO NODE - the running guest of one QEMU, to one that starts on NODE
migrate() { receive "$2" "$3" "unix:/tmp/$2.sock" && send "$1" "unix:/tmp/$2.sock"; }

# leave NAME NODE - its QEMU ends well, and its region is free, and zero
leave() {
	qmp "$1" quit
	wait_for 60 is_gone "$1" && wait "$(cat "/tmp/$1.qmp.pid")" || return 1
	[ "$2" = ram ] || /egm/tests/egm_poke "/dev/$2" zero 0 0
}
owned() { busy "$1" 0 0x200000; }

# stage2 - what maps the guest's memory: blocks are level 2, pages are level 3
stage2() {
	cat /sys/kernel/debug/kvm/*/stage2_page_tables >/tmp/stage2 || return 1
	large=$(stage2_kib 2 /tmp/stage2) small=$(stage2_kib 3 /tmp/stage2)
	echo "$large KiB in blocks, $small KiB in pages"
}
in_blocks() { stage2 && [ "$large" -gt 0 ] && [ "$small" = 0 ]; }
# A slow guest writes few blocks while the log is kept, and KVM splits only those.
in_pages() { stage2 && [ "$small" -gt $((4 << 10)) ]; }
# KVM maps a block again when the guest writes to a page of it that was not written while
# the log was kept. A short measurement leaves many.
measure() {
	qmp g0 calc-dirty-rate "{\"calc-time\": $1, \"calc-time-unit\": \"millisecond\",
		\"mode\": \"dirty-bitmap\"}"
}
measured() { wait_for 120 field_is g0 query-dirty-rate status measured; }
in_blocks_again() { stage2 && [ "$small" -lt $((32 << 10)) ]; }
return_to_blocks() { measure 50 && measured && wait_for 120 in_blocks_again; }
# stage2_check WHAT COMMAND...
stage2_check() {
	if [ "$page" != 4 ]; then
		skip "$1" "a block is $((page * page / 8)) MiB here, more than the guest has"
	elif [ ! -e /sys/kernel/debug/kvm ]; then
		skip "$1" "no debugfs of KVM"
	else
		check "$@"
	fi
}

# must WHAT COMMAND... - a check without which there is nothing to go on with
must() { check "$@"; stop_if_failed; }

writes() { start_monitored g0 churn "egm4=$size" && goes_on g0; }
must "a guest writes its memory without end" writes
stage2_check "KVM maps it in blocks" in_blocks
check "QEMU measures its dirty rate by KVM's log" measure 15000
stage2_check "KVM maps in pages while it logs writes" wait_for 15 in_pages
# QEMU rounds down to MiB/s, and a slow guest writes less.
rate() {
	measured
	qmp g0 query-dirty-rate
	stage2
	[ "$(qmp_field g0 query-dirty-rate dirty-rate)" -gt 0 ] || [ "$small" -lt $((15 << 10)) ]
}
if [ "$page" = 4 ]; then
	check "the rate is more than 0, or KVM logged less than 1 MiB/s" rate
else
	check "QEMU ends the measurement" measured
	skip "the rate is more than 0, or KVM logged less than 1 MiB/s" "QEMU counts pages of the host as if they had 4 KiB"
fi
stage2_check "KVM maps it in blocks again" return_to_blocks
snapshot() {
	! hmp g0 'migrate_set_capability background-snapshot on' >/tmp/snapshot
	cat /tmp/snapshot
	grep -q 'Background-snapshot is not compatible with guest memory configuration' /tmp/snapshot
}
check "QEMU refuses a background snapshot, with a reason" snapshot

must "the guest is stopped and saved" save g0 stop
must "the source QEMU exits with 0, and its region is zero" leave g0 egm4
# The guest's memory test must notice one changed word of the file.
swap_word() {
	word=$(($(stat -c %s /tmp/saved) / 16))
	dd if=/tmp/saved of=/tmp/word bs=8 skip=$word count=1 &&
		dd if="$1" of=/tmp/saved bs=8 seek=$word count=1 conv=notrunc
}
changed() {
	swap_word /dev/urandom && mv /tmp/word /tmp/right && restore wrong egm5 &&
		wait_for 200 says wrong 'memtest: wrong'
	rc=$?
	tail -n 3 /tmp/wrong
	kill_guest
	swap_word /tmp/right && return $rc
}
must "a guest that is restored from a changed file reports a wrong word" changed
must "the guest is restored on the other region" restore g1 egm5
check "the file of the other region owns its memory" owned egm5
must "the guest runs on, and each word of its memory is right" goes_on g1 g0

mapped='migrate_set_capability mapped-ram on'
must "the guest is saved while it runs, by mapped-ram" save g1 "$mapped"
must "the source QEMU exits with 0, and its region is zero" leave g1 egm5
must "the guest is restored from mapped-ram" restore g2 egm4 "$mapped"
must "the guest runs on, and each word of its memory is right" goes_on g2 g1

cpr='migrate_set_parameter mode cpr-reboot'
must "the guest is saved in the mode cpr-reboot" save g2 "${mapped%on}off" "$cpr"
must "the source QEMU exits with 0, and its region is zero" leave g2 egm4
must "the guest is restored in the mode cpr-reboot" restore g3 egm4 "$cpr"
must "the guest runs on, and each word of its memory is right" goes_on g3 g2

# hop NODE - from where it is
last=3 at=egm4
hop() {
	from=g$last last=$((last + 1))
	must "the guest migrates from $at to $1 while it runs" migrate $from g$last "$1"
	must "the source QEMU exits with 0, and its memory is free" leave $from "$at"
	[ "$1" = ram ] || check "the destination owns its memory" owned "$1"
	must "the guest runs on, and each word of its memory is right" goes_on g$last $from
	[ "$last" != 4 ] || stage2_check "KVM maps it in blocks" in_blocks
	at=$1
}
for round in $(seq "$rounds"); do
	if [ $((round % 2)) = 1 ]; then hop egm5; else hop egm4; fi
done
hop ram
hop egm4
kill_guest
check "the kernel logged no warning" kernel_is_quiet
check "both regions have their nodes" nodes_are egm4 egm5
done_testing
