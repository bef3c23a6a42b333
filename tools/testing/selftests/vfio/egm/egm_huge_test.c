// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mapping on demand: huge entries where they fit, single pages around them, and what
 * a process can do to such a mapping.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "egm_harness.h"
#include "egm_touch.h"

#ifndef PR_THP_DISABLE_EXCEPT_ADVISED
#define PR_THP_DISABLE_EXCEPT_ADVISED	2
#endif
#define THP_POLICY	"/sys/kernel/mm/transparent_hugepage/enabled"

/* Bytes of page tables of this process. */
static long page_tables(void)
{
	return egm_page_tables() << 10;
}

/* For huge entries wherever they fit: their own tables, one each for head and tail. */
static long tables_needed(char *p, size_t len)
{
	uintptr_t start = (uintptr_t)p, end = start + len, pmd = egm_pmd_size();
	uintptr_t span = pmd * (sysconf(_SC_PAGESIZE) / sizeof(uint64_t));

	return ((end - 1) / span - start / span + 1 + !!(start % pmd) + !!(end % pmd)) *
	       sysconf(_SC_PAGESIZE);
}

FIXTURE(huge) {
	int fd;
	uint64_t size;
	size_t page;
	size_t pmd;
	uint64_t offset;
	char *p;
	size_t len;
	size_t inside;		/* a place in the middle, of an entry too */
};

/* Where the region has room, a mapping with a head and a tail that no entry fits. */
FIXTURE_SETUP(huge)
{
	size_t i;

	if (egm_huge_missing())
		SKIP(return, "%s", egm_huge_missing());
	self->page = sysconf(_SC_PAGESIZE);
	self->pmd = egm_pmd_size();
	self->fd = egm_open();
	ASSERT_LE(0, self->fd);
	self->size = egm_size(self->fd);
	ASSERT_LE(2 * self->pmd, self->size);
	if (self->size > 16 * self->pmd)
		self->offset = self->pmd / 4 * 3;
	self->len = self->offset ? 8 * self->pmd + self->pmd / 2 : 2 * self->pmd;
	self->inside = (self->len / 2 & -EGM_BLOCK) + EGM_BLOCK;
	self->p = egm_map(self->fd, self->offset, self->len);
	ASSERT_NE(MAP_FAILED, self->p);
	/* Address and SPA are congruent at every offset. */
	ASSERT_EQ((egm_base() + self->offset) % self->pmd, (uintptr_t)self->p % self->pmd);
	for (i = 0; i < self->len; i += EGM_BLOCK / 2)
		*(uint64_t *)(self->p + i) = i + 1;
}

FIXTURE_TEARDOWN(huge)
{
	munmap(self->p, self->len);
	close(self->fd);
}

/* Is every mark of [from, to) where setup put it, seen through @p? */
static bool marks_in(const char *p, size_t from, size_t to)
{
	size_t i;

	for (i = from; i < to; i += EGM_BLOCK / 2)
		if (*(const uint64_t *)(p + i) != i + 1)
			return false;
	return true;
}

TEST_F(huge, whole_region_takes_no_page_tables)
{
	long before, after;
	uint64_t off;
	char *p;

	munmap(self->p, self->len);
	before = page_tables();
	p = egm_map(self->fd, 0, self->size);
	ASSERT_NE(MAP_FAILED, p);
	for (off = 0; off < self->size; off += self->page)
		*(p + off) = 1;
	after = page_tables();
	TH_LOG("%ld KiB for %lu MiB", (after - before) >> 10, self->size >> 20);
	EXPECT_GE(tables_needed(p, self->size), after - before);
	/* And the other way takes one for each: the measure measures. */
	munmap(p, self->size);
	before = page_tables();
	/* mmap fills the page tables, since every block was used. */
	p = egm_map_populated(self->fd, 0, self->size);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_LE((long)(self->size / self->page * sizeof(uint64_t)),
		  page_tables() - before);
	self->p = p;
	self->len = self->size;
}

