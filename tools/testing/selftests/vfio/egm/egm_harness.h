/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kselftest harness with a limit that fits kernels with KASAN and lockdep, under
 * emulation: a region is bound and unbound in each test. A machine without EGM skips
 * each program as a whole.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef EGM_HARNESS_H
#define EGM_HARNESS_H

#include "kselftest_harness.h"
#include "egm_driver.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	300

/* A region that an earlier test has left unbound is there by its auxiliary device. */
static void __attribute__((constructor)) egm_skip_without_region(void)
{
	char device[PATH_MAX];

	snprintf(device, sizeof(device), "/sys/bus/auxiliary/devices/%s", egm_adev());
	if (egm_exists(egm_node()) || egm_exists(device))
		return;
	ksft_print_header();
	ksft_exit_skip("no EGM region at %s\n", egm_node());
}

#endif /* EGM_HARNESS_H */
