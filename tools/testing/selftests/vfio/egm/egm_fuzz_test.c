// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random operations on a region, each compared with a model of what it must do.
 *
 * In the environment: EGM_SEED repeats a run, EGM_OPS is how many operations (20000).
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <poll.h>
#include <sys/random.h>

#include "egm_fuzz_dma.h"

static bool op_seek(void)
{
	int slot = any_fd();
	off_t end;

	if (slot < 0)
		return true;
	end = lseek(fd_of[slot], 0, SEEK_END);
	if (files[file_of[slot]].gone)
		return MUST(end < 0 && errno == ENODEV, "SEEK_END of a revoked file: %lld",
			    (long long)end);
	if (end != (off_t)(region_pages * page))
		return WRONG("SEEK_END: %lld", (long long)end);
	if (lseek(fd_of[slot], -1, SEEK_SET) >= 0 || lseek(fd_of[slot], 1, SEEK_END) >= 0)
		return WRONG("a seek out of the region succeeds");
	return MUST(read(fd_of[slot], why, 1) < 0 && errno == EINVAL, "read is not refused");
}

/* Of the pages that the test uses, are exactly the bad ones on the list? */
static bool listed_as_is(const struct list *l)
{
	uint64_t start = 0, end = 0;
	unsigned int i = 0, r;

	for (r = 0; r < rpages; r++) {
		while (i < l->head.count && end <= (uint64_t)r * page) {
			start = l->pages[i].offset;
			end = start + l->pages[i].size;
			i++;
		}
		if ((start <= (uint64_t)r * page && (uint64_t)r * page < end) != listed[r])
			return WRONG("page %u of the region is %son the list", r,
				     listed[r] ? "not " : "");
	}
	return true;
}

static bool op_ioctl(void)
{
	int slot = any_fd(), err;
	struct list l;
	uint64_t end = 0;
	unsigned int i;

	if (slot < 0)
		return true;
	if (!pick(4)) {
		i = pick(256);
		i += i >= 100;
		return MUST(ioctl(fd_of[slot], _IO(EGM_TYPE, i), NULL) && errno == ENOTTY,
			    "command %u is not refused", i);
	}
	if (!pick(4)) {
		l.head.argsz = pick(8);
		return MUST(ioctl(fd_of[slot], EGM_RETIRED_PAGES_LIST, &l) &&
			    (errno == EINVAL || errno == ENODEV), "argsz %u is not refused",
			    l.head.argsz);
	}
	err = get_list(fd_of[slot], &l);
	if (files[file_of[slot]].gone)
		return MUST(err == ENODEV, "the list of a revoked file: %s", strerror(err));
	if (err)
		return WRONG("EGM_RETIRED_PAGES_LIST: %s", strerror(err));
	for (i = 0; i < l.head.count; i++) {
		if ((i && l.pages[i].offset <= end) || !l.pages[i].size ||
		    l.pages[i].offset + l.pages[i].size > region_pages * page)
			return WRONG("entry %u of the list is out of order or of the region", i);
		end = l.pages[i].offset + l.pages[i].size;
	}
	return listed_as_is(&l);
}

static bool op_poll(void)
{
	struct pollfd pfd = { .events = POLLPRI | POLLIN };
	int slot = any_fd();

	if (slot < 0)
		return true;
	pfd.fd = fd_of[slot];
	poll(&pfd, 1, 0);
	if (files[file_of[slot]].gone)
		return MUST((pfd.revents & (POLLERR | POLLHUP)) == (POLLERR | POLLHUP),
			    "poll of a revoked file: %#x", pfd.revents);
	return MUST(!(pfd.revents & ~POLLPRI), "poll: %#x", pfd.revents);
}

static bool op_sysfs(void)
{
	static const char *const name[] = { "egm_size", "gpu_devices", "numa_node",
					    "scrub_pending", "retired_bytes", "uevent", "dev" };
	const char *path = egm_attr(name[pick(ARRAY_SIZE(name))]);
	char line[128];

	egm_read_line(path, line, sizeof(line));
	if (!pick(8))
		egm_set_workers(pick(4));
	return MUST(bound == !!line[0], "%s of a region that is %sbound: \"%s\"", path,
		    bound ? "" : "not ", line);
}

/* A page that this process maps goes bad, and is unmapped wherever it is. */
static bool op_poison(void)
{
	unsigned int v = pick(vpage_count), r = vpages[v].rpage;

	if (model_touch(v, false) || listed[r] || bad_pages >= MAX_BAD)
		return true;
	/* Touch the block first: a bad page of a dirty block keeps its content. */
	if (egm_touch(at(v), 0) || inject((uint64_t)r * page))
		return WRONG("hard_offline_page is refused");
	if (touch_until_blocked(at(v)) != BUS_MCEERR_AR)
		return WRONG("a bad page stays mapped");
	bad_pages++;
	blocked[r] = true;
	listed[r] = true;
	return true;
}

