# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The kselftests, for a kernel whose uapi headers are in OUT/usr/include: source it after
# common.sh.

# make_selftests FOLDER OUT DEST RUN... - the kselftests of a folder, static, as the root file
# system has no libraries for them. RUN is what a command is started with: nothing for the cross
# compiler of this machine.
make_selftests() {
	local folder=$1 out=$2 dest=$3

	shift 3
	mkdir -p "$dest"
	# The modules are built elsewhere: lib.mk would build them for this machine's kernel.
	# selfdir: the makefiles would follow a link of the tree to upstream's library.
	"$@" make -C "$TREE/$folder" TEST_GEN_MODS_DIR= ARCH=arm64 CC=aarch64-linux-gnu-gcc \
		OUTPUT="$dest" KHDR_INCLUDES="-isystem $out/usr/include" top_srcdir="$TREE" \
		selfdir="$TREE/tools/testing/selftests" \
		EXTRA_CFLAGS="-static -isystem $BUILD/uuid/include -L$BUILD/uuid" -j"$JOBS"
}

# build_selftests OUT RUN... - into OUT/egm-tests
build_selftests() {
	local out=$1 tests=$1/egm-tests

	shift
	make_selftests "$SELFTESTS" "$out" "$tests" "$@"
	make_selftests "$(dirname "$SELFTESTS")" "$out" "$tests/vfio" "$@"
	# The kernel's own test of PFN mappings, which takes any file; mm's makefile
	# would build all its neighbours, and look for their libraries.
	"$@" aarch64-linux-gnu-gcc -static -O2 -D_GNU_SOURCE= -I"$TREE/tools/testing/selftests" \
		-isystem "$out/usr/include" "$TREE/tools/testing/selftests/mm/pfnmap.c" \
		"$TREE/tools/testing/selftests/mm/vm_util.c" -o "$tests/pfnmap"
	cp "$TREE/tools/testing/selftests/kselftest/ktap_helpers.sh" "$tests/"
	# A test compares its results with this table.
	cp "$TOP/Documentation/userspace-api/nvgrace-egm-operations.csv" "$tests/"
	# Tests run these.
	cp "$TOP"/tools/egm/{lsegm,egm-report} "$TOP/Documentation/admin-guide/nvgrace-egm.rst" "$tests/"
}
