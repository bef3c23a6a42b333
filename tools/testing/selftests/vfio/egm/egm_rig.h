/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a device does by DMA in an address space of iommufd.
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

/* What the machine lacks for it, or NULL. */
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

#endif /* EGM_RIG_H */
