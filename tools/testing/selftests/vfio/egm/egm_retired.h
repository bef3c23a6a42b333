/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by the tests of retired pages: the list, and pages that are made bad through
 * hard_offline_page.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef EGM_RETIRED_H
#define EGM_RETIRED_H

#include <linux/egm.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "egm_driver.h"
#include "egm_touch.h"

#define INJECT		"/sys/devices/system/memory/hard_offline_page"
#define FORGET_MODULE	"/egm/tests/egm_forget.ko"
#define MAX_PAGES	64

struct list {
	struct egm_retired_pages_list head;
	struct egm_retired_page pages[MAX_PAGES];
};

/* Report a page as bad; a SIGBUS to this process sets egm_bus_code and egm_bus_addr. */
static inline int inject(uint64_t offset)
{
	struct sigaction old;
	char word[32];
	int ret;

	snprintf(word, sizeof(word), "%#llx", (unsigned long long)(egm_base() + offset));
	egm_note_bus(&old);
	ret = egm_write(INJECT, word);
	sigaction(SIGBUS, &old, NULL);
	return ret;
}

/* Touch the page until it raises SIGBUS: a worker unmaps it some time after the report. */
static inline int touch_until_blocked(char *p)
{
	int i, code = 0;

	for (i = 0; i < 3000 && !code; i++) {
		code = egm_touch(p, 0);
		if (!code)
			usleep(1000);
	}
	return code;
}

static inline int get_list(int fd, struct list *l)
{
	memset(l, 0xee, sizeof(*l));
	l->head.argsz = sizeof(*l);
	return ioctl(fd, EGM_RETIRED_PAGES_LIST, l) ? errno : 0;
}

static inline int64_t bytes_retired(void)
{
	return egm_read_number(egm_attr("retired_bytes"));
}

/*
 * Clear the list of the pages that a test made bad: the driver does not zero a page on the list,
 * and its module cannot be unloaded. The test must have closed all its files. egm_forget.ko never
 * stays loaded.
 */
static inline bool forget_bad_pages(void)
{
	int fd, err;

	if (!egm_bind_again())
		return false;
	if (!bytes_retired())
		return true;
	fd = open(FORGET_MODULE, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || egm_adev_unbind())
		return false;
	err = syscall(SYS_finit_module, fd, "", 0) ? errno : 0;
	close(fd);
	return err == ECANCELED && egm_bind_again() && !bytes_retired();
}

/* Page size and a mapping of a region without bad pages of earlier tests. */
struct fresh {
	int fd;
	size_t page;
	char *p;
	size_t len;
};

/* The region, its first blocks mapped; false if that fails, or there are bad pages. */
static inline bool make_fresh(struct fresh *f)
{
	struct list l;

	f->page = sysconf(_SC_PAGESIZE);
	f->len = 8 * EGM_BLOCK;
	if (!forget_bad_pages())
		return false;
	f->fd = egm_open();
	if (f->fd < 0 || get_list(f->fd, &l) || l.head.count)
		return false;
	f->p = egm_map(f->fd, 0, f->len);
	return f->p != MAP_FAILED;
}

#endif /* EGM_RETIRED_H */
