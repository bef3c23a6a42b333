/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef _NVGRACE_EGM_IOCTL_H
#define _NVGRACE_EGM_IOCTL_H

#include <linux/poll.h>

struct file;

long egm_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
__poll_t egm_poll(struct file *file, poll_table *wait);

#endif /* _NVGRACE_EGM_IOCTL_H */
