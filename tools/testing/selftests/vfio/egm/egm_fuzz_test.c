// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random operations on a region, each compared with a model of what it must do.
 *
 * In the environment: EGM_SEED repeats a run, EGM_OPS is how many operations (20000).
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#define _GNU_SOURCE
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "egm_harness.h"
#include "egm_fuzz.h"

static sigjmp_buf back;
static volatile int caught;
static uint64_t state;
static uint64_t region_pages;
static unsigned long step;
static char why[PATH_MAX + 256];

static unsigned int pick(unsigned int n)
{
	/* xorshift64* */
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (uint32_t)((state * 2685821657736338717ULL) >> 32) % n;
}

#define WRONG(...)	(snprintf(why, sizeof(why), __VA_ARGS__), false)
#define MUST(cond, ...)	((cond) || WRONG(__VA_ARGS__))

static void on_signal(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	caught = info->si_code;
	/* The early notice of a bad page comes outside of any touch. */
	if (info->si_code != BUS_MCEERR_AO)
		siglongjmp(back, 1);
}

/* The code of the signal that a load or a store raises, 0 for none. */
static int probe(unsigned int v, uint64_t *value, bool write)
{
	volatile uint64_t *p = (volatile uint64_t *)(arena + (size_t)v * page);

	if (sigsetjmp(back, 1))
		return caught;
	if (write)
		*p = *value;
	else
		*value = *p;
	return 0;
}

static int any_fd(void)
{
	int i, first = pick(MAX_FDS);

	for (i = 0; i < MAX_FDS; i++)
		if (fd_of[(first + i) % MAX_FDS] >= 0)
			return (first + i) % MAX_FDS;
	return -1;
}

static int free_fd(void)
{
	int i;

	for (i = 0; i < MAX_FDS; i++)
		if (fd_of[i] < 0)
			return i;
	return -1;
}

/* A range of the arena that often begins or ends where a block does. */
static void any_range(unsigned int *first, unsigned int *count)
{
	*first = pick(vpage_count);
	if (!pick(2))
		*first -= *first % per_block;
	*count = 1 + pick(pick(2) ? 8 : 3 * per_block);
	if (!pick(2))
		*count = (*count + per_block - 1) / per_block * per_block;
	if (*count > vpage_count - *first)
		*count = vpage_count - *first;
}

static void *at(unsigned int v)
{
	return arena + (size_t)v * page;
}

static bool op_open(void)
{
	int slot = free_fd(), fd;

	if (slot < 0)
		return true;
	fd = egm_open();
	if (!bound)
		return MUST(fd < 0, "open succeeds without a driver");
	if (fd < 0)
		return WRONG("open: %s", strerror(errno));
	fd_of[slot] = fd;
	file_of[slot] = model_open();
	return true;
}

static void close_slot(int slot)
{
	close(fd_of[slot]);
	fd_of[slot] = -1;
	files[file_of[slot]].fds--;
	model_put(file_of[slot]);
}

static bool op_close(void)
{
	int slot = any_fd();

	if (slot >= 0)
		close_slot(slot);
	return true;
}

