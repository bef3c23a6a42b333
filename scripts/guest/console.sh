# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# Guests that go on while a script does something else: source it after host.sh.

# start_guest NAME WORDS... - egm-guest WORDS, which looks at the environment; $guest is
# QEMU's pid. /tmp/NAME has what QEMU and the guest say, /tmp/NAME.in is typed at the guest.
start_guest() {
	guest_name=$1
	shift
	rm -f "/tmp/$guest_name.in"
	mkfifo "/tmp/$guest_name.in"
	# Opened for both, the console never ends.
	egm-guest "$@" <>"/tmp/$guest_name.in" >"/tmp/$guest_name" 2>&1 &
	guest=$!
}

# Opened for both, it waits for no reader.
tell() { echo "$2" 1<>"/tmp/$1.in"; }
alive() { kill -0 "$1" 2>/dev/null; }

# says NAME PATTERN [COUNT] - has it been said, so often?
says() { [ "$(grep -ac "$2" "/tmp/$1")" -ge "${3:-1}" ]; }

# wait_says NAME PATTERN [COUNT] - it is said within $patience seconds, and before QEMU is gone
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

# end_guest NAME - type a line, which is what it waits for; its status
end_guest() {
	tell "$1" off
	wait_until 60 guest_gone || kill -9 "$guest"
	wait "$guest"
}

# kill_guest - at once
kill_guest() {
	kill -9 "$guest" 2>/dev/null
	wait "$guest" 2>/dev/null
	true
}
