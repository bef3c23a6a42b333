/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Find QEMU's edu device and bind it to vfio-pci. Its registers and its driver are in
 * ../lib/drivers/edu; the library leaves binding to ../scripts/setup.sh.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef EGM_EDU_H
#define EGM_EDU_H

#include <dirent.h>

#include "egm_util.h"
#include "../lib/drivers/edu/edu.h"

#define EDU_PCI_DEVICES	"/sys/bus/pci/devices"
#define EDU_IDS		"0x1234:0x11e8"

/* The PCI address of the machine's edu; false if there is none. */
static inline bool edu_find(char *pci, size_t len)
{
	char path[PATH_MAX], vendor[16], device[16], ids[40];
	struct dirent *d;
	DIR *dir = opendir(EDU_PCI_DEVICES);
	bool found = false;

	while (dir && !found && (d = readdir(dir))) {
		snprintf(path, sizeof(path), EDU_PCI_DEVICES "/%.20s/vendor", d->d_name);
		egm_read_line(path, vendor, sizeof(vendor));
		snprintf(path, sizeof(path), EDU_PCI_DEVICES "/%.20s/device", d->d_name);
		egm_read_line(path, device, sizeof(device));
		snprintf(ids, sizeof(ids), "%s:%s", vendor, device);
		found = !strcmp(ids, EDU_IDS);
		if (found)
			snprintf(pci, len, "%.20s", d->d_name);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* Bind the device to vfio-pci, unless it is bound. */
static inline bool edu_bind(const char *pci)
{
	char path[PATH_MAX];

	if (system("modprobe vfio-pci"))
		return false;
	/* A softdep of vfio, which not every modprobe follows. Without the module egm_dma fails. */
	if (system("modprobe -q vfio_iommu_type1"))
		fprintf(stderr, "# no vfio_iommu_type1\n");
	snprintf(path, sizeof(path), EDU_PCI_DEVICES "/%s/driver_override", pci);
	egm_write(path, "vfio-pci");
	egm_write("/sys/bus/pci/drivers_probe", pci);
	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/vfio-pci/%s", pci);
	return egm_exists(path);
}

#endif /* EGM_EDU_H */
