#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: gpu-memory
# A GPU with memory has other vfio operations than one without; EGM is a region of both.
. /egm/bin/tap.sh
. /egm/bin/host.sh
plan 3
check "the node is there" nodes_are egm4
selftest "the region of the vfio device" egm_vfio_region_test
selftest "iommufd" egm_iommufd_test
done_testing
