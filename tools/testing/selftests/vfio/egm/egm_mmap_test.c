// SPDX-License-Identifier: GPL-2.0-only
/*
 * mmap of an EGM region: refused calls, content of the memory, ownership.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <sys/wait.h>

#include "egm_harness.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE		25
#endif
#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE	101
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL	102
#define MADV_GUARD_REMOVE	103
#endif

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

/* No mapping shows what firmware left, be it zeroed by a worker, which bind starts, or mmap. */
TEST_F(map, first_mapping_is_zero)
{
	char *p = egm_map(self->fd, 0, self->size);

	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(self->size, egm_first_nonzero(p, self->size));
	ASSERT_EQ(0, munmap(p, self->size));
}

TEST_F(map, zero_after_close)
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

TEST_F(map, content_survives_munmap_while_open)
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

TEST_F(map, first_and_last_page_are_mapped)
{
	EXPECT_EQ(0, egm_map_errno(self->fd, 0, self->page, MAP_SHARED));
	EXPECT_EQ(0, egm_map_errno(self->fd, self->size - self->page, self->page,
				   MAP_SHARED));
}

TEST_F(map, beyond_the_end_einval)
{
	EXPECT_EQ(EINVAL, egm_map_errno(self->fd, self->size, self->page, MAP_SHARED));
	EXPECT_EQ(EINVAL, egm_map_errno(self->fd, self->size - self->page,
					2 * self->page, MAP_SHARED));
	EXPECT_EQ(EINVAL, egm_map_errno(self->fd, 0, self->size + self->page,
					MAP_SHARED));
	EXPECT_EQ(EINVAL, egm_map_errno(self->fd, self->page, self->size, MAP_SHARED));
}

TEST_F(map, overflowing_offset_eoverflow)
{
	/* mm itself refuses these two, before it calls the driver. */
	EXPECT_EQ(EOVERFLOW, egm_map_errno(self->fd, -self->page, self->page, MAP_SHARED));
	EXPECT_EQ(EOVERFLOW, egm_map_errno(self->fd, -self->page, 2 * self->page, MAP_SHARED));
	EXPECT_EQ(EINVAL, egm_map_errno(self->fd, INT64_MAX & -self->page, 2 * self->page,
					MAP_SHARED));
}

/* Each bit above the region's size, alone and with a valid offset below it. */
TEST_F(map, offset_with_high_bits_einval)
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

TEST_F(map, private_einval)
{
	void *p;

	EXPECT_EQ(EINVAL, egm_map_errno(self->fd, 0, self->page, MAP_PRIVATE));
	/* A private mapping without PROT_WRITE is refused too. */
	p = mmap(NULL, self->page, PROT_READ, MAP_PRIVATE, self->fd, 0);
	EXPECT_EQ(MAP_FAILED, p);
	EXPECT_EQ(EINVAL, errno);
}

TEST_F(map, other_file_ebusy)
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

TEST_F(map, read_only_file_cannot_be_written)
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

/* Memory with a mark in each page, and a second mapping of it that stays as it is. */
FIXTURE(content) {
	int fd;
	size_t page;
	size_t len;
	size_t inside;		/* a page in the middle, of a huge entry too */
	char *p;
	char *witness;
};

FIXTURE_VARIANT(content) {
	void *(*map)(int fd, uint64_t offset, size_t len);
};

FIXTURE_VARIANT_ADD(content, on_demand)
{
	.map = egm_map,
};

FIXTURE_VARIANT_ADD(content, page_by_page)
{
	.map = egm_map_populated,
};

FIXTURE_SETUP(content)
{
	size_t i;

	self->page = sysconf(_SC_PAGESIZE);
	self->len = 2 * egm_pmd_size();
	self->inside = egm_pmd_size() + 3 * self->page;
	self->fd = egm_open();
	ASSERT_LE(0, self->fd);
	ASSERT_LE(self->len, egm_size(self->fd));
	self->witness = egm_map(self->fd, 0, self->len);
	ASSERT_NE(MAP_FAILED, self->witness);
	for (i = 0; i < self->len; i += self->page)
		*(uint64_t *)(self->witness + i) = i + 1;
	self->p = variant->map(self->fd, 0, self->len);
	ASSERT_NE(MAP_FAILED, self->p);
}