static bool op_pass(void)
{
	int from = any_fd(), to = free_fd(), pair[2];

	if (from < 0 || to < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		return true;
	egm_send_fd(pair[0], fd_of[from]);
	fd_of[to] = egm_receive_fd(pair[1]);
	close(pair[0]);
	close(pair[1]);
	if (fd_of[to] < 0)
		return WRONG("a descriptor is lost in a socket");
	file_of[to] = file_of[from];
	files[file_of[to]].fds++;
	return true;
}

static bool op_mmap(void)
{
	static const int prots[] = { PROT_READ, PROT_WRITE, PROT_READ | PROT_WRITE, PROT_NONE };
	int slot = any_fd(), prot = prots[pick(8) ? 2 : pick(4)], want, flags = MAP_FIXED;
	unsigned int first, count;
	bool shared = pick(16);
	uint64_t rpage;
	void *p;

	if (slot < 0)
		return true;
	any_range(&first, &count);
	/* Congruent as a rule, for huge entries. */
	rpage = pick(rpages);
	if (pick(4))
		rpage = rpage - rpage % per_block + first % per_block;
	if (rpage + count > rpages) {
		if (pick(8))
			return true;
		rpage = region_pages - pick(count);
	}
	if (!pick(64))
		rpage += 1ULL << (44 + pick(8) - (page > 4096 ? 4 : 0));
	flags |= !shared ? MAP_PRIVATE : pick(2) ? MAP_SHARED : MAP_SHARED_VALIDATE;
	flags |= pick(8) ? 0 : MAP_POPULATE;
	want = model_mmap_errno(file_of[slot], rpage, count, shared, region_pages);
	p = mmap(at(first), (size_t)count * page, prot, flags, fd_of[slot], rpage * page);
	if (p == MAP_FAILED) {
		/* An offset that is none is refused by mm, before it asks the driver. */
		if (want && errno == EOVERFLOW)
			return true;
		/* After that mm cannot put back what was mapped there, and unmaps it. */
		model_split(first, count);
		model_unmap(first, count);
		return MUST(errno == want, "mmap of %u pages at %#llx: %s, not %s", count,
			    (unsigned long long)rpage, strerror(errno), strerror(want));
	}
	if (want)
		return WRONG("mmap of %u pages at %#llx succeeds, not %s", count,
			     (unsigned long long)rpage, strerror(want));
	model_split(first, count);
	model_map(first, count, file_of[slot], rpage, prot);
	return true;
}

static bool op_munmap(void)
{
	unsigned int first, count;

	any_range(&first, &count);
	if (munmap(at(first), (size_t)count * page))
		return WRONG("munmap: %s", strerror(errno));
	model_split(first, count);
	model_unmap(first, count);
	return true;
}

static bool op_mprotect(void)
{
	static const int prots[] = { PROT_READ, PROT_READ | PROT_WRITE, PROT_NONE };
	int prot = prots[pick(3)];
	unsigned int first, count, i;

	any_range(&first, &count);
	for (i = 0; i < count; i++)
		if (vpages[first + i].file == NOBODY)
			return true;
	if (mprotect(at(first), (size_t)count * page, prot))
		return WRONG("mprotect: %s", strerror(errno));
	model_split(first, count);
	for (i = 0; i < count; i++)
		vpages[first + i].prot = prot;
	return true;
}

static bool op_mremap(void)
{
	unsigned int from, to, count, i;
	struct vpage moved[64];
	void *p;

	any_range(&from, &count);
	count = count > 64 ? 64 : count;
	to = pick(vpage_count - count);
	if ((to < from + count && from < to + count) || !model_one_vma(from, count))
		return true;
	if (!pick(4)) {
		p = mremap(at(from), (size_t)count * page, (size_t)(count + 1) * page,
			   MREMAP_MAYMOVE);
		return MUST(p == MAP_FAILED && errno == EFAULT, "mremap grows a mapping");
	}
	p = mremap(at(from), (size_t)count * page, (size_t)count * page,
		   MREMAP_MAYMOVE | MREMAP_FIXED, at(to));
	if (p == MAP_FAILED)
		return WRONG("mremap of %u pages: %s", count, strerror(errno));
	memcpy(moved, &vpages[from], count * sizeof(*moved));
	model_split(from, count);
	model_split(to, count);
	/* Moved, not dropped: the file keeps its references. */
	files[moved[0].file].vpages += count;
	model_unmap(to, count);
	model_unmap(from, count);
	last_vma++;
	for (i = 0; i < count; i++) {
		vpages[to + i] = moved[i];
		vpages[to + i].vma = last_vma;
	}
	return true;
}

static bool op_madvise(void)
{
	static const int advice[] = { MADV_DONTNEED, MADV_HUGEPAGE, MADV_NOHUGEPAGE,
				      MADV_RANDOM, MADV_COLD, MADV_PAGEOUT, MADV_FREE };
	unsigned int first, count;

	/* Whatever is said of it: the content stays. */
	any_range(&first, &count);
	madvise(at(first), (size_t)count * page, advice[pick(ARRAY_SIZE(advice))]);
	/* Some of that splits a VMA. */
	model_split(first, count);
	return true;
}

static bool touch(bool write)
{
	unsigned int v = pick(vpage_count), i;
	uint64_t value = step | 1ULL << 63;
	int want, got;

	/* Most of the arena may be empty. */
	for (i = 0; i < 64 && vpages[v].file == NOBODY; i++)
		v = pick(vpage_count);
	want = model_touch(v, write);
	got = probe(v, &value, write);
	if (got != want)
		return WRONG("page %u (%u of the region), %s: signal code %d, not %d", v,
			     vpages[v].rpage, write ? "store" : "load", got, want);
	if (got)
		return true;
	if (write)
		content[vpages[v].rpage] = value;
	return MUST(value == content[vpages[v].rpage], "page %u of the region has %#llx, not %#llx",
		    vpages[v].rpage, (unsigned long long)value,
		    (unsigned long long)content[vpages[v].rpage]);
}

static bool op_touch(void)
{
	return touch(pick(2));
}

/* A child sees what its parent does. */
static bool op_fork(void)
{
	int i, status;
	pid_t child;

	child = fork();
	if (child < 0)
		return WRONG("fork: %s", strerror(errno));
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (i = 0; i < 8; i++)
			if (!touch(false))
				_exit(1);
		_exit(0);
	}
	waitpid(child, &status, 0);
	return MUST(status == 0, "a child disagrees: %#x", status);
}

