// SPDX-License-Identifier: GPL-2.0-only
/*
 * The driver is unbound while a process is in mmap or in a page fault.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include "egm_hold.h"
#include "egm_touch.h"

FIXTURE(race) {
	int workers;
};

FIXTURE_SETUP(race)
{
	ASSERT_TRUE(egm_bind_again());
	self->workers = egm_workers();
	ASSERT_LE(0, self->workers);
}

FIXTURE_TEARDOWN_PARENT(race)
{
	hold_end();
	egm_set_workers(self->workers);
	EXPECT_TRUE(egm_bind_again());
}

/* Touch every block: mmap of blocks in use fills the page tables. */
static bool use_all(int fd)
{
	size_t len = egm_size(fd), i;
	char *p = egm_map(fd, 0, len);

	if (p == MAP_FAILED)
		return false;
	for (i = 0; i < len; i += EGM_BLOCK)
		p[i] = 1;
	return !munmap(p, len);
}

/*
 * Unbind the driver while a process maps blocks with MAP_POPULATE, one after the other, so that
 * an mmap is nearly always between the driver's checks and the filling of its page tables.
 * After unbind every mapping raises SIGBUS, the last one that succeeded too.
 */
TEST_F(race, mmap_during_unbind_leaves_no_entry)
{
	int i, j, n, fd, status, mapped = 0, cut_short = 0;
	size_t blocks;
	pid_t child;
	char **p;

	egm_set_workers(0);
	for (i = 0; i < 24 || (i < 100 && !(mapped && cut_short)); i++) {
		fd = egm_open();
		ASSERT_LE(0, fd);
		blocks = egm_size(fd) / EGM_BLOCK;
		ASSERT_TRUE(use_all(fd));
		p = calloc(blocks, sizeof(*p));
		ASSERT_NE(NULL, p);
		child = fork();
		ASSERT_LE(0, child);
		if (!child) {
			close(fd);
			/* If every unbind so far was too late, do not wait. */
			usleep(i < 24 || cut_short ? i * 1000 : 0);
			_exit(egm_adev_unbind());
		}
		for (n = 0; n < blocks; n++) {
			p[n] = egm_map_populated(fd, n * EGM_BLOCK, EGM_BLOCK);
			if (p[n] == MAP_FAILED)
				break;
		}
		if (n < blocks)
			EXPECT_EQ(ENODEV, errno);
		cut_short += n < blocks;
		ASSERT_EQ(child, waitpid(child, &status, 0));
		EXPECT_EQ(0, status);
		for (j = 0; j < n; j++) {
			ASSERT_EQ(BUS_ADRERR, egm_touch(p[j], 0));
			ASSERT_EQ(BUS_ADRERR, egm_touch(p[j] + EGM_BLOCK - 1, 0));
			munmap(p[j], EGM_BLOCK);
		}
		mapped += n;
		free(p);
		close(fd);
		ASSERT_EQ(0, egm_adev_bind());
	}
	TH_LOG("%d mappings made before, %d of %d rounds cut short", mapped, cut_short, i);
	EXPECT_LT(0, mapped);
	EXPECT_LT(0, cut_short);
}

/* Unbind the driver during page faults of a mapping that is populated on demand. */
TEST_F(race, faults_during_unbind_leave_no_entry)
{
	int i, fd, status, cut_short = 0;
	pid_t child;
	size_t len, off;
	char *p;

	if (egm_huge_missing())
		SKIP(return, "%s", egm_huge_missing());
	for (i = 0; i < 24; i++) {
		fd = egm_open();
		ASSERT_LE(0, fd);
		len = egm_size(fd);
		child = fork();
		ASSERT_LE(0, child);
		if (!child) {
			close(fd);
			usleep(i * 1000);
			_exit(egm_adev_unbind());
		}
		do {
			p = egm_map(fd, 0, len);
			if (p == MAP_FAILED)
				break;
			for (off = 0; off < len; off += EGM_BLOCK)
				if (egm_touch(p + off, 1))
					break;
			if (off < len) {
				cut_short++;
				break;
			}
			munmap(p, len);
		} while (1);
		ASSERT_EQ(child, waitpid(child, &status, 0));
		EXPECT_EQ(0, status);
		if (p != MAP_FAILED) {
			for (off = 0; off < len; off += EGM_BLOCK)
				ASSERT_EQ(BUS_ADRERR, egm_touch(p + off, 0));
			munmap(p, len);
		}
		close(fd);
		ASSERT_EQ(0, egm_adev_bind());
	}
	TH_LOG("%d of %d rounds cut short in a fault", cut_short, i);
	EXPECT_LT(0, cut_short);
}

static int unbind(void *arg)
{
	(void)arg;
	return egm_adev_unbind();
}

/* A fault checks the region before unbind, and installs its entry afterwards. */
TEST_F(race, fault_delayed_over_unbind_leaves_no_entry)
{
	int fd = egm_open(), status;
	size_t pmd = egm_pmd_size();
	pid_t zapper;
	char *p;

	if (!hold_available())
		SKIP(return, "no " HOLD_MODULE);
	if (egm_huge_missing())
		SKIP(return, "%s", egm_huge_missing());
	ASSERT_LE(0, fd);
	p = egm_map(fd, 0, pmd);
	ASSERT_NE(MAP_FAILED, p);
	zapper = hold_start_zapper(unbind, NULL, true);
	ASSERT_LE(0, zapper);
	ASSERT_TRUE(hold_start("vmf_insert_pfn_pmd", p));
	egm_touch(p, 1);
	ASSERT_EQ(zapper, waitpid(zapper, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(BUS_ADRERR, egm_touch(p, 0));
	close(fd);
}

/* mmap checks the region before unbind, and fills its page tables afterwards. */
TEST_F(race, mmap_delayed_over_unbind_leaves_no_entry)
{
	size_t page = sysconf(_SC_PAGESIZE), pmd = egm_pmd_size();
	int fd = egm_open(), status;
	pid_t zapper;
	char *p, *at;

	if (!hold_available())
		SKIP(return, "no " HOLD_MODULE);
	ASSERT_LE(0, fd);
	ASSERT_TRUE(use_all(fd));
	/* Where there is no page table yet. */
	p = mmap(NULL, 3 * pmd, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, p);
	at = p + pmd + -(uintptr_t)p % pmd + page;
	zapper = hold_start_zapper(unbind, NULL, true);
	ASSERT_LE(0, zapper);
	ASSERT_TRUE(hold_start("__pte_alloc", at));
	EXPECT_EQ(MAP_FAILED, mmap(at, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
				   fd, 0));
	EXPECT_EQ(ENODEV, errno);
	ASSERT_EQ(zapper, waitpid(zapper, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(-1, msync(at, page, MS_ASYNC));
	close(fd);
}

TEST_HARNESS_MAIN
