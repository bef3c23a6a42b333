# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Debian's own kernels for arm64, and Debian 13's compiler in build/cross, which modules for
# them are built by: source it after common.sh.

suites="trixie trixie-backports"

# source_version - the version of the kernel source in build/tree, such as 7.3.4
source_version() {
	sed -nE 's/^(VERSION|PATCHLEVEL|SUBLEVEL) = ([0-9]+)$/\2/p' "$TREE/Makefile" | paste -sd .
}

# kver_of FLAVOUR [VERSION] - the release of Debian's newest kernel of that version, or of the version
# of the source, such as 7.3.4+deb13-arm64
kver_of() {
	local version=${2:-$(source_version)} kver

	kver=$(cd "$BUILD/cross/usr/src" 2>/dev/null &&
		compgen -G "linux-headers-${version}[.+]*[0-9]-$1" | sort -V | tail -n 1) || true
	[ -n "$kver" ] ||
		kver=$("$TOP/scripts/apt-private" stock arm64 "$suites" apt-cache search \
			--names-only "^linux-headers-${version//./\\.}[.+][^-]*-$1\$" |
			sed 's/ .*//' | sort -V | tail -n 1)
	[ -n "$kver" ] || die "the archive has no kernel $version of the flavour $1"
	echo "${kver#linux-headers-}"
}

# kver_of_profile PROFILE - the release of Debian's kernel of a profile; KVER, if it is set, is the
# kernel of the profile stock
kver_of_profile() {
	case $1 in
	stock16k) kver_of arm64-16k ;;
	*) echo "${KVER:-$(kver_of arm64)}" ;;
	esac
}

# dkms_kernels - the pattern of the kernels that the package is built for, as in its dkms.conf
dkms_kernels() {
	local version

	version=$(source_version)
	version=${version%.*}
	sed -n "s/@SERIES@/${version/./\\\\.}/; s/^BUILD_EXCLUSIVE_KERNEL=\"\(.*\)\"$/\1/p" \
		"$TOP/packaging/dkms/dkms.conf"
}

# in_cross COMMAND... - run COMMAND in build/cross, which sees the repository and the kernel
# source by their own paths; root is not needed
in_cross() {
	local user=() see=("$TOP") source

	[ "$(id -u)" -eq 0 ] || user=(--map-root-user)
	source=$(cat "$TREE/.source")
	case $source/ in "$TOP"/*) ;; *) see+=("$source") ;; esac
	# shellcheck disable=SC2016 # of the inner shell
	unshare --mount "${user[@]}" --propagation unchanged sh -ec '
		root=$1 n=$2
		shift 2
		# This fails in a chroot, where / is no mount point.
		mount --make-rprivate / 2>/dev/null || true
		for d in /dev /proc; do mount --rbind "$d" "$root$d"; done
		while [ "$n" -gt 0 ]; do
			mkdir -p "$root$1"
			mount --rbind "$1" "$root$1"
			shift
			n=$((n - 1))
		done
		exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin LC_ALL=C TMPDIR=/tmp "$@"' \
		sh "$BUILD/cross" "${#see[@]}" "${see[@]}" "$@"
}

# headers KVER - that kernel's headers and what they run on this machine, in build/cross
headers() {
	local common

	# linux-headers-7.3.4+deb13-arm64-16k, linux-kbuild-7.3.4+deb13
	common=${1%%-*}
	unpack_packages stock arm64 "$suites" "$BUILD/cross" "linux-headers-$1" \
		"linux-headers-$common-common" "linux-base-$1"
	unpack_packages kernel "$(dpkg --print-architecture)" "$suites" "$BUILD/cross" \
		"linux-kbuild-$common"
	grep -qE 'gcc-14$' "$BUILD/cross/usr/src/linux-headers-$1/.kernelvariables" ||
		die "$1 was not built by gcc-14, which build/cross has"
}

# need_headers KVER
need_headers() {
	"$TOP/scripts/fetch" cross
	[ -e "$BUILD/cross/usr/lib/linux-kbuild-${1%%-*}" ] &&
		[ -e "$BUILD/cross/usr/src/linux-headers-$1/.config" ] ||
		quietly "$BUILD/log/headers.log" "fetch the headers of $1" headers "$1"
}
