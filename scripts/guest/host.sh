# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# Functions of tests, demo and benchmark in the emulated host: source it. NODE is egm4 or
# another node's name. A function that decides prints the values that it compares.

# wait_until SECONDS COMMAND... - true as soon as the command is
wait_until() {
	left=$(($1 * 10))
	shift
	until "$@"; do
		left=$((left - 1))
		[ $left -gt 0 ] || return 1
		sleep 0.1
	done
}

# hotplug PROGRAM - the kernel's uevents start it from now on; '' for none. Debian's kernel starts
# no program, so a process listens.
hotplug() {
	if [ -e /proc/sys/kernel/hotplug ]; then
		echo "$1" >/proc/sys/kernel/hotplug
		return
	fi
	[ ! -e /run/uevent.pid ] || kill "$(cat /run/uevent.pid)"
	rm -f /run/uevent.pid
	[ -n "$1" ] || return 0
	uevent "$1" </dev/null >/dev/null 2>&1 &
	echo $! >/run/uevent.pid
}

# core_has CHANGE - has the core kernel that change of the driver's series? The driver of a
# package says which its build did not find.
core_has() { ! /sbin/modinfo -F core_changes nvgrace-egm 2>/dev/null | grep -q "$1=no"; }

# lacks NEED - does this kernel lack what a test needs? Print it then.
lacks() {
	case $1 in
	iommufd)
		[ ! -c /dev/iommu ] && echo "no /dev/iommu" ;;
	type1 | memory-failure | kvm-poison)
		! core_has "$1" && echo "the core kernel lacks the driver's change $1" ;;
	kexec-file)
		! grep -q ' T __arm64_sys_kexec_file_load$' /proc/kallsyms &&
			echo "the kernel lacks CONFIG_KEXEC_FILE" ;;
	kunit)
		! modprobe kunit 2>/dev/null && echo "the kernel lacks CONFIG_KUNIT" ;;
	guest-virtio)
		! grep -q '/virtio_blk\.ko' "/lib/modules/$(uname -r)/modules.builtin" &&
			echo "the guest has no modules, and virtio_blk is one" ;;
	*)
		echo "lacks: unknown need '$1'" >&2
		return 1
		;;
	esac
}

page_kib() { sed -n 's/^KernelPageSize: *\([0-9]*\).*/\1/p' /proc/self/smaps | head -n 1; }

# log_is_whole - the kernel log begins with the boot, so a line that is absent was not printed
log_is_whole() {
	dmesg | grep -q 'Booting Linux on physical CPU' ||
		{ echo "the kernel log does not begin with the boot"; return 1; }
}

# not_logged PATTERN - the kernel has printed no such line since boot
not_logged() { log_is_whole && ! dmesg | grep -iE "$1"; }

# The kernel has logged no warning since boot. scripts/vm reads the console after all tests; it
# alone judges data races, by the code that they are in.
kernel_is_quiet() {
	log_is_whole && ! dmesg | grep -v 'BUG: KCSAN' |
		grep -E 'WARNING|BUG|Call trace|Oops|KASAN|UBSAN|blocked for more'
}

# said GPU PATTERN - did the kernel log a reason like this for a GPU without EGM?
said() { dmesg | grep "$1: .*no EGM" | tee /dev/stderr | grep -q "$2"; }
said_nothing() { not_logged "$1: .*no EGM"; }
driver_of() { basename "$(readlink "/sys/bus/pci/devices/$1/driver")"; }
bound() { [ "$(driver_of "$1")" = nvgrace_gpu_vfio_pci ]; }

# to_vfio_pci DEVICE - bind a PCI device that has no driver to vfio-pci
to_vfio_pci() {
	modprobe vfio-pci
	# A soft dependency of vfio, which busybox's modprobe does not load.
	modprobe vfio_iommu_type1 2>/dev/null
	echo vfio-pci >"/sys/bus/pci/devices/$1/driver_override"
	echo "$1" >/sys/bus/pci/drivers_probe
	[ "$(driver_of "$1")" = vfio-pci ]
}

nodes() {
	(cd /dev && for n in egm*; do [ ! -e "$n" ] || echo "$n"; done) |
		tr '\n' ' ' | sed 's/ $//'
}
nodes_are() { echo "nodes: $(nodes)"; [ "$(nodes)" = "$*" ]; }

# egm_unbind NODE, egm_bind NODE - the auxiliary device; the GPUs keep their driver
egm_driver=/sys/bus/auxiliary/drivers/nvgrace_egm
egm_unbind() { echo "nvgrace_gpu_vfio_pci.egm.${1#egm}" >$egm_driver/unbind; }
egm_bind() { echo "nvgrace_gpu_vfio_pci.egm.${1#egm}" >$egm_driver/bind; }

# base_of NODE - SPA of a region that has its driver
base_of() { sed -n "s/^ *\([0-9a-f]*\)-.* : $1\$/0x\1/p" /proc/iomem | grep .; }

# zeroed NODE - is nothing left to zero?
zeroed() { [ "$(cat "/sys/class/egm/$1/scrub_pending")" = 0 ]; }

# not_there NODE TEXT [OFFSET LEN] - TEXT is not in the memory: status 2 is an error
not_there() {
	/egm/tests/egm_poke "/dev/$1" find "$2" "${3:-0}" "${4:-0}"
	[ $? = 1 ]
}

# busy NODE OFFSET LEN - mapping that memory fails with EBUSY
busy() {
	/egm/tests/egm_poke "/dev/$1" zero "$2" "$3" >/tmp/busy 2>&1
	cat /tmp/busy
	grep -qi busy /tmp/busy
}

# list_is NODE ["OFFSET SIZE"...] - are these all of its retired pages?
list_is() {
	node=$1
	shift
	got=$(/egm/tests/egm_poke "/dev/$node" retired) || return 1
	echo "$got"
	[ "$got" = "$(printf '%s\n' "$@")" ]
}

# forget_bad_pages NODE - unbind it, clear the list of bad pages (egm_forget.ko), bind it
forget_bad_pages() {
	egm_unbind "$1" && ! insmod /egm/tests/egm_forget.ko 2>/dev/null && egm_bind "$1" &&
		list_is "$1"
}

# stage2_kib LEVEL FILE - KiB of a guest's RAM that entries of LEVEL map, in FILE, a copy of
# stage2_page_tables. Lines are "0xSTART-0xEND SIZE LEVEL FLAGS..."; a line of an unmapped range
# has "F" or no flags.
stage2_kib() {
	awk -v level="$1" '
	function kib(s) {
		u = substr(s, length(s))
		return substr(s, 1, length(s) - 1) * (u == "K" ? 1 : u == "M" ? 1024 : u == "G" ? 1048576 : 0)
	}
	/^0x/ && $1 >= "0x0000000040000000" && $3 == level && NF > 3 {
		for (i = 4; i <= NF; i++)
			if ($i == "F")
				next
		sum += kib($2)
	}
	END { printf "%d\n", sum }' "$2"
}
