#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: gpu-memory
# GPUs with memory of their own. The region of the second socket overlaps the memory of a GPU of
# the first: the driver refuses this region in either order of bind, and binds each GPU.
. /egm/bin/tap.sh
. /egm/bin/host.sh
plan 6
check "only the region apart from GPU memory has a node" nodes_are egm4
check "a region over GPU memory is refused" said 0000:00:12.0 'overlaps the memory of a GPU'
check "the GPU of the refused region is bound" bound 0000:00:12.0
egm-gpu unbind 0000:00:10.0 0000:00:11.0 0000:00:12.0
egm-gpu bind 0000:00:12.0
check "a region over GPU memory is refused also if its GPU binds first" nodes_are
egm-gpu bind 0000:00:10.0 0000:00:11.0
check "the good region has its node again" nodes_are egm4
selftest "iommufd" egm_iommufd_test
done_testing
