/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef _NVGRACE_EGM_VFIO_FILE_H
#define _NVGRACE_EGM_VFIO_FILE_H

struct egm_region;
struct nvgrace_egm_info;

void egm_vfio_file_offer(struct nvgrace_egm_info *info, struct egm_region *region);
void egm_vfio_file_withdraw(struct nvgrace_egm_info *info);

#endif /* _NVGRACE_EGM_VFIO_FILE_H */