FIXTURE_TEARDOWN(content)
{
	close(self->fd);
}

/* Is the mark of each page of [from, to) there? @p maps the memory from @from on. */
static bool marks_from(const char *p, size_t from, size_t to)
{
	size_t page = sysconf(_SC_PAGESIZE), i;

	for (i = from; i < to; i += page)
		if (*(const uint64_t *)(p + i - from) != i + 1)
			return false;
	return true;
}

/* Does a child find all marks at @p? */
static bool child_finds_marks(const char *p, size_t len)
{
	pid_t child = fork();
	int status;

	if (!child)
		_exit(!marks_from(p, 0, len));
	return child > 0 && waitpid(child, &status, 0) == child && !status;
}

static const struct {
	const char *name;
	int advice;
} advices[] = {
#define ADVICE(name) { #name, MADV_##name }
	ADVICE(NORMAL), ADVICE(RANDOM), ADVICE(SEQUENTIAL), ADVICE(WILLNEED),
	ADVICE(DONTNEED), ADVICE(DONTNEED_LOCKED), ADVICE(FREE), ADVICE(REMOVE),
	ADVICE(COLD), ADVICE(PAGEOUT), ADVICE(POPULATE_READ), ADVICE(POPULATE_WRITE),
	ADVICE(WIPEONFORK), ADVICE(KEEPONFORK), ADVICE(MERGEABLE), ADVICE(UNMERGEABLE),
	ADVICE(HUGEPAGE), ADVICE(COLLAPSE), ADVICE(NOHUGEPAGE), ADVICE(DONTDUMP),
	ADVICE(DODUMP), ADVICE(GUARD_INSTALL), ADVICE(GUARD_REMOVE), ADVICE(SOFT_OFFLINE),
	ADVICE(HWPOISON), { "that there is not", 99 },
};

/* Accepted or refused, on all of the mapping or on a page of it. */
TEST_F(content, advice_keeps_content)
{
	unsigned int i, taken = 0;

	for (i = 0; i < ARRAY_SIZE(advices); i++) {
		taken += !madvise(self->p + self->inside, self->page, advices[i].advice);
		EXPECT_TRUE(marks_from(self->p, 0, self->len));
		taken += !madvise(self->p, self->len, advices[i].advice);
		EXPECT_TRUE(marks_from(self->p, 0, self->len));
		EXPECT_TRUE(marks_from(self->witness, 0, self->len));
		EXPECT_TRUE(child_finds_marks(self->p, self->len)) {
			TH_LOG("advice %s", advices[i].name);
		}
	}
	TH_LOG("%u of %zu accepted", taken, 2 * ARRAY_SIZE(advices));
	/* MADV_HWPOISON was refused: the page is not bad. */
	munmap(self->p, self->len);
	munmap(self->witness, self->len);
	close(self->fd);
	self->fd = egm_open();
	self->p = egm_map(self->fd, 0, self->len);
	ASSERT_NE(MAP_FAILED, self->p);
	EXPECT_EQ(self->len, egm_first_nonzero(self->p, self->len));
}

TEST_F(content, dontfork_keeps_a_page_from_children_alone)
{
	int status;
	pid_t child;

	ASSERT_EQ(0, madvise(self->p + self->inside, self->page, MADV_DONTFORK));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		if (!marks_from(self->p, 0, self->inside))
			_exit(1);
		/* Not mapped: this raises a signal. */
		_exit(marks_from(self->p + self->inside, self->inside,
				 self->inside + self->page) ? 2 : 3);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(SIGSEGV, WTERMSIG(status));
	EXPECT_TRUE(marks_from(self->p, 0, self->len));
	/* MADV_DONTFORK cannot be undone: mm refuses MADV_DOFORK for mappings of PFNs. */
	EXPECT_EQ(-1, madvise(self->p + self->inside, self->page, MADV_DOFORK));
}

