# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Shared by the scripts in scripts/: paths, messages, long commands, kbuild. Source it, do not
# run it.

set -euo pipefail
export LC_ALL=C
# A kernel tool run from the link tree must not leave bytecode in the source.
export PYTHONDONTWRITEBYTECODE=1

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=$TOP/build
TREE=$BUILD/tree
JOBS=${JOBS:-$(nproc)}
PROFILES="4k 64k debug kcsan coverage"
# Those of Debian, which are not built.
STOCK_PROFILES="stock stock16k"
DRIVER=drivers/vfio/pci/nvgrace-gpu
SELFTESTS=tools/testing/selftests/vfio/egm
export TOP BUILD TREE JOBS PROFILES STOCK_PROFILES DRIVER SELFTESTS

say()  { printf '==> %s\n' "$*"; }
warn() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die()  { warn "$@"; exit 1; }

# use_tree - until this script ends, scripts/mutants does not put a broken driver into build/tree.
# A script that scripts/mutants runs does not call for that.
use_tree() {
	local lock

	[ -z "${MUTANTS_TREE:-}" ] || return 0
	mkdir -p "$BUILD"
	exec {lock}>>"$BUILD/tree.lock"
	flock -sn "$lock" ||
		die "scripts/mutants has a broken driver in build/tree: wait for its end"
}

# quietly LOG TEXT COMMAND... - run COMMAND with its output in LOG. Print a dot every ten seconds,
# which tells a long build from a hang. On failure print the end of LOG.
quietly() {
	local log=$1 text=$2 start=$SECONDS ticker dots rc

	shift 2
	mkdir -p "$(dirname "$log")"
	printf '==> %s ' "$text"
	# The process that prints dots ends when this script closes the pipe or dies. A sleep
	# would outlive the script, and hold its output open.
	exec {ticker}> >(while read -rt 10 || [ $? -gt 128 ]; do printf .; done)
	dots=$!
	# In the foreground, where Ctrl-C ends the command.
	set +e
	(
		exec {ticker}>&-
		set -e
		"$@"
	) >"$log" 2>&1 </dev/null
	rc=$?
	set -e
	exec {ticker}>&-
	wait "$dots" || true
	if [ "$rc" -ne 0 ]; then
		printf ' failed (%d), the end of %s:\n' "$rc" "$log"
		tail -n 40 "$log"
		return "$rc"
	fi
	printf ' %d s\n' $((SECONDS - start))
}

# cross_make SOURCE OUT ARCH COMPILER WORDS... - kbuild's make, with gcc or clang
cross_make() {
	local words=(-C "$1" "O=$2" "ARCH=$3" --no-print-directory "-j$JOBS")

	case $4:$3 in
	clang:*) words+=(LLVM=-19) ;;
	gcc:arm64) words+=(CROSS_COMPILE=aarch64-linux-gnu-) ;;
	esac
	shift 4
	make "${words[@]}" "$@"
}

# survives FRAGMENT CONFIG BUT - CONFIG has each line of FRAGMENT that does not match BUT
survives() {
	local line

	sed -nE '/^(# )?CONFIG_.*(=| is not set$)/p' "$1" | sed -E "/$3/d" | while read -r line; do
		case $line in
		# The option is absent if a dependency is.
		'# '*) grep -q "^$(echo "$line" | cut -d ' ' -f 2)=" "$2" || continue ;;
		*) if grep -qxF "$line" "$2"; then continue; fi ;;
		esac
		echo "this kernel does not accept $line"
		exit 1
	done
}

# configure_kernel OUT FRAGMENT BUT MAKE... - tinyconfig plus the fragment in OUT, by
# MAKE.... It is an error if olddefconfig drops a line that does not match BUT: the kernel would
# silently test less.
configure_kernel() {
	local out=$1

	mkdir -p "$out"
	"${@:4}" tinyconfig || return 1
	add_fragment "$@"
}

# add_fragment OUT FRAGMENT BUT MAKE... - add the fragment to the configuration in OUT
add_fragment() {
	local out=$1 fragment=$2 but=$3

	shift 3
	cat "$fragment" >>"$out/.config"
	"$@" olddefconfig || return 1
	survives "$fragment" "$out/.config" "$but"
}

# all_built SOURCE OUT - OUT has an object for each source of the driver
all_built() {
	local f

	for f in "$1/$DRIVER"/egm_*.c "$1/$DRIVER/egm"/*.c; do
		[ -e "$f" ] || continue
		f=${f#"$1/"}
		[ -e "$2/${f%.c}.o" ] || { echo "$f was not built"; return 1; }
	done
}

# unpack_debs DEST FILE... - unpack, and do not install, packages into DEST
unpack_debs() {
	local dest=$1 deb

	shift
	for deb in "$@"; do
		# dpkg -x would put a folder in the place of a link such as /lib.
		dpkg --fsys-tarfile "$deb" | tar -C "$dest" -x --keep-directory-symlink
	done
}

# unpack_packages NAME ARCH "SUITES" DEST PACKAGE[=VERSION]... - unpack these packages, without
# their dependencies, into DEST
unpack_packages() {
	local name=$1 arch=$2 suites=$3 dest=$4 deb=$4.deb

	shift 4
	rm -rf "$deb"
	mkdir -p "$deb" "$dest"
	(cd "$deb" && "$TOP/scripts/apt-private" "$name" "$arch" "$suites" apt-get download "$@")
	unpack_debs "$dest" "$deb"/*.deb
	rm -rf "$deb"
}

# unpack_closure NAME ARCH "SUITES" DEST PACKAGE... - unpack, and do not install, packages with
# their dependencies into DEST.tmp.
unpack_closure() {
	local name=$1 arch=$2 suites=$3 dest=$4

	shift 4
	# The packages of an ended run can be of another version.
	rm -f "$BUILD/apt/$name/cache/archives"/*.deb
	"$TOP/scripts/apt-private" "$name" "$arch" "$suites" apt-get -y \
		--download-only install "$@"
	mkdir -p "$dest.tmp/usr"/{bin,lib,sbin}
	for d in bin lib sbin; do ln -sfn "usr/$d" "$dest.tmp/$d"; done
	unpack_debs "$dest.tmp" "$BUILD/apt/$name/cache/archives"/*.deb
	rm -f "$BUILD/apt/$name/cache/archives"/*.deb
}

# unpack_kernel NAME "SUITES" PACKAGE[=VERSION] WORK - linux-source-7.x, in WORK/linux
unpack_kernel() {
	local work=$4 package=${3%%=*}

	rm -rf "$work"/{pkg,linux}
	mkdir -p "$work/linux"
	unpack_packages "$1" "$(dpkg --print-architecture)" "$2" "$work/pkg" "$3"
	tar -C "$work/linux" --strip-components=1 -xf "$work/pkg/usr/src/$package.tar.xz"
	rm -rf "$work/pkg"
}

# compile_fragment HOW FILE... - print scripts/config/FILE..., and our options as HOW, m or y
compile_fragment() {
	local how=$1 f

	shift
	for f in "$@"; do cat "$TOP/scripts/config/$f"; done
	for f in VFIO_PCI NVGRACE_GPU_VFIO_PCI NVGRACE_EGM NVGRACE_EGM_KUNIT_TEST; do
		echo "CONFIG_$f=$how"
	done
}

# The name of the running Debian release.
debian_release() { (. /etc/os-release && printf '%s' "${VERSION_CODENAME:?}"); }
