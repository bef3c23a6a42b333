#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# scenario: gpu-memory
# GPUs with memory of their own. The region of the second socket overlaps that of a GPU of
# the first: it is refused whoever binds first, and each GPU can be assigned.
. /egm/bin/tap.sh
. /egm/bin/host.sh
plan 6
check "only the region apart from GPU memory has a node" nodes_are egm4
check "the other one is refused" said 0000:00:12.0 'overlaps the memory of a GPU'
check "its GPU is bound" bound 0000:00:12.0
egm-gpu unbind 0000:00:10.0 0000:00:11.0 0000:00:12.0
egm-gpu bind 0000:00:12.0
check "it is refused also if it comes first" nodes_are
egm-gpu bind 0000:00:10.0 0000:00:11.0
check "the good one comes back" nodes_are egm4
selftest "iommufd" egm_iommufd_test
done_testing
