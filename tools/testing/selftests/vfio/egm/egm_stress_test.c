// SPDX-License-Identifier: GPL-2.0-only
/*
 * GPUs bound and unbound while processes open, map, touch, fork, pass and close. No slab cache
 * may grow with the number of cycles.
 *
 * EGM_CYCLES in the environment: the number of cycles (200).
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <dirent.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "egm_harness.h"
#include "egm_touch.h"

#define WORKERS		4
#define MAX_CACHES	512
#define MAX_NODES	4
#define LOOKS		10

struct cache {
	char name[64];
	long objects;
};

struct region {
	char node[32];
	char gpu[EGM_MAX_GPUS][32];
	int gpus;
};

/* One random step of a process that tolerates a region that is not bound; true if it was bound. */
static bool user_step(const char *node, unsigned int *seed)
{
	size_t len = (1 + rand_r(seed) % 3) * EGM_BLOCK;
	uint64_t offset = (rand_r(seed) % 16) * EGM_BLOCK;
	int fd = open(node, O_RDWR | O_CLOEXEC), pair[2];
	pid_t child = 0;
	char *p, *q;

	if (fd < 0) {
		usleep(1000);
		return false;
	}
	p = egm_map(fd, offset, len);
	if (p == MAP_FAILED) {
		close(fd);
		return false;
	}
	egm_touch(p, 1);
	egm_touch(p + len - 1, 2);
	switch (rand_r(seed) % 4) {
	case 0:
		child = fork();
		if (!child) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			egm_touch(p + len / 2, 3);
			_exit(0);
		}
		break;
	case 1:
		/* The file is in flight only, then in the other's hands. */
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
			break;
		egm_send_fd(pair[0], fd);
		close(fd);
		fd = egm_receive_fd(pair[1]);
		close(pair[0]);
		close(pair[1]);
		q = egm_map(fd, offset, EGM_BLOCK);
		if (q != MAP_FAILED) {
			egm_touch(q, 4);
			munmap(q, EGM_BLOCK);
		}
		break;
	case 2:
		munmap(p, EGM_BLOCK / 2);
		egm_touch(p + EGM_BLOCK / 2, 5);
		break;
	}
	close(fd);
	egm_touch(p + EGM_BLOCK / 2, 6);
	munmap(p, len);
	if (child > 0)
		waitpid(child, NULL, 0);
	return true;
}

static void user(const char *node, unsigned int seed, unsigned long *uses)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		*uses += user_step(node, &seed);
}

/* Bind and unbind all GPUs of a socket in random order. */
static void churn(struct region *r, unsigned int seed, int cycles)
{
	int failed = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (cycles--) {
		int first = rand_r(&seed) % r->gpus, i;

		for (i = 0; i < r->gpus; i++)
			failed |= egm_gpu_unbind(r->gpu[(first + i) % r->gpus]);
		first = rand_r(&seed) % r->gpus;
		for (i = 0; i < r->gpus; i++)
			failed |= egm_gpu_bind(r->gpu[(first + i) % r->gpus]);
	}
	_exit(!!failed);
}

/* Caches of debug facilities, whose pools grow with the load. */
static bool is_debug_cache(const char *name)
{
	return !strncmp(name, "debug_objects", 13) || !strncmp(name, "kmemleak_", 9);
}

/* Shrink caches: drop clean page cache, dentries, inodes and empty slabs. */
static void give_back(void)
{
	char path[PATH_MAX];
	struct dirent *d;
	DIR *dir;

	egm_write("/proc/sys/vm/drop_caches", "3");
	dir = opendir("/sys/kernel/slab");
	while (dir && (d = readdir(dir))) {
		snprintf(path, sizeof(path), "/sys/kernel/slab/%s/shrink", d->d_name);
		egm_write(path, "1");
	}
	if (dir)
		closedir(dir);
}

static int read_slabinfo(struct cache *caches)
{
	char line[512];
	int n = 0;
	FILE *f = fopen("/proc/slabinfo", "r");

	while (f && n < MAX_CACHES && fgets(line, sizeof(line), f)) {
		int got = sscanf(line, "%63s %ld", caches[n].name, &caches[n].objects);

		if (got == 2 && !is_debug_cache(caches[n].name))
			n++;
	}
	if (f)
		fclose(f);
	return n;
}

/*
 * Active objects of every slab cache, the fewest of several samples: the shrinker spares a used
 * dentry once, frees its parent afterwards, and an object that is freed by RCU counts until a
 * grace period is over. A leaked object is in every sample.
 */
