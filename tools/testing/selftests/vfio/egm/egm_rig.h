/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An edu device that does DMA in an address space, by the library one folder up. The helpers
 * that take a file or return an errno are for the mode "iommufd".
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef EGM_RIG_H
#define EGM_RIG_H

#include <libvfio.h>

#include "egm_edu.h"
#include "egm_iommufd.h"

#define EDU_DMA_LEN	EDU_BUFFER_SIZE

struct rig {
	struct iommu *iommu;
	struct vfio_pci_device *edu;
	void *bar;
};

/* The part that the machine lacks for a mode, or NULL. */
static inline const char *rig_missing(const char *iommu_mode)
{
	char pci[32];

	if (strstr(iommu_mode, MODE_IOMMUFD) && iommufd_missing())
		return iommufd_missing();
	return edu_find(pci, sizeof(pci)) ? NULL : "no edu device";
}

/* Attach the device to an empty address space. A step that fails ends the process. */
static inline void rig_up(struct rig *rig, const char *iommu_mode)
{
	/* State of the device's driver, which does no DMA to it. */
	static char pci[32], state[64];

	VFIO_ASSERT_TRUE(edu_find(pci, sizeof(pci)) && edu_bind(pci));
	rig->iommu = iommu_init(iommu_mode);
	rig->edu = vfio_pci_device_init(pci, rig->iommu);
	rig->edu->driver.region.vaddr = state;
	rig->edu->driver.region.size = sizeof(state);
	vfio_pci_driver_init(rig->edu);
	rig->bar = rig->edu->bars[0].vaddr;
}

static inline void rig_down(struct rig *rig)
{
	vfio_pci_device_cleanup(rig->edu);
	iommu_cleanup(rig->iommu);
}

static inline int rig_attach(struct rig *rig, uint32_t ioas)
{
	struct vfio_device_attach_iommufd_pt attach = {
		.argsz = sizeof(attach), .pt_id = ioas,
	};

	return ioctl(rig->edu->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach) ? errno : 0;
}

static inline int map_file(struct rig *rig, int fd, uint64_t start, uint64_t iova,
			   uint64_t len)
{
	return ioas_map_file(rig->iommu->iommufd, rig->iommu->ioas_id, fd, start, iova, len);
}

static inline int map_file_read_only(struct rig *rig, int fd, uint64_t start, uint64_t iova,
				     uint64_t len)
{
	return ioas_map_file_flags(rig->iommu->iommufd, rig->iommu->ioas_id, fd, start, iova, len,
				   IOAS_MAP_RO);
}

static inline int map_memory(struct rig *rig, void *p, uint64_t iova, uint64_t len)
{
	return ioas_map(rig->iommu->iommufd, rig->iommu->ioas_id, p, iova, len);
}

static inline int unmap(struct rig *rig, uint64_t iova, uint64_t len)
{
	return ioas_unmap(rig->iommu->iommufd, rig->iommu->ioas_id, iova, len);
}

static inline void edu_fill(char *p)
{
	size_t i;

	for (i = 0; i < EDU_DMA_LEN; i++)
		p[i] = i * 7 + 1;
}

/* Fill @from, let the device copy it to @to; both in @p, which is at IOVA 0. */
static inline bool edu_copied(struct rig *rig, char *p, size_t from, size_t to)
{
	edu_fill(p + from);
	return !vfio_pci_driver_memcpy(rig->edu, from, to, EDU_DMA_LEN) &&
	       !memcmp(p + from, p + to, EDU_DMA_LEN);
}

/* Memory of this process, at @iova for the device. */
static inline char *map_beside(struct rig *rig, uint64_t iova)
{
	char *q = mmap(NULL, EGM_BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);

	if (q != MAP_FAILED && map_memory(rig, q, iova, EGM_BLOCK)) {
		munmap(q, EGM_BLOCK);
		return MAP_FAILED;
	}
	return q;
}

/*
 * Does the device get the mark 0x5a from @iova? 1 if so, 0 if not, -1 if it does not come to
 * an end. Its buffer has zeroes from @beside before, which is @q, of two pages, for this
 * process.
 */
static inline int device_reads(struct rig *rig, uint64_t beside, uint64_t iova, char *q)
{
	memset(q, 0, 2 * EDU_DMA_LEN);
	if (!edu_dma_read(rig->bar, beside, EDU_DMA_LEN) ||
	    !edu_dma_read(rig->bar, iova, EDU_DMA_LEN) ||
	    !edu_dma_write(rig->bar, beside + EDU_DMA_LEN, EDU_DMA_LEN))
		return -1;
	return q[EDU_DMA_LEN] == 0x5a && q[2 * EDU_DMA_LEN - 1] == 0x5a;
}

#endif /* EGM_RIG_H */
