// SPDX-License-Identifier: GPL-2.0-only
/*
 * A request that is refused, and an access that raises SIGBUS, leave a line in the kernel's
 * log that names the region, the process and the offset.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <sys/wait.h>

#include "egm_harness.h"
#include "egm_retired.h"

FIXTURE(log) {
	struct fresh f;
	int kmsg;
};

FIXTURE_SETUP(log)
{
	ASSERT_TRUE(make_fresh(&self->f));
	self->kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ASSERT_LE(0, self->kmsg);
	lseek(self->kmsg, 0, SEEK_END);
}

FIXTURE_TEARDOWN_PARENT(log)
{
	EXPECT_TRUE(forget_bad_pages());
}

/* Is this among the lines since the last call? */
static bool logged(int kmsg, const char *line)
{
	char record[1024];
	bool found = false;
	ssize_t n;

	while ((n = read(kmsg, record, sizeof(record) - 1)) > 0 || (n < 0 && errno == EPIPE)) {
		if (n < 0)
			continue;
		record[n] = '\0';
		found |= !!strstr(record, line);
	}
	return found;
}

/*
 * Do something until the kernel, which prints ten lines of a kind in five seconds, prints
 * this one: "egm4: egm_log_test[PID]: REST".
 */
#define EXPECT_LOGGED(action, pid, rest, ...)						\
({											\
	char want_[256], rest_[192];							\
	int try_;									\
											\
	for (try_ = 0; try_ < 70; try_++) {						\
		action;									\
		snprintf(rest_, sizeof(rest_), rest, ##__VA_ARGS__);			\
		snprintf(want_, sizeof(want_), "%s: egm_log_test[%d]: %s", egm_name(),	\
			 pid, rest_);							\
		if (logged(self->kmsg, want_))						\
			break;								\
		usleep(100000);								\
	}										\
	EXPECT_GT(70, try_) TH_LOG("not logged: %s", want_);				\
})

TEST_F(log, private_mapping_names_the_reason)
{
	EXPECT_LOGGED(EXPECT_EQ(EINVAL, egm_map_errno(self->f.fd, 0, EGM_BLOCK, MAP_PRIVATE)),
		      getpid(), "a private mapping is not possible");
}

TEST_F(log, mapping_beyond_the_end_names_the_range)
{
	uint64_t size = egm_size(self->f.fd);

	EXPECT_LOGGED(EXPECT_EQ(EINVAL, egm_map_errno(self->f.fd, size - self->f.page,
						      EGM_BLOCK, MAP_SHARED)),
		      getpid(), "page %#llx, %#lx bytes, is not inside the %#llx bytes",
		      (unsigned long long)(size / self->f.page - 1), EGM_BLOCK,
		      (unsigned long long)size);
}

/* The owner has the first blocks: the conflict begins behind a free one. */
TEST_F(log, busy_names_the_opener)
{
	int fd = egm_open();

	EXPECT_LOGGED(EXPECT_EQ(EBUSY, egm_map_errno(fd, EGM_BLOCK + self->f.page,
						     EGM_BLOCK, MAP_SHARED)),
		      getpid(), "offset %#lx is owned by a file that egm_log_test[%d] opened",
		      EGM_BLOCK + self->f.page, getpid());
	munmap(self->f.p, self->f.len);
	close(self->f.fd);
	ASSERT_NE(MAP_FAILED, egm_map(fd, 4 * EGM_BLOCK, EGM_BLOCK));
	self->f.fd = egm_open();
	EXPECT_LOGGED(EXPECT_EQ(EBUSY, egm_map_errno(self->f.fd, 0, 8 * EGM_BLOCK, MAP_SHARED)),
		      getpid(), "offset %#lx is owned by a file that egm_log_test[%d] opened",
		      4 * EGM_BLOCK, getpid());
}

/* A child maps one block more by the parent's file, each time. */
static pid_t child_claims(int fd, uint64_t *offset)
{
	pid_t child = fork();
	int status;

	*offset += 2 * EGM_BLOCK;
	if (!child)
		_exit(egm_map_errno(fd, *offset, EGM_BLOCK, MAP_SHARED));
	return waitpid(child, &status, 0) == child && !status ? child : -1;
}

TEST_F(log, reservation_by_another_process_is_logged)
{
	uint64_t offset = self->f.len;
	pid_t child;

	EXPECT_LOGGED(child = child_claims(self->f.fd, &offset); ASSERT_LT(0, child),
		      child,
		      "offset %#llx, %#lx bytes, is now owned by the file that egm_log_test[%d] ",
		      (unsigned long long)offset, EGM_BLOCK, getpid());
}

TEST_F(log, reservation_by_the_opener_is_silent)
{
	uint64_t offset = self->f.len;

	EXPECT_EQ(0, egm_map_errno(self->f.fd, offset, EGM_BLOCK, MAP_SHARED));
	EXPECT_FALSE(logged(self->kmsg, "is now owned by"));
}

TEST_F(log, touch_after_unbind_names_the_reason)
{
	ASSERT_EQ(0, egm_adev_unbind());
	EXPECT_LOGGED(EXPECT_NE(0, egm_touch(self->f.p + self->f.page, 0)),
		      getpid(), "SIGBUS at offset %#zx: the region was unbound", self->f.page);
	munmap(self->f.p, self->f.len);
	close(self->f.fd);
	EXPECT_TRUE(egm_bind_again());
}

TEST_F(log, touch_of_a_bad_page_names_the_reason)
{
	ASSERT_EQ(0, inject(EGM_BLOCK));
	EXPECT_EQ(BUS_MCEERR_AR, touch_until_blocked(self->f.p + EGM_BLOCK));
	EXPECT_LOGGED(EXPECT_EQ(BUS_MCEERR_AR, egm_touch(self->f.p + EGM_BLOCK, 0)),
		      getpid(), "SIGBUS at offset %#lx: the page there went bad", EGM_BLOCK);
}

TEST_HARNESS_MAIN
