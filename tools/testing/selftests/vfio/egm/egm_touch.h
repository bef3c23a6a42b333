/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Accesses that may raise a signal, and the code and address of the signal.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef EGM_TOUCH_H
#define EGM_TOUCH_H

#include <setjmp.h>
#include <signal.h>

#include "egm_util.h"

/* Of the last signal. */
static int egm_bus_code;
static void *egm_bus_addr;

/* The point to continue at after a signal; NULL outside an access of egm_touch(). */
static sigjmp_buf *egm_touch_back;

static inline void egm_on_signal(int sig, siginfo_t *info, void *context)
{
	(void)context;
	egm_bus_code = info->si_code;
	egm_bus_addr = info->si_addr;
	/* The early notice of a bad page has nothing to do with an access. */
	if (egm_touch_back && info->si_code != BUS_MCEERR_AO)
		siglongjmp(*egm_touch_back, 1);
	/* Not an access of egm_touch(): the access is repeated, and its signal ends the program. */
	if (info->si_code != BUS_MCEERR_AO && info->si_code != BUS_MCEERR_AR)
		signal(sig, SIG_DFL);
}

/* Record SIGBUS, until the caller restores @old with sigaction(). */
static inline void egm_note_bus(struct sigaction *old)
{
	struct sigaction action = { .sa_sigaction = egm_on_signal, .sa_flags = SA_SIGINFO };

	egm_bus_code = 0;
	egm_bus_addr = NULL;
	sigaction(SIGBUS, &action, old);
}

/* Read (and, with @value not 0, write) a byte: 0, or the si_code of the SIGBUS. */
static inline int egm_touch(char *p, char value)
{
	struct sigaction old;
	sigjmp_buf back;
	int code = 0;

	egm_note_bus(&old);
	if (sigsetjmp(back, 1)) {
		code = egm_bus_code;
	} else {
		egm_touch_back = &back;
		/* The compiler may not drop, merge or move either access. */
		asm volatile("" : : : "memory");
		asm volatile("" : : "r" (*p) : "memory");
		if (value)
			*p = value;
		asm volatile("" : : : "memory");
	}
	egm_touch_back = NULL;
	sigaction(SIGBUS, &old, NULL);
	return code;
}

#endif /* EGM_TOUCH_H */
