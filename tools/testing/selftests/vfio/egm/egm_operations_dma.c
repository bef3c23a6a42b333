// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of a file for devices.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "egm_operations.h"
#include "egm_rig.h"

/* Above the window for interrupts. */
#define IOVA		(4UL << 30)

/* Limit the memory that this process can lock to one page. */
static void limit_locked_memory(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct rlimit limit = { };
	struct __user_cap_data_struct data[2];

	limit.rlim_cur = sysconf(_SC_PAGESIZE);
	limit.rlim_max = limit.rlim_cur;
	if (setrlimit(RLIMIT_MEMLOCK, &limit) || syscall(SYS_capget, &head, data))
		op_give_up("capget");
	data[0].effective &= ~(1U << CAP_IPC_LOCK);
	if (syscall(SYS_capset, &head, data))
		op_give_up("capset");
}

static const char *limited(int err)
{
	if (err == ENOMEM)
		return "counted";
	return err ? op_answer(err) : "not counted";
}

static const char *iommufd_file(const struct memory *m, int arg)
{
	struct rig rig;

	op_map(m);
	rig_up(&rig, MODE_IOMMUFD);
	return op_answer(map_file(&rig, m->fd, 0, IOVA, m->len));
}

static const char *map_address(const struct memory *m, const char *iommu_mode, bool limit)
{
	struct dma_region region = { .vaddr = op_map(m), .iova = IOVA, .size = m->len };
	struct rig rig;
	int err;

	rig_up(&rig, iommu_mode);
	if (limit)
		limit_locked_memory();
	err = -__iommu_map(rig.iommu, &region);
	return limit ? limited(err) : op_answer(err);
}

static const char *iommufd_address(const struct memory *m, int limit)
{
	return map_address(m, MODE_IOMMUFD, limit);
}

static const char *type1(const struct memory *m, int limit)
{
	return map_address(m, MODE_VFIO_TYPE1V2_IOMMU, limit);
}

const struct operation dma_operations[] = {
	{ "iommufd, IOMMU_IOAS_MAP_FILE", iommufd_file },
	{ "iommufd, IOMMU_IOAS_MAP", iommufd_address },
	{ "iommufd, IOMMU_IOAS_MAP, RLIMIT_MEMLOCK", iommufd_address, true },
	{ "VFIO type1", type1 },
	{ "VFIO type1, RLIMIT_MEMLOCK", type1, true },
	{ }
};
