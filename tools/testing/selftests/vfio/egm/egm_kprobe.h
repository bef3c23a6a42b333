/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Arguments of a kernel function, by a kprobe event.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef EGM_KPROBE_H
#define EGM_KPROBE_H

#include <sys/mount.h>

#include "egm_util.h"

#define TRACEFS		"/sys/kernel/tracing/"

static inline bool kprobe_available(void)
{
	if (!egm_exists(TRACEFS "kprobe_events"))
		mount("none", TRACEFS, "tracefs", 0, NULL);
	return egm_exists(TRACEFS "kprobe_events");
}

/* Start to record calls; @what is a function and arguments in the syntax of kprobe_events. */
static inline bool kprobe_start(const char *what)
{
	char event[256];

	snprintf(event, sizeof(event), "p:egm/call %s", what);
	egm_write(TRACEFS "events/egm/call/enable", "0");
	egm_write(TRACEFS "kprobe_events", "-:egm/call");
	egm_write(TRACEFS "trace", "\n");
	return !egm_write(TRACEFS "kprobe_events", event) &&
	       !egm_write(TRACEFS "events/egm/call/enable", "1");
}

/* End that; how many calls there were, and argument @name of the last one. */
static inline long kprobe_stop(const char *name, unsigned long *value)
{
	char line[512], key[32], *at;
	long count = 0;
	FILE *f;

	egm_write(TRACEFS "events/egm/call/enable", "0");
	snprintf(key, sizeof(key), " %s=", name);
	f = fopen(TRACEFS "trace", "r");
	while (f && fgets(line, sizeof(line), f)) {
		at = strstr(line, key);
		if (!at || line[0] == '#')
			continue;
		*value = strtoul(at + strlen(key), NULL, 0);
		count++;
	}
	if (f)
		fclose(f);
	egm_write(TRACEFS "kprobe_events", "-:egm/call");
	return count;
}

#endif /* EGM_KPROBE_H */