TEST_F(huge, huge_and_small_entries_map_the_same_memory)
{
	char *q = egm_map_populated(self->fd, self->offset, self->len);

	ASSERT_NE(MAP_FAILED, q);
	EXPECT_TRUE(marks_in(q, 0, self->len));
	q[self->len - 1] = 9;
	EXPECT_EQ(9, self->p[self->len - 1]);
	munmap(q, self->len);
}

/* A fault that cannot have a huge entry installs all pages of its block. */
TEST_F(huge, page_fault_populates_its_block)
{
	size_t len = 16 * EGM_BLOCK, i;
	struct rusage before, after;
	int fd;
	char *q;

	munmap(self->p, self->len);
	close(self->fd);
	egm_set_workers(0);
	ASSERT_TRUE(egm_bind_again());
	self->fd = egm_open();
	fd = egm_open();
	/* mmap does not fill the page tables of dirty blocks. */
	q = egm_map_populated(fd, 0, len);
	ASSERT_NE(MAP_FAILED, q);
	getrusage(RUSAGE_SELF, &before);
	for (i = 0; i < len; i += self->page)
		q[i] = 1;
	getrusage(RUSAGE_SELF, &after);
	TH_LOG("%ld faults for %zu blocks", after.ru_minflt - before.ru_minflt, len / EGM_BLOCK);
	EXPECT_GE((long)(len / EGM_BLOCK + 1), after.ru_minflt - before.ru_minflt);
	munmap(q, len);
	close(fd);
	egm_set_workers(4);
	self->p = egm_map(self->fd, self->offset, self->len);
}

TEST_F(huge, mapping_of_one_page)
{
	char *q = egm_map(self->fd, 0, self->page);

	ASSERT_NE(MAP_FAILED, q);
	EXPECT_EQ(0, egm_touch(q, 1));
	munmap(q, self->page);
}

TEST_F(huge, hint_is_kept)
{
	/* Room for the mapping, and for the search of a congruent address. */
	size_t room = 2 * self->pmd + 2 * self->page;
	char *hint = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *q;

	ASSERT_NE(MAP_FAILED, hint);
	munmap(hint, room);
	hint += self->page;
	/* The shortest that the driver's own choice of an address is for. */
	q = mmap(hint, self->pmd, PROT_READ, MAP_SHARED, self->fd, 0);
	EXPECT_EQ(hint, q);
	munmap(q, self->pmd);
}

