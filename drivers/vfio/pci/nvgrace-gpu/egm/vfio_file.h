/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef _NVGRACE_EGM_VFIO_FILE_H
#define _NVGRACE_EGM_VFIO_FILE_H

struct nvgrace_egm_ops;

extern const struct nvgrace_egm_ops egm_vfio_file_ops;

#endif /* _NVGRACE_EGM_VFIO_FILE_H */