static bool op_seek(void)
{
	int slot = any_fd();
	off_t end;

	if (slot < 0)
		return true;
	end = lseek(fd_of[slot], 0, SEEK_END);
	if (files[file_of[slot]].gone)
		return MUST(end < 0 && errno == ENODEV, "SEEK_END of a file that is gone: %lld",
			    (long long)end);
	if (end != (off_t)(region_pages * page))
		return WRONG("SEEK_END: %lld", (long long)end);
	if (lseek(fd_of[slot], -1, SEEK_SET) >= 0 || lseek(fd_of[slot], 1, SEEK_END) >= 0)
		return WRONG("a seek out of the region succeeds");
	return MUST(read(fd_of[slot], why, 1) < 0 && errno == EINVAL, "read is not refused");
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
	l.head.argsz = pick(8);
	if (!pick(4))
		return MUST(ioctl(fd_of[slot], EGM_RETIRED_PAGES_LIST, &l) &&
			    (errno == EINVAL || errno == ENODEV), "argsz %u is not refused",
			    l.head.argsz);
	err = get_list(fd_of[slot], &l);
	if (files[file_of[slot]].gone)
		return MUST(err == ENODEV, "the list of a region that is gone: %s", strerror(err));
	if (err)
		return WRONG("EGM_RETIRED_PAGES_LIST: %s", strerror(err));
	for (i = 0; i < l.head.count; i++) {
		if ((i && l.pages[i].offset <= end) || !l.pages[i].size ||
		    l.pages[i].offset + l.pages[i].size > region_pages * page)
			return WRONG("entry %u of the list is out of order or of the region", i);
		end = l.pages[i].offset + l.pages[i].size;
	}
	for (i = 0; i < rpages; i++)
		if (listed[i] && !l.head.count)
			return WRONG("a bad page is not on the list");
	return true;
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
			    "poll of a file that is gone: %#x", pfd.revents);
	return MUST(!(pfd.revents & ~POLLPRI), "poll: %#x", pfd.revents);
}

static bool op_sysfs(void)
{
	static const char *const name[] = { "egm_size", "gpu_devices", "numa_node",
					    "scrub_pending", "retired_bytes", "uevent", "dev" };
	char path[PATH_MAX], line[128];

	snprintf(path, sizeof(path), EGM_CLASS "/%s/%s", egm_name(), name[pick(ARRAY_SIZE(name))]);
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

	if (model_touch(v, false) || listed[r] || bad_pages >= 12)
		return true;
	if (inject((uint64_t)r * page))
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
	/* Refused while a file of before is there. */
	if (pick(2)) {
		for (i = 0; i < MAX_FDS; i++)
			if (fd_of[i] >= 0)
				close_slot(i);
		munmap(arena, (size_t)vpage_count * page);
		model_unmap(0, vpage_count);
	}
	for (i = 0; i < MAX_FILES && !files[i].fds && !files[i].vpages; i++)
		;
	err = egm_adev_bind();
	if (i < MAX_FILES)
		return MUST(err == EBUSY, "bind under an old file: %s", strerror(err));
	if (err)
		return WRONG("bind: %s", strerror(err));
	model_new_region();
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
};

FIXTURE(fuzz) {
	struct sigaction bus, segv;
};

FIXTURE_SETUP(fuzz)
{
	struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	int i, fd;

	egm_adev_unbind();
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
	for (i = 0; i < MAX_VPAGES; i++)
		vpages[i].file = NOBODY;
	model_new_region();
	/* Aligned like the region; only what is mapped there by the test is in it. */
	arena = mmap(NULL, (ARENA_BLOCKS + 1) * EGM_BLOCK, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_NE(MAP_FAILED, arena);
	munmap(arena, (ARENA_BLOCKS + 1) * EGM_BLOCK);
	arena = (char *)(((uintptr_t)arena + EGM_BLOCK - 1) & ~(EGM_BLOCK - 1));
	sigaction(SIGBUS, &action, &self->bus);
	sigaction(SIGSEGV, &action, &self->segv);
}

FIXTURE_TEARDOWN(fuzz)
{
	int i;

	sigaction(SIGBUS, &self->bus, NULL);
	sigaction(SIGSEGV, &self->segv, NULL);
	munmap(arena, ARENA_BLOCKS * EGM_BLOCK);
	for (i = 0; i < MAX_FDS; i++)
		if (fd_of[i] >= 0)
			close(fd_of[i]);
	egm_set_workers(4);
	egm_adev_unbind();
	EXPECT_EQ(0, egm_adev_bind());
}

TEST_F_TIMEOUT(fuzz, agrees_with_a_model, 7200)
{
	const char *env = getenv("EGM_SEED"), *many = getenv("EGM_OPS");
	unsigned long count = many ? strtoul(many, NULL, 0) : 20000, done[ARRAY_SIZE(ops)] = { };
	uint64_t seed = env ? strtoull(env, NULL, 0) : (uint64_t)time(NULL);
	unsigned int i, sum = 0, n;

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
