# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# Guests that run in the background of a script: source it after host.sh.

# start_guest NAME WORDS... - start egm-guest WORDS, with this script's environment; $guest is
# QEMU's pid. /tmp/NAME is the output of QEMU and the guest, /tmp/NAME.in the guest's input.
start_guest() {
	guest_name=$1
	shift
	rm -f "/tmp/$guest_name.in"
	mkfifo "/tmp/$guest_name.in"
	: >"/tmp/$guest_name"
	# Opened for reading and writing, so that the console never ends.
	egm-guest "$@" <>"/tmp/$guest_name.in" >"/tmp/$guest_name" 2>&1 &
	guest=$!
}

# start_monitored NAME WORDS... - start_guest, with a QEMU Machine Protocol (QMP) monitor.
# The monitor writes answers and events to /tmp/NAME.qmp, and reads /tmp/NAME.qmp.in.
start_monitored() {
	rm -f "/tmp/$1.qmp" "/tmp/$1.qmp.in"
	mkfifo "/tmp/$1.qmp.in"
	echo 0 >"/tmp/$1.qmp.id"
	# QEMU inherits this descriptor, so that the pipe never ends.
	exec 9<>"/tmp/$1.qmp.in"
	echo '{"execute": "qmp_capabilities", "id": "egm-0"}' >&9
	MONITOR=/tmp/$1.qmp start_guest "$@"
	exec 9>&-
	echo "$guest" >"/tmp/$1.qmp.pid"
}

# qmp_answer NAME ID - print the line that answers a command, once it is complete
qmp_answer() { grep -as "\"id\": \"egm-$2\".*}$(printf '\r')\$" "/tmp/$1.qmp"; }

# qmp NAME COMMAND [ARGUMENTS] - send a command of QMP, with its arguments as a JSON object. Print
# the answer; false if it is an error, or if QEMU does not answer within a minute.
qmp() {
	qmp_id=$(($(cat "/tmp/$1.qmp.id") + 1))
	echo $qmp_id >"/tmp/$1.qmp.id"
	printf '{"execute": "%s"%s, "id": "egm-%d"}\n' "$2" "${3:+, \"arguments\": $3}" $qmp_id \
		1<>"/tmp/$1.qmp.in"
	qmp_left=600
	until qmp_line=$(qmp_answer "$1" $qmp_id); do
		qmp_left=$((qmp_left - 1))
		if [ $qmp_left = 0 ] || ! alive "$(cat "/tmp/$1.qmp.pid")"; then
			echo "no answer of $1 to $2"
			return 1
		fi
		sleep 0.1
	done
	printf '%s\n' "$qmp_line" | tr -d '\r'
	case $qmp_line in *'"error": {"class": '*) return 1 ;; esac
}

# qmp_field NAME COMMAND KEY - print a number or a word of the answer
qmp_field() { qmp "$1" "$2" | sed -n "s/.*\"$3\": \"\{0,1\}\([a-z0-9-]*\).*/\1/p"; }

# migration_ended NAME - has the migration completed, failed or been cancelled?
migration_ended() { qmp_field "$1" query-migrate status | grep -qx 'completed\|failed\|cancelled'; }

# hmp NAME COMMAND - send a command of the human monitor; print its text; false if it is an error
hmp() {
	hmp_command=$(printf '%s' "$2" | sed 's/[\\"]/\\&/g')
	hmp_line=$(qmp "$1" human-monitor-command "{\"command-line\": \"$hmp_command\"}") ||
		{ echo "$hmp_line"; return 1; }
	hmp_text=$(printf '%s\n' "$hmp_line" | sed 's/.*"return": "//; s/"\(, "id": "egm-[0-9]*"\)\?}$//
		s/\\r//g; s/\\n/\n/g; s/\\\(["\\]\)/\1/g')
	[ -z "$hmp_text" ] || printf '%s\n' "$hmp_text"
	! printf '%s\n' "$hmp_text" | grep -q '^Error: \|^unknown command'
}

# Opened for reading and writing, so that the write does not wait for a reader.
tell() { echo "$2" 1<>"/tmp/$1.in"; }

# alive PID - a process that ended, and that its parent did not wait for, is not alive.
alive() { grep -q '^State:	[^ZX]' "/proc/$1/status" 2>/dev/null; }

# says NAME PATTERN [COUNT] - does the output have COUNT lines (1) that match?
says() { [ "$(grep -ac "$2" "/tmp/$1")" -ge "${3:-1}" ]; }

# wait_says NAME PATTERN [COUNT] - wait $patience seconds, while QEMU lives, until it says so
patience=300
wait_says() {
	left=$patience
	until says "$@"; do
		left=$((left - 1))
		if [ $left -le 0 ] || ! alive "$guest"; then
			tail -n 20 "/tmp/$1"
			return 1
		fi
		sleep 1
	done
}

guest_pid() { echo "$guest"; }
guest_gone() { ! alive "$guest"; }

# end_guest NAME - type the line that the guest waits for; return QEMU's status
end_guest() {
	tell "$1" off
	wait_until 60 guest_gone || kill -9 "$guest"
	wait "$guest"
}

# kill_guest - kill QEMU by SIGKILL
kill_guest() {
	kill -9 "$guest" 2>/dev/null
	wait "$guest" 2>/dev/null
	true
}