static bool op_bind(void)
{
	int i, err;

	if (bound) {
		if (egm_adev_unbind())
			return WRONG("unbind fails");
		for (i = 0; i < MAX_FILES; i++)
			files[i].gone = true;
		bound = false;
		return true;
	}
	/* bind fails with EBUSY while a revoked file is open, mapped or mapped for DMA. */
	if (pick(2)) {
		for (i = 0; i < MAX_FDS; i++)
			if (fd_of[i] >= 0)
				close_slot(i);
		munmap(arena, (size_t)vpage_count * page);
		model_unmap(0, vpage_count);
		if (pick(2) && !dma_open_again())
			return false;
	}
	for (i = 0; i < MAX_FILES && !model_alive(i); i++)
		;
	if (i == MAX_FILES && bad_pages >= MAX_BAD) {
		model_new_region(true);
		return MUST(forget_bad_pages(), "the driver does not forget");
	}
	err = egm_adev_bind();
	if (i < MAX_FILES)
		return MUST(err == EBUSY, "bind under an old file: %s", strerror(err));
	if (err)
		return WRONG("bind: %s", strerror(err));
	model_new_region(false);
	return true;
}

/* How often, of all. */
static const struct {
	const char *name;
	bool (*run)(void);
	unsigned int weight;
} ops[] = {
	{ "touch", op_touch, 4000 }, { "mmap", op_mmap, 600 }, { "munmap", op_munmap, 300 },
	{ "open", op_open, 300 }, { "close", op_close, 250 }, { "pass", op_pass, 200 },
	{ "mprotect", op_mprotect, 300 }, { "mremap", op_mremap, 300 },
	{ "madvise", op_madvise, 200 }, { "seek", op_seek, 100 }, { "ioctl", op_ioctl, 200 },
	{ "poll", op_poll, 100 }, { "sysfs", op_sysfs, 50 }, { "fork", op_fork, 20 },
	{ "poison", op_poison, 10 }, { "bind", op_bind, 10 },
	{ "dma file", op_dma_file, 100 }, { "dma addr", op_dma_address, 100 },
	{ "dma end", op_dma_unmap, 150 },
};

FIXTURE(fuzz) {
	int workers;
};

FIXTURE_SETUP(fuzz)
{
	struct sigaction action = { .sa_sigaction = egm_on_signal, .sa_flags = SA_SIGINFO };
	int i, fd;

	self->workers = egm_workers();
	ASSERT_TRUE(forget_bad_pages());
	/* All of it dirty. */
	ASSERT_EQ(0, egm_adev_unbind());
	ASSERT_EQ(0, egm_adev_bind());
	page = sysconf(_SC_PAGESIZE);
	per_block = EGM_BLOCK / page;
	rpages = BLOCKS * per_block;
	vpage_count = ARENA_BLOCKS * per_block;
	fd = egm_open();
	ASSERT_LE(0, fd);
	region_pages = egm_size(fd) / page;
	close(fd);
	for (i = 0; i < MAX_FDS; i++)
		fd_of[i] = -1;
	for (i = 0; i < MAX_DMA; i++)
		dma_file[i] = NO_FILE;
	if (iommufd_missing())
		TH_LOG("without DMA: %s", iommufd_missing());
	else
		ASSERT_TRUE(dma_open());
	for (i = 0; i < MAX_VPAGES; i++)
		vpages[i].file = NO_FILE;
	model_new_region(true);
	/* Aligned like the region; only the test maps anything in it. */
	arena = mmap(NULL, (ARENA_BLOCKS + 1) * EGM_BLOCK, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_NE(MAP_FAILED, arena);
	munmap(arena, (ARENA_BLOCKS + 1) * EGM_BLOCK);
	arena = (char *)(((uintptr_t)arena + EGM_BLOCK - 1) & ~(EGM_BLOCK - 1));
	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
}

/* The kernel has unmapped the mappings of the test's process and closed its files. */
FIXTURE_TEARDOWN_PARENT(fuzz)
{
	egm_set_workers(self->workers);
	EXPECT_TRUE(forget_bad_pages());
}

TEST_F_TIMEOUT(fuzz, agrees_with_a_model, 7200)
{
	const char *env = getenv("EGM_SEED"), *many = getenv("EGM_OPS");
	unsigned long count = many ? strtoul(many, NULL, 0) : 20000, done[ARRAY_SIZE(ops)] = { };
	unsigned int i, sum = 0, n;
	uint64_t seed;

	/* Not the time: a machine without a clock starts at the same one each time. */
	if (env)
		seed = strtoull(env, NULL, 0);
	else
		ASSERT_EQ(sizeof(seed), getrandom(&seed, sizeof(seed), 0));
	state = seed ? seed : 1;
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		sum += ops[i].weight;
	TH_LOG("EGM_SEED=%llu, %lu operations", (unsigned long long)seed, count);
	for (step = 1; step <= count; step++) {
		n = pick(sum);
		for (i = 0; n >= ops[i].weight; i++)
			n -= ops[i].weight;
		done[i]++;
		if (!ops[i].run())
			break;
	}
	if (step <= count)
		TH_LOG("EGM_SEED=%llu, operation %lu, %s: %s", (unsigned long long)seed, step,
		       ops[i].name, why);
	EXPECT_LT(count, step);
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		TH_LOG("%-8s %lu times", ops[i].name, done[i]);
}

TEST_HARNESS_MAIN
