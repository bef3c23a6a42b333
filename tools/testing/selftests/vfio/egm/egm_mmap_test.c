// SPDX-License-Identifier: GPL-2.0-only
/*
 * mmap of an EGM region: what is refused, what is seen, who owns what.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include "egm_harness.h"

FIXTURE(map) {
	int fd;
	uint64_t size;
	size_t page;
};

FIXTURE_SETUP(map)
{
	self->page = sysconf(_SC_PAGESIZE);
	self->fd = egm_open();
	ASSERT_LE(0, self->fd);
	self->size = egm_size(self->fd);
	ASSERT_LE(64 * EGM_BLOCK, self->size);
}

FIXTURE_TEARDOWN(map)
{
	close(self->fd);
}

/* What firmware left is not seen, whoever zeroed it: workers begin when it is bound. */
TEST_F(map, whole_region_zero_at_first_map)
{
	char *p = egm_map(self->fd, 0, self->size);

	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(self->size, egm_first_nonzero(p, self->size));
	ASSERT_EQ(0, munmap(p, self->size));
}

TEST_F(map, zero_after_close_and_reopen)
{
	size_t len = 8 * EGM_BLOCK;
	char *p = egm_map(self->fd, 0, len);

	ASSERT_NE(MAP_FAILED, p);
	memset(p, 0x5a, len);
	ASSERT_EQ(0, munmap(p, len));
	close(self->fd);

	self->fd = egm_open();
	ASSERT_LE(0, self->fd);
	p = egm_map(self->fd, 0, len);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(len, egm_first_nonzero(p, len));
	munmap(p, len);
}

TEST_F(map, kept_over_munmap_while_open)
{
	char *p = egm_map(self->fd, 0, EGM_BLOCK);

	ASSERT_NE(MAP_FAILED, p);
	p[123] = 77;
	munmap(p, EGM_BLOCK);
	p = egm_map(self->fd, 0, EGM_BLOCK);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(77, p[123]);
	munmap(p, EGM_BLOCK);
}

TEST_F(map, write_seen_through_second_mapping)
{
	char *a = egm_map(self->fd, 0, 2 * EGM_BLOCK);
	char *b = egm_map(self->fd, EGM_BLOCK, EGM_BLOCK);

	ASSERT_NE(MAP_FAILED, a);
	ASSERT_NE(MAP_FAILED, b);
	a[EGM_BLOCK] = 1;
	a[2 * EGM_BLOCK - 1] = 2;
	EXPECT_EQ(1, b[0]);
	EXPECT_EQ(2, b[EGM_BLOCK - 1]);
	b[self->page] = 3;
	EXPECT_EQ(3, a[EGM_BLOCK + self->page]);
	munmap(a, 2 * EGM_BLOCK);
	munmap(b, EGM_BLOCK);
}

TEST_F(map, different_offsets_are_different_bytes)
{
	char *p = egm_map(self->fd, 0, self->size);
	uint64_t step = self->size / 16, off;

	ASSERT_NE(MAP_FAILED, p);
	for (off = 0; off < self->size; off += step)
		*(uint64_t *)(p + off) = off + 1;
	for (off = 0; off < self->size; off += step)
		EXPECT_EQ(off + 1, *(uint64_t *)(p + off));
	munmap(p, self->size);
}

TEST_F(map, first_and_last_page)
{
	EXPECT_EQ(0, egm_map_errno(self->fd, 0, self->page, MAP_SHARED));
	EXPECT_EQ(0, egm_map_errno(self->fd, self->size - self->page, self->page,
				   MAP_SHARED));
}

TEST_F(map, beyond_end)
{
	EXPECT_EQ(EINVAL, egm_map_errno(self->fd, self->size, self->page, MAP_SHARED));
	EXPECT_EQ(EINVAL, egm_map_errno(self->fd, self->size - self->page,
					2 * self->page, MAP_SHARED));
	EXPECT_EQ(EINVAL, egm_map_errno(self->fd, 0, self->size + self->page,
					MAP_SHARED));
	EXPECT_EQ(EINVAL, egm_map_errno(self->fd, self->page, self->size, MAP_SHARED));
}

TEST_F(map, offset_plus_length_overflows)
{
	/* These two are refused by mm itself, before it asks a driver. */
	EXPECT_EQ(EOVERFLOW, egm_map_errno(self->fd, -self->page, self->page, MAP_SHARED));
	EXPECT_EQ(EOVERFLOW, egm_map_errno(self->fd, -self->page, 2 * self->page, MAP_SHARED));
	EXPECT_EQ(EINVAL, egm_map_errno(self->fd, INT64_MAX & -self->page, 2 * self->page,
					MAP_SHARED));
}

/* Each bit above the region's size, alone and with a valid offset below it. */
TEST_F(map, offset_with_high_bits)
{
	uint64_t bit;

	for (bit = 1; bit < self->size; bit <<= 1)
		;
	for (; bit; bit <<= 1) {
		EXPECT_EQ(EINVAL, egm_map_errno(self->fd, bit, self->page, MAP_SHARED));
		EXPECT_EQ(EINVAL, egm_map_errno(self->fd, bit + EGM_BLOCK, self->page,
						MAP_SHARED));
	}
}

TEST_F(map, private_refused)
{
	void *p;

	EXPECT_EQ(EINVAL, egm_map_errno(self->fd, 0, self->page, MAP_PRIVATE));
	/* One that can only be read is private all the same. */
	p = mmap(NULL, self->page, PROT_READ, MAP_PRIVATE, self->fd, 0);
	EXPECT_EQ(MAP_FAILED, p);
	EXPECT_EQ(EINVAL, errno);
}

TEST_F(map, other_file_is_busy)
{
	char *p = egm_map(self->fd, 0, EGM_BLOCK);
	int other = egm_open();

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_LE(0, other);
	EXPECT_EQ(EBUSY, egm_map_errno(other, 0, self->page, MAP_SHARED));
	EXPECT_EQ(EBUSY, egm_map_errno(other, 0, 4 * EGM_BLOCK, MAP_SHARED));
	/* All or nothing: the blocks beyond stayed free for the first file. */
	EXPECT_EQ(0, egm_map_errno(self->fd, EGM_BLOCK, 3 * EGM_BLOCK, MAP_SHARED));
	EXPECT_EQ(0, egm_map_errno(other, 4 * EGM_BLOCK, EGM_BLOCK, MAP_SHARED));
	EXPECT_EQ(EBUSY, egm_map_errno(self->fd, 4 * EGM_BLOCK, EGM_BLOCK, MAP_SHARED));
	close(other);
	EXPECT_EQ(0, egm_map_errno(self->fd, 4 * EGM_BLOCK, EGM_BLOCK, MAP_SHARED));
	munmap(p, EGM_BLOCK);
}

TEST_F(map, read_only_file_is_not_written)
{
	int fd = open(egm_node(), O_RDONLY);
	char *p;

	ASSERT_LE(0, fd);
	EXPECT_EQ(EACCES, egm_map_errno(fd, 0, self->page, MAP_SHARED));
	p = mmap(NULL, self->page, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0, p[0]);
	EXPECT_EQ(-1, mprotect(p, self->page, PROT_READ | PROT_WRITE));
	munmap(p, self->page);
	close(fd);
}

TEST_HARNESS_MAIN