TEST_F(huge, child_shares_content)
{
	pid_t child = fork();
	int status;

	ASSERT_LE(0, child);
	if (!child) {
		bool good = marks_in(self->p, 0, self->len);

		self->p[1] = 42;
		_exit(!good);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(42, self->p[1]);
}

/* A child that touches first, what its parent has mapped and not touched. */
TEST_F(huge, child_touches_first)
{
	char *q = egm_map(self->fd, 0, self->size);
	pid_t child;
	int status;

	ASSERT_NE(MAP_FAILED, q);
	child = fork();
	ASSERT_LE(0, child);
	if (!child)
		_exit(egm_touch(q + self->size - 1, 7));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(7, q[self->size - 1]);
	munmap(q, self->size);
}

TEST_F(huge, munmap_of_a_page_splits_an_entry)
{
	size_t hole = self->inside;

	ASSERT_EQ(0, munmap(self->p + hole, self->page));
	EXPECT_TRUE(marks_in(self->p, 0, hole));
	EXPECT_TRUE(marks_in(self->p, hole + EGM_BLOCK / 2, self->len));
	EXPECT_EQ(0, egm_touch(self->p + hole - 1, 1));
	EXPECT_EQ(0, egm_touch(self->p + hole + self->page, 1));
}

static int write_signal(char *p)
{
	pid_t child = fork();
	int status;

	if (!child) {
		*p = 1;
		_exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		return -1;
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

TEST_F(huge, mprotect_of_a_page_splits_an_entry)
{
	char *p = self->p + self->inside;

	ASSERT_EQ(0, mprotect(p, self->page, PROT_READ));
	EXPECT_EQ(SIGSEGV, write_signal(p));
	EXPECT_EQ(0, write_signal(p - 1));
	EXPECT_EQ(0, write_signal(p + self->page));
	EXPECT_TRUE(marks_in(self->p, 0, self->len - EGM_BLOCK));
	ASSERT_EQ(0, mprotect(p, self->page, PROT_READ | PROT_WRITE));
	EXPECT_EQ(0, write_signal(p));
}

TEST_F(huge, mprotect_of_all_keeps_content)
{
	ASSERT_EQ(0, mprotect(self->p, self->len, PROT_READ));
	EXPECT_EQ(SIGSEGV, write_signal(self->p + self->len / 2));
	EXPECT_TRUE(marks_in(self->p, 0, self->len));
	ASSERT_EQ(0, mprotect(self->p, self->len, PROT_READ | PROT_WRITE));
	EXPECT_EQ(0, write_signal(self->p + self->len / 2));
}

/* Move the mapping to an address where no huge entry fits: its content stays, page by page. */
TEST_F(huge, mremap_to_an_incongruent_address_keeps_content)
{
	char *area = mmap(NULL, self->len + self->pmd, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *to = area, *q;

	ASSERT_NE(MAP_FAILED, area);
	if (!(((uintptr_t)to - (uintptr_t)self->p) % self->pmd))
		to += self->page;
	q = mremap(self->p, self->len, self->len, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	ASSERT_EQ(to, q);
	self->p = q;
	EXPECT_TRUE(marks_in(q, 0, self->len));
}

TEST_F(huge, mremap_shrinks_and_does_not_grow)
{
	size_t half = self->inside;

	EXPECT_EQ(MAP_FAILED, mremap(self->p, self->len, self->len + self->page,
				     MREMAP_MAYMOVE));
	ASSERT_EQ(self->p, mremap(self->p, self->len, half, 0));
	EXPECT_TRUE(marks_in(self->p, 0, half));
	self->len = half;
}

TEST_F(huge, map_fixed_replaces_a_part)
{
	size_t at = self->inside;
	char *q = mmap(self->p + at, EGM_BLOCK, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_FIXED, self->fd, 0);

	ASSERT_EQ(self->p + at, q);
	EXPECT_EQ(0, egm_touch(q, 1));
	EXPECT_TRUE(marks_in(self->p, 0, at));
	EXPECT_TRUE(marks_in(self->p, at + EGM_BLOCK, self->len));
}

/* QEMU's advice for guest RAM must not fail, nor change the content. */
TEST_F(huge, advice_keeps_content)
{
	EXPECT_EQ(0, madvise(self->p, self->len, MADV_HUGEPAGE));
	EXPECT_EQ(0, madvise(self->p, self->len, MADV_DONTDUMP));
	EXPECT_EQ(0, madvise(self->p, self->len, MADV_DONTFORK));
	EXPECT_TRUE(marks_in(self->p, 0, self->len));
	EXPECT_EQ(0, madvise(self->p, self->len, MADV_NOHUGEPAGE));
	EXPECT_TRUE(marks_in(self->p, 0, self->len));
}

/* A system call reads the region: copy_from_user() faults. */
TEST_F(huge, system_call_touches_first)
{
	char *q = egm_map(self->fd, 0, self->size);
	int fd[2];

	ASSERT_NE(MAP_FAILED, q);
	ASSERT_EQ(0, pipe(fd));
	EXPECT_EQ(8, write(fd[1], q + self->size - 8, 8));
	EXPECT_EQ(8, read(fd[0], q + self->size - 16, 8));
	close(fd[0]);
	close(fd[1]);
	munmap(q, self->size);
}

/* mm's policy for transparent huge pages. */
FIXTURE(thp) {
	int fd;
	size_t len;
	char policy[16];
};

FIXTURE_SETUP(thp)
{
	char line[64], *word;

	if (egm_huge_missing())
		SKIP(return, "%s", egm_huge_missing());
	egm_read_line(THP_POLICY, line, sizeof(line));
	word = strchr(line, '[');
	ASSERT_NE(NULL, word);
	word[strcspn(word, "]")] = '\0';
	snprintf(self->policy, sizeof(self->policy), "%.15s", word + 1);
	self->fd = egm_open();
	ASSERT_LE(0, self->fd);
	self->len = 2 * egm_pmd_size();
	ASSERT_LE(self->len, egm_size(self->fd));
}

FIXTURE_TEARDOWN_PARENT(thp)
{
	egm_write(THP_POLICY, self->policy);
}

/*
 * Do huge entries map memory that a new mapping touches? 1 if so, 0 if pages do, -1 if the
 * memory is not what it was. With @advice, the mapping is advised before.
 */
static int maps_huge(int fd, size_t len, int advice)
{
	long before = page_tables(), after, pages;
	char *p = egm_map(fd, 0, len);
	int ret = 0;
	size_t i;

	if (p == MAP_FAILED || (advice && madvise(p, len, advice)))
		return -1;
	for (i = 0; i < len; i += EGM_BLOCK) {
		if (p[i + 1] && p[i + 1] != 0x5a)
			ret = -1;
		p[i + 1] = 0x5a;
	}
	after = page_tables();
	/* The last level alone. */
	pages = len / sysconf(_SC_PAGESIZE) * sizeof(uint64_t);
	munmap(p, len);
	return ret ? ret : after - before < pages;
}

/* mm does not apply the THP policy to huge mappings of PFNs. */
TEST_F(thp, huge_entries_do_not_depend_on_the_policy)
{
	ASSERT_EQ(0, egm_write(THP_POLICY, "always"));
	EXPECT_EQ(1, maps_huge(self->fd, self->len, 0));
	ASSERT_EQ(0, egm_write(THP_POLICY, "madvise"));
	EXPECT_EQ(1, maps_huge(self->fd, self->len, 0));
	EXPECT_EQ(1, maps_huge(self->fd, self->len, MADV_HUGEPAGE));
	ASSERT_EQ(0, egm_write(THP_POLICY, "never"));
	EXPECT_EQ(1, maps_huge(self->fd, self->len, 0));
	EXPECT_EQ(1, maps_huge(self->fd, self->len, MADV_HUGEPAGE));
}

TEST_F(thp, nohugepage_maps_by_pages)
{
	ASSERT_EQ(0, egm_write(THP_POLICY, "always"));
	EXPECT_EQ(0, maps_huge(self->fd, self->len, MADV_NOHUGEPAGE));
	EXPECT_EQ(1, maps_huge(self->fd, self->len, 0));
}

TEST_F(thp, disabled_process_maps_by_pages)
{
	int status;
	pid_t child;

	ASSERT_EQ(0, egm_write(THP_POLICY, "always"));
	ASSERT_EQ(0, prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
	EXPECT_EQ(0, maps_huge(self->fd, self->len, 0));
	EXPECT_EQ(0, maps_huge(self->fd, self->len, MADV_HUGEPAGE));
	/* And so does a child of it. */
	child = fork();
	ASSERT_LE(0, child);
	if (!child)
		_exit(maps_huge(self->fd, self->len, 0));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	if (!prctl(PR_SET_THP_DISABLE, 1, PR_THP_DISABLE_EXCEPT_ADVISED, 0, 0)) {
		EXPECT_EQ(0, maps_huge(self->fd, self->len, 0));
		EXPECT_EQ(1, maps_huge(self->fd, self->len, MADV_HUGEPAGE));
	}
	ASSERT_EQ(0, prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0));
	EXPECT_EQ(1, maps_huge(self->fd, self->len, 0));
}

TEST_HARNESS_MAIN