/* Where a mapping of @len bytes can be moved to, as far off an entry as @p is. */
static char *room_for(const char *p, size_t len)
{
	size_t pmd = egm_pmd_size();
	char *room = mmap(NULL, len + pmd, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (room == MAP_FAILED)
		return room;
	return room + ((uintptr_t)p - (uintptr_t)room) % pmd;
}

static char *move_to(char *from, size_t len, char *to)
{
	return mremap(from, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to);
}

TEST_F(content, move_and_return_keep_content)
{
	char *to = room_for(self->p, self->len);

	ASSERT_NE(MAP_FAILED, to);
	ASSERT_EQ(to, move_to(self->p, self->len, to));
	EXPECT_TRUE(marks_from(to, 0, self->len));
	ASSERT_EQ(self->p, move_to(to, self->len, self->p));
	EXPECT_TRUE(marks_from(self->p, 0, self->len));
	EXPECT_TRUE(child_finds_marks(self->p, self->len));
}

TEST_F(content, moved_page_keeps_content)
{
	char *from = self->p + self->inside, *to = room_for(from, self->page);
	size_t end = self->inside + self->page;

	ASSERT_NE(MAP_FAILED, to);
	ASSERT_EQ(to, move_to(from, self->page, to));
	EXPECT_TRUE(marks_from(to, self->inside, end));
	EXPECT_TRUE(marks_from(self->p, 0, self->inside));
	EXPECT_TRUE(marks_from(self->p + end, end, self->len));
	/* Each of the pieces moves, too. */
	to = room_for(self->p, self->len);
	ASSERT_EQ(to, move_to(self->p, self->inside, to));
	ASSERT_EQ(to + end, move_to(self->p + end, self->len - end, to + end));
	EXPECT_TRUE(marks_from(to, 0, self->inside));
	EXPECT_TRUE(marks_from(to + end, end, self->len));
}

/* Neither a second mapping nor a longer one, wherever it may be. */
TEST_F(content, mremap_that_is_refused_changes_nothing)
{
	char *to = room_for(self->p, self->len + self->page);
	size_t len = self->len;

	ASSERT_NE(MAP_FAILED, to);
	EXPECT_EQ(MAP_FAILED, mremap(self->p, len, len, MREMAP_MAYMOVE | MREMAP_DONTUNMAP));
	EXPECT_EQ(MAP_FAILED, mremap(self->p, len, len,
				     MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, to));
	EXPECT_EQ(MAP_FAILED, mremap(self->p, 0, len, MREMAP_MAYMOVE));
	EXPECT_EQ(MAP_FAILED, mremap(self->p, len, len + self->page, 0));
	EXPECT_EQ(MAP_FAILED, mremap(self->p, len, len + self->page, MREMAP_MAYMOVE));
	EXPECT_EQ(MAP_FAILED, mremap(self->p, len, len + self->page,
				     MREMAP_MAYMOVE | MREMAP_FIXED, to));
	/* The addresses behind the mapping are free now, and the file owns the blocks. */
	ASSERT_EQ(0, munmap(self->p + self->inside, len - self->inside));
	EXPECT_EQ(MAP_FAILED, mremap(self->p, self->inside, len, 0));
	EXPECT_TRUE(marks_from(self->p, 0, self->inside));
	EXPECT_TRUE(marks_from(self->witness, 0, len));
}

TEST_F(content, shrinking_keeps_the_rest)
{
	char *to = room_for(self->p, self->len);
	size_t len = self->len - self->page;

	ASSERT_NE(MAP_FAILED, to);
	ASSERT_EQ(self->p, mremap(self->p, self->len, len, 0));
	EXPECT_TRUE(marks_from(self->p, 0, len));
	ASSERT_EQ(to, mremap(self->p, len, self->inside, MREMAP_MAYMOVE | MREMAP_FIXED, to));
	EXPECT_TRUE(marks_from(to, 0, self->inside));
	EXPECT_TRUE(marks_from(self->witness, 0, self->len));
}

/* A hole keeps its bytes: the file owns its block. */
TEST_F(content, hole_keeps_content)
{
	char *hole = self->p + self->inside;
	size_t end = self->inside + self->page;

	ASSERT_EQ(0, munmap(hole, self->page));
	EXPECT_TRUE(marks_from(self->p, 0, self->inside));
	EXPECT_TRUE(marks_from(self->p + end, end, self->len));
	ASSERT_EQ(hole, mmap(hole, self->page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			     self->fd, self->inside));
	EXPECT_TRUE(marks_from(self->p, 0, self->len));
	EXPECT_TRUE(child_finds_marks(self->p, self->len));
}

TEST_HARNESS_MAIN