static int slab_objects(struct cache *caches)
{
	static struct cache now[MAX_CACHES];
	int n = 0, m, i, j, look;

	for (look = 0; look < LOOKS; look++) {
		if (look)
			usleep(200000);
		give_back();
		m = read_slabinfo(now);
		if (!look) {
			memcpy(caches, now, sizeof(now));
			n = m;
		}
		for (i = 0; i < n; i++)
			for (j = 0; j < m; j++)
				if (!strcmp(caches[i].name, now[j].name) &&
				    now[j].objects < caches[i].objects)
					caches[i].objects = now[j].objects;
	}
	return n;
}

/* Lines of /proc/vmallocinfo: kernel mappings that were left behind. */
static int vmalloc_areas(void)
{
	char line[512];
	int n = 0;
	FILE *f = fopen("/proc/vmallocinfo", "r");

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		n += !!strstr(line, "memremap") + !!strstr(line, "ioremap");
	fclose(f);
	return n;
}

FIXTURE(stress) {
	struct region region[MAX_NODES];
	int regions;
	int cycles;
};

FIXTURE_SETUP(stress)
{
	const char *cycles = getenv("EGM_CYCLES");
	struct region *r;
	struct dirent *d;
	DIR *dir;

	self->cycles = cycles ? atoi(cycles) : 200;
	/* A cache may grow by less than half the cycles, which must be 1 at least. */
	ASSERT_LE(2, self->cycles);
	dir = opendir(EGM_CLASS);
	ASSERT_NE(NULL, dir);
	while ((d = readdir(dir)) && self->regions < MAX_NODES) {
		if (d->d_name[0] == '.')
			continue;
		r = &self->region[self->regions++];
		snprintf(r->node, sizeof(r->node), "/dev/%.20s", d->d_name);
		setenv("EGM_NODE", r->node, 1);
		r->gpus = egm_gpus(r->gpu);
		ASSERT_LE(1, r->gpus);
	}
	closedir(dir);
	ASSERT_LE(1, self->regions);
}

FIXTURE_TEARDOWN(stress)
{
	int i;

	for (i = 0; i < self->regions; i++) {
		setenv("EGM_NODE", self->region[i].node, 1);
		EXPECT_TRUE(egm_bind_all(self->region[i].gpu, self->region[i].gpus));
	}
}

static void run(struct __test_metadata *_metadata, struct region *region,
		int regions, int cycles)
{
	pid_t users[WORKERS], churners[MAX_NODES];
	size_t len = WORKERS * sizeof(unsigned long);
	unsigned long *uses;
	int i, status;

	uses = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, uses);
	for (i = 0; i < WORKERS; i++) {
		users[i] = fork();
		if (!users[i])
			user(region[i % regions].node, i + 1, &uses[i]);
		ASSERT_LT(0, users[i]);
	}
	for (i = 0; i < regions; i++) {
		churners[i] = fork();
		if (!churners[i])
			churn(&region[i], 100 + i, cycles);
		ASSERT_LT(0, churners[i]);
	}
	for (i = 0; i < regions; i++) {
		EXPECT_EQ(churners[i], waitpid(churners[i], &status, 0));
		EXPECT_EQ(0, status);
	}
	for (i = 0; i < WORKERS; i++) {
		/* Every user must live until this kill. */
		EXPECT_EQ(0, waitpid(users[i], &status, WNOHANG));
		kill(users[i], SIGKILL);
		waitpid(users[i], &status, 0);
		EXPECT_LT(0, uses[i]);
	}
	munmap(uses, len);
	sleep(1);
	/* A last user may have stood in the way of the last bind. */
	for (i = 0; i < regions; i++) {
		setenv("EGM_NODE", region[i].node, 1);
		EXPECT_TRUE(egm_bind_again());
		/* A worker at a block has a kernel mapping of it. */
		EXPECT_TRUE(egm_wait_zeroed());
	}
}

TEST_F_TIMEOUT(stress, bind_and_unbind_under_users, 6000)
{
	struct cache *before = calloc(MAX_CACHES, sizeof(*before));
	struct cache *after = calloc(MAX_CACHES, sizeof(*after));
	int areas, i, j, nb, na, warm = self->cycles / 10;

	/* Warm the caches, so that what grows after this grows with the cycles. */
	run(_metadata, self->region, self->regions, warm);
	nb = slab_objects(before);
	areas = vmalloc_areas();
	ASSERT_LE(0, areas);
	run(_metadata, self->region, self->regions, self->cycles);
	na = slab_objects(after);

	ASSERT_LT(20, nb);
	EXPECT_EQ(areas, vmalloc_areas());
	for (i = 0; i < na; i++) {
		for (j = 0; j < nb; j++)
			if (!strcmp(after[i].name, before[j].name))
				break;
		if (j == nb)
			continue;
		EXPECT_GT(before[j].objects + self->cycles / 2, after[i].objects)
			TH_LOG("%s: %ld objects before, %ld after", after[i].name,
			       before[j].objects, after[i].objects);
	}
	free(before);
	free(after);
}

TEST_HARNESS_MAIN
