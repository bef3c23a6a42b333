// SPDX-License-Identifier: GPL-2.0-only
/*
 * Trace events have the range of system physical addresses that something happened to.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include "egm_harness.h"
#include "egm_retired.h"

#define AT	(5 * EGM_BLOCK)

FIXTURE(trace) {
	const char *folder;
	uint64_t base;
	int workers;
	int fd;
	char *p;
};

static int switch_events(const char *folder, const char *on)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/events/nvgrace_egm/enable", folder);
	return egm_write(path, on);
}

/* An open() that truncates the file clears the buffer. */
static bool drop_events(const char *folder)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/trace", folder);
	return !close(open(path, O_WRONLY | O_TRUNC));
}

FIXTURE_SETUP(trace)
{
	self->folder = egm_exists("/sys/kernel/tracing/trace") ? "/sys/kernel/tracing" :
		       "/sys/kernel/debug/tracing";
	ASSERT_TRUE(egm_bind_again());
	if (switch_events(self->folder, "1"))
		SKIP(return, "the kernel lacks trace events of nvgrace-egm");
	self->workers = egm_workers();
	egm_set_workers(0);
	self->base = egm_base();
	/* Each block of a region that was just bound is dirty. */
	ASSERT_EQ(0, egm_adev_unbind());
	ASSERT_EQ(0, egm_adev_bind());
	ASSERT_TRUE(drop_events(self->folder));
	self->fd = egm_open();
	self->p = egm_map(self->fd, AT, EGM_BLOCK);
	ASSERT_NE(MAP_FAILED, self->p);
}

FIXTURE_TEARDOWN_PARENT(trace)
{
	switch_events(self->folder, "0");
	egm_set_workers(self->workers);
	EXPECT_TRUE(forget_bad_pages());
}

/* How many events of the name have this range of the region? */
static int events(const char *folder, uint64_t base, const char *name, uint64_t offset,
		  uint64_t len)
{
	char path[PATH_MAX], line[512], want[128];
	int n = 0;
	FILE *f;

	snprintf(want, sizeof(want), "%s: [mem 0x%08llx-0x%08llx]", name,
		 (unsigned long long)(base + offset),
		 (unsigned long long)(base + offset + len - 1));
	snprintf(path, sizeof(path), "%s/trace", folder);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		n += !!strstr(line, want);
	if (f)
		fclose(f);
	return n;
}

#define EXPECT_EVENTS(n, name, offset, len) \
	EXPECT_EQ(n, events(self->folder, self->base, name, offset, len))

TEST_F(trace, mmap_touch_and_close_have_the_block)
{
	EXPECT_EVENTS(1, "egm_reserve", AT, EGM_BLOCK);
	EXPECT_EVENTS(0, "egm_zero", AT, EGM_BLOCK);
	self->p[0] = 1;
	EXPECT_EVENTS(1, "egm_zero", AT, EGM_BLOCK);
	munmap(self->p, EGM_BLOCK);
	EXPECT_EVENTS(0, "egm_release", AT, EGM_BLOCK);
	close(self->fd);
	EXPECT_EVENTS(1, "egm_release", AT, EGM_BLOCK);
}

/* The last block can be smaller than the others. */
TEST_F(trace, events_end_with_the_region)
{
	uint64_t size = egm_size(self->fd), last = (size - 1) / EGM_BLOCK * EGM_BLOCK;
	int other = egm_open();

	EXPECT_EQ(0, egm_map_errno(other, last, size - last, MAP_SHARED));
	EXPECT_EVENTS(1, "egm_reserve", last, size - last);
	close(other);
	EXPECT_EVENTS(1, "egm_release", last, size - last);
}

TEST_F(trace, refused_mmap_has_no_event)
{
	int other = egm_open();

	EXPECT_EQ(EBUSY, egm_map_errno(other, AT, EGM_BLOCK, MAP_SHARED));
	EXPECT_EVENTS(1, "egm_reserve", AT, EGM_BLOCK);
}

TEST_F(trace, unbind_has_the_region)
{
	uint64_t size = egm_size(self->fd);

	EXPECT_EVENTS(0, "egm_revoke", 0, size);
	ASSERT_EQ(0, egm_adev_unbind());
	EXPECT_EVENTS(1, "egm_revoke", 0, size);
}

TEST_F(trace, bad_page_has_the_page)
{
	size_t page = sysconf(_SC_PAGESIZE);

	self->p[0] = 1;
	ASSERT_EQ(0, inject(AT));
	EXPECT_LE(1, events(self->folder, self->base, "egm_poison", AT, page));
}

TEST_HARNESS_MAIN
