# SPDX-License-Identifier: GPL-2.0-only
#
# Everything here starts a script in scripts/; `make help` says what there is.

PROFILE ?= 4k
export KDIR KVER

# Of the demo: Debian's own kernel, or the kernel with all changes, which is built. A profile or a
# kernel source in the command asks for the second.
ifneq ($(KDIR)$(filter command,$(origin PROFILE)),)
KERNEL ?= ours
endif
KERNEL ?= stock
ifeq ($(filter stock ours,$(KERNEL)),)
$(error KERNEL is stock or ours, not $(KERNEL))
endif

.DEFAULT_GOAL := help
.PHONY: help deps deps-check deps-demo deps-series source fetch tree build stock demo shell test check mutants bench coverage modules deb hardware-report series series-check clean

help: ## say what there is
	@echo 'make TARGET [PROFILE=4k|64k|debug|kcsan|stock|stock16k] [TESTS=NAME...]'
	@echo '     [KDIR=/path/to/linux]'
	@echo
	@sed -n 's/^\([a-z-]*\):.*## /  \1\t/p' Makefile | expand -t 16
	@echo
	@echo 'PROFILE  4k: 4 KiB pages (default); 64k: 64 KiB pages; debug: 4 KiB pages,'
	@echo '         KASAN, UBSAN, lockdep, kmemleak, fault injection; kcsan: 4 KiB pages,'
	@echo '         KCSAN; stock: the kernel that Debian has, with the two modules built for'
	@echo '         it; stock16k: the same with 16 KiB pages'
	@echo 'TESTS    names of tests, or how they begin; scripts/test says which there are'
	@echo 'CHECKS   the same of make check and scripts/check'
	@echo 'KERNEL   of make demo: stock (default) is as in PROFILE, ours is the kernel of PROFILE'
	@echo 'KVER     of make modules and of PROFILE=stock: a kernel of Debian in place of the newest'
	@echo '         7.3, such as 7.2.12+deb13-arm64 or 7.3.4+deb13-rt-arm64'
	@echo 'MEASURE  of make hardware-report: a region to measure, such as egm4'
	@echo 'KDIR     a kernel source to use in place of the one from Debian; only read'

deps:
	@scripts/deps build

deps-check:
	@scripts/deps check

deps-demo:
	@scripts/deps demo

deps-series:
	@scripts/deps series

source: deps
	@$(if $(KDIR),,scripts/fetch kernel)

fetch: source ## fetch kernel source, firmware, QEMU and root file system into build/
	@scripts/fetch qemu firmware rootfs uuid

tree: source ## lay the driver over the kernel source, in build/tree
	@scripts/overlay

build: fetch tree ## build kernel, modules and tests of PROFILE
	@scripts/kbuild $(PROFILE)

stock: deps-demo ## fetch Debian's own kernel, build the two modules for it
	@$(if $(KDIR),,scripts/fetch kernel)
	@scripts/fetch qemu firmware rootfs cross
	@scripts/overlay
	@scripts/stock stock demo

demo: $(if $(filter ours,$(KERNEL)),build,stock) ## boot an emulated Grace and a KVM guest on its EGM memory
	@scripts/demo $(if $(filter ours,$(KERNEL)),$(PROFILE),stock)

shell: build ## an interactive shell in the emulated Grace, modules loaded
	@scripts/vm --profile $(PROFILE) --shell

test: deps-check build ## static checks, KUnit and kselftests in the emulated Grace
	@scripts/test $(PROFILE) $(TESTS)

check: deps-check tree ## sparse, coccinelle, W=1 with gcc and clang, kconfig, pylint, spin
	@scripts/fetch sparse herd
	@scripts/check $(CHECKS)

mutants: build ## break the driver in each way a test must notice, and see it noticed
	@scripts/mutants $(PROFILE)

bench: build ## measure the driver beside hugetlbfs, THP and the plain way
	@scripts/bench $(PROFILE)

coverage: ## which lines of the driver the tests run, and why not the others
	@$(MAKE) --no-print-directory build PROFILE=coverage
	@scripts/coverage

modules: deps-demo ## build the two modules for the kernel KVER of Debian, in build/modules
	@$(if $(KDIR),,scripts/fetch kernel)
	@scripts/overlay
	@scripts/modules $(KVER)

deb: deps-demo ## build a package of the driver's sources for DKMS, in build/deb
	@$(if $(KDIR),,scripts/fetch kernel)
	@scripts/overlay
	@scripts/package

hardware-report: ## describe the EGM of this machine, a Grace, in build/hardware-report.txt
	@mkdir -p build
	@tools/egm/egm-report $(if $(MEASURE),--measure $(MEASURE)) >build/hardware-report.txt
	@echo '==> build/hardware-report.txt'

series: source ## the repository as series of patches on the kernel source (or KDIR)
	@scripts/series

series-check: deps-series tree source ## build each patch of each series, check each
	@scripts/series --draft
	@scripts/series-check

clean: ## remove build/
	rm -rf build
