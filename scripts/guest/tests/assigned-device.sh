#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# needs: iommufd
# A guest with a device assigned, its RAM on EGM: through iommufd and through type1, DMA all
# over its RAM, reset, hot-unplug and hot-plug; two guests on one region; both QEMUs.
. /egm/bin/tap.sh
. /egm/bin/host.sh
. /egm/bin/console.sh
plan 24

edu=0000:00:1d.0
to_vfio_pci $edu

# start NAME WORDS... - a guest that does DMA, with a monitor
start() { DEVICE=$edu REBOOT=1 start_monitored "$@"; }

# dma_right NAME COUNT - that many rounds of DMA were right
dma_right() { wait_says "$1" 'dma: 16 of 16 pages right' "$2"; }

dma_again() { tell "$1" dma; dma_right "$1" "$2"; }

reset() { hmp "$1" system_reset && dma_right "$1" "$2"; }

# replug NAME WORDS COUNT - hot-unplug the device, plug it again; DMA is right for the COUNT-th time
replug() {
	hmp "$1" 'device_del dev0' || return 1
	sleep 10
	tell "$1" dma
	wait_says "$1" 'dma: no device' || return 1
	hmp "$1" "device_add vfio-pci,host=$edu,id=dev0,bus=port0$2" || return 1
	# The guest needs some time to find the device.
	for _ in 1 2 3 4 5 6; do
		tell "$1" dma
		sleep 10
		! says "$1" 'dma: 16 of 16 pages right' "$3" || return 0
	done
	return 1
}

# whole NAME PLUG - the checks of iommufd and of type1; PLUG is more words for device_add
whole() {
	start "$1" dma egm4=256M egm5=256M
	check "$1: DMA all over the RAM on two regions" dma_right "$1" 1
	check "$1: another file cannot map the memory: EBUSY" busy egm4 0 0x200000
	check "$1: DMA after system_reset" reset "$1" 2
	check "$1: DMA after hot-unplug and hot-plug" replug "$1" "$2" 3
	check "$1: the guest powers off and QEMU exits with 0" end_guest "$1"
	start "$1" dma egm4=256M
	check "$1: DMA all over the RAM on one region" dma_right "$1" 1
	kill_guest
	check "$1: the region is zero after QEMU is killed" /egm/tests/egm_poke /dev/egm4 zero 0 0
}

whole iommufd ,iommufd=iommufd0
TYPE1=1 whole type1 ''

start first dma egm4=256M
check "a guest on the lower half does DMA" dma_right first 1
first=$guest
start_guest second boot egm4=256M@256M
check "a second guest runs on the upper half" wait_says second 'switching off'
wait "$guest"
guest=$first
end_guest first

QEMU=10.0 start old dma egm4=256M
check "the guest of QEMU 10.0, which maps by address, does DMA through iommufd" dma_right old 1
check "the guest of QEMU 10.0 powers off" end_guest old

# Unbind zaps the mappings of the guest and of the device.
start loop dmaloop egm4=256M
check "a guest does DMA without end" dma_right loop 2
egm_unbind egm4
check "unbind does not wait for the guest" nodes_are egm5
noticed() { guest_gone || grep -aqi 'kvm run failed\|bad address' /tmp/loop; }
check "QEMU exits or the guest stops after unbind" wait_until 60 noticed
kill_guest
check "the kernel logged no warning" kernel_is_quiet
egm_bind egm4
check "the region is bound again" nodes_are egm4 egm5
check "the region is zero after bind" /egm/tests/egm_poke /dev/egm4 zero 0 0
done_testing
