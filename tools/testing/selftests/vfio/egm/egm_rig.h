/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device that does DMA in an address space of iommufd.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef EGM_RIG_H
#define EGM_RIG_H

#include "egm_edu.h"
#include "egm_iommufd.h"

/* A device that does DMA, attached to an empty address space. */
struct rig {
	int iommufd;
	uint32_t ioas;
	int edu;
	uint32_t *bar;
};

/* The reason why this machine has no rig, or NULL. */
static inline const char *rig_missing(void)
{
	char pci[32];

	if (!egm_exists("/dev/iommu"))
		return "no /dev/iommu";
	return edu_find(pci, sizeof(pci)) ? NULL : "no edu device";
}

static inline bool rig_up(struct rig *rig)
{
	char pci[32];

	rig->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (rig->iommufd < 0 || !edu_find(pci, sizeof(pci)) || !edu_bind(pci))
		return false;
	rig->edu = vfio_cdev_open(pci);
	if (rig->edu < 0 || ioas_alloc(rig->iommufd, &rig->ioas) ||
	    vfio_cdev_bind(rig->edu, rig->iommufd) ||
	    vfio_cdev_attach(rig->edu, rig->ioas))
		return false;
	rig->bar = edu_enable(rig->edu);
	return rig->bar != MAP_FAILED;
}

static inline void rig_down(struct rig *rig)
{
	/* A mapping of the BAR holds the device, and the device its address space. */
	munmap(rig->bar, EDU_BAR_LEN);
	close(rig->edu);
	close(rig->iommufd);
}

static inline int map_file(struct rig *rig, int fd, uint64_t start, uint64_t iova,
			   uint64_t len)
{
	return ioas_map_file(rig->iommufd, rig->ioas, fd, start, iova, len);
}

static inline int unmap(struct rig *rig, uint64_t iova, uint64_t len)
{
	return ioas_unmap(rig->iommufd, rig->ioas, iova, len);
}

/* Memory of this process, at @iova for the device. */
static inline char *map_beside(struct rig *rig, uint64_t iova)
{
	char *q = mmap(NULL, EGM_BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);

	if (q != MAP_FAILED && ioas_map(rig->iommufd, rig->ioas, q, iova, EGM_BLOCK)) {
		munmap(q, EGM_BLOCK);
		return MAP_FAILED;
	}
	return q;
}

/*
 * Does the device read the mark 0x5a from @iova? 1 if so, 0 if not, -1 on a timeout. @q is two
 * pages of this process, mapped at IOVA @beside. The device's buffer is filled with zeroes from
 * @q before.
 */
static inline int device_reads(struct rig *rig, uint64_t beside, uint64_t iova, char *q)
{
	memset(q, 0, 2 * EDU_DMA_LEN);
	if (!edu_copy(rig->bar, beside, EDU_BUFFER, 0) ||
	    !edu_copy(rig->bar, iova, EDU_BUFFER, 0) ||
	    !edu_copy(rig->bar, EDU_BUFFER, beside + EDU_DMA_LEN, EDU_TO_RAM))
		return -1;
	return q[EDU_DMA_LEN] == 0x5a && q[2 * EDU_DMA_LEN - 1] == 0x5a;
}

#endif /* EGM_RIG_H */
