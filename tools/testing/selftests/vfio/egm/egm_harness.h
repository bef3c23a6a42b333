/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kselftest harness with a limit that fits kernels with KASAN and lockdep, under
 * emulation: a region is bound and unbound in each test.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef EGM_HARNESS_H
#define EGM_HARNESS_H

#include "kselftest_harness.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	300

#endif /* EGM_HARNESS_H */
