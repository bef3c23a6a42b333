// SPDX-License-Identifier: GPL-2.0-only
/*
 * egm_bench_share [-n SAMPLES] [-r] - what the users of a region cost each other
 *
 * Prints a JSON object for each measurement. The region is EGM_NODE, or /dev/egm4. With -r only
 * the rates, on 4 CPUs. As "case":
 *
 *	wait-alone	a thread maps 512 dirty MiB for DMA ("map"), or touches them ("touch")
 *	wait-closes	like wait-alone, while another process opens and closes the node
 *	wait-two	the slower one of two threads that each map 512 dirty MiB for DMA
 *	stall-alone	the longest fault and mmap of a process in 3 s
 *	stall-pages	like stall-alone, while a process faults in pages and is preempted
 *	stall-huge	like stall-alone, while a process faults in huge entries
 *	stall-memcg	like stall-alone, while a process maps at the limit of its memory cgroup
 *	rate-N		faults a second of N processes on memory in use, together
 *	rate-memfd-N	faults a second of N processes on pages of a memfd
 *	rate-calls-N	system calls a second of N processes
 *	rate4-...	the rates on a machine of 4 CPUs
 *	incongruent	1 GiB where no huge entry fits: mmap of dirty memory, faults, and a
 *			touch of it when it is zero already
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#define _GNU_SOURCE
#include <linux/memfd.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "egm_bench_region.h"
#include "egm_iommufd.h"
#include "egm_memcg.h"

#define PART		(BENCH_LEN / 2)
#define SMALL		(16 * EGM_BLOCK)
#define RATE_MAX	4

/* Of all processes. */
static struct {
	int ready;
	int go;
	double value[RATE_MAX];
} *shared;

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		bench_die("no CPU %d", cpu);
}

/* A child that ends with this process, or when it is killed. */
static pid_t child(void)
{
	pid_t pid = fork();

	if (pid < 0)
		bench_die("fork: %s", strerror(errno));
	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

static void end(pid_t pid)
{
	if (waitpid(pid, NULL, WNOHANG))
		bench_die("a child has ended early");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Zeroes all of the range before it returns. */
static void map_dma(int fd, uint64_t offset, size_t len)
{
	int err = use_for_dma(fd, offset, len);

	if (err)
		bench_die("map for DMA: %s", strerror(err));
}

static void measure_wait(const char *name, bool others)
{
	int fd = -1;
	pid_t pid;
	double t;
	char *p;

	make_dirty();
	set_workers(4);
	pid = others ? child() : -1;
	while (!pid) {
		close(open_region());
		usleep(2000);
	}
	fd = open_region();
	t = bench_now();
	map_dma(fd, 0, PART);
	bench_lap(name, "map", &t);
	p = map_range(fd, PART, PART);
	t = bench_now();
	bench_touch_huge(p, PART);
	bench_lap(name, "touch", &t);
	if (others)
		end(pid);
	set_workers(0);
	bench_unmap(p, PART);
	close(fd);
}

static void wait_for(int *flag, int value)
{
	while (__atomic_load_n(flag, __ATOMIC_ACQUIRE) < value)
		usleep(100);
}

static void measure_two(void)
{
	double t, worst = 0;
	pid_t pid[2];
	int i, fd;

	make_dirty();
	memset(shared, 0, sizeof(*shared));
	for (i = 0; i < 2; i++) {
		pid[i] = child();
		if (pid[i])
			continue;
		fd = open_region();
		__atomic_add_fetch(&shared->ready, 1, __ATOMIC_RELEASE);
		wait_for(&shared->go, 1);
		t = bench_now();
		map_dma(fd, i * PART, PART);
		shared->value[i] = bench_now() - t;
		_exit(0);
	}
	wait_for(&shared->ready, 2);
	__atomic_store_n(&shared->go, 1, __ATOMIC_RELEASE);
	for (i = 0; i < 2; i++) {
		waitpid(pid[i], NULL, 0);
		worst = shared->value[i] > worst ? shared->value[i] : worst;
	}
	bench_add("wait-two", "map", "us", worst);
}

/* Map and fault without end, by pages or by huge entries. */
static void __noreturn fault_forever(bool pages)
{
	int fd = open_region();

	for (;;) {
		char *p = map_range(fd, 0, SMALL);

		if (pages)
			madvise(p, SMALL, MADV_NOHUGEPAGE);
		bench_touch_huge(p, SMALL);
		munmap(p, SMALL);
	}
}

static void fault_pages(void)
{
	fault_forever(true);
}

static void fault_huge(void)
{
	fault_forever(false);
}

static void enter_memcg(void)
{
	if (!memcg_enter())
		bench_die("cannot enter the memory cgroup");
}

static void press_memcg(void)
{
	enter_memcg();
	memcg_press();
}

/* Map where no huge entry fits and fault, in a memory cgroup at its limit. */
static void fault_in_memcg(void)
{
	int fd = open_region();

	enter_memcg();
	for (;;) {
		char *p = egm_map_populated(fd, 0, SMALL);

		if (p == MAP_FAILED)
			bench_die("mmap at the limit: %s", strerror(errno));
		bench_touch_huge(p, SMALL);
		munmap(p, SMALL);
	}
}

/* Occupy this CPU for 0.8 s at a time, by real-time priority. */
static void hog(void)
{
	struct sched_param param = { .sched_priority = 10 };
	double t;

	if (sched_setscheduler(0, SCHED_FIFO, &param))
		bench_die("SCHED_FIFO: %s", strerror(errno));
	for (;;) {
		t = bench_now();
		while (bench_now() - t < 8e5)
			;
		usleep(60000);
	}
}

/* Measure while two processes on CPU 0 do @one and @other, or alone if @one is NULL. */
static void measure_stall(const char *name, void (*one)(void), void (*other)(void))
{
	double until, t, took, fault = 0, map = 0;
	pid_t pid[2] = { -1, -1 };
	int fd, i;
	size_t at;
	char *p;

	for (i = 0; i < 2 && one; i++) {
		pid[i] = child();
		if (pid[i])
			continue;
		pin(0);
		(i ? other : one)();
	}
	usleep(300000);
	pin(1);
	fd = open_region();
	until = bench_now() + 3e6;
	while (bench_now() < until) {
		t = bench_now();
		p = map_range(fd, 4 * SMALL, 2 * SMALL);
		took = bench_now() - t;
		map = took > map ? took : map;
		for (at = 0; at < 2 * SMALL; at += EGM_BLOCK) {
			t = bench_now();
			bench_touch(p + at, BENCH_STEP);
			took = bench_now() - t;
			fault = took > fault ? took : fault;
		}
		munmap(p, 2 * SMALL);
	}
	close(fd);
	for (i = 0; i < 2 && one; i++)
		end(pid[i]);
	bench_add(name, "fault_max", "us", fault);
	bench_add(name, "mmap_max", "us", map);
}

static void start_rate(int cpu)
{
	pin(cpu);
	__atomic_add_fetch(&shared->ready, 1, __ATOMIC_RELEASE);
	wait_for(&shared->go, 1);
}

/*
 * Faults a second of one process, for half a second, on memory that is in use: many between
 * two calls of munmap, for which an emulator stops all CPUs.
 */
static double rate_of_file(int cpu, int fd, off_t offset, size_t len, size_t step)
{
	double t, took = 0, until;
	long faults = 0;
	size_t at;
	char *p;

	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
	bench_touch(p, len);
	munmap(p, len);
	start_rate(cpu);
	until = bench_now() + 5e5;
	while (bench_now() < until) {
		p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
		t = bench_now();
		for (at = 0; at < len; at += step, faults++)
			bench_touch(p + at, BENCH_STEP);
		took += bench_now() - t;
		munmap(p, len);
	}
	return faults / (took / 1e6);
}

static double rate_of_region(int cpu)
{
	size_t len = BENCH_LEN / RATE_MAX;

	return rate_of_file(cpu, open_region(), cpu * len, len, EGM_BLOCK);
}

static double rate_of_memfd(int cpu)
{
	int fd = memfd_create("bench", 0);

	if (fd < 0 || ftruncate(fd, SMALL))
		bench_die("memfd: %s", strerror(errno));
	return rate_of_file(cpu, fd, 0, SMALL, BENCH_STEP);
}

/* System calls that do nothing: an upper bound for calls that enter the kernel. */
static double rate_of_calls(int cpu)
{
	double start, now;
	long calls = 0;
	int i;

	start_rate(cpu);
	start = bench_now();
	do {
		for (i = 0; i < 100; i++, calls++)
			getppid();
		now = bench_now();
	} while (now - start < 5e5);
	return calls / ((now - start) / 1e6);
}

static void measure_rate(const char *name, int processes, double (*rate)(int cpu))
{
	double sum = 0;
	int i;

	memset(shared, 0, sizeof(*shared));
	for (i = 0; i < processes; i++) {
		if (child())
			continue;
		shared->value[i] = rate(i);
		_exit(0);
	}
	wait_for(&shared->ready, processes);
	__atomic_store_n(&shared->go, 1, __ATOMIC_RELEASE);
	while (wait(NULL) > 0)
		;
	for (i = 0; i < processes; i++)
		sum += shared->value[i];
	bench_add(name, "rate", "/s", sum);
}

static void measure_incongruent(void)
{
	struct rusage before, after;
	double t;
	int fd;
	char *p;

	make_dirty();
	fd = open_region();
	t = bench_now();
	p = egm_map_populated(fd, 0, BENCH_LEN);
	if (p == MAP_FAILED)
		bench_die("mmap: %s", strerror(errno));
	bench_lap("incongruent", "mmap_dirty", &t);
	getrusage(RUSAGE_SELF, &before);
	bench_touch(p, BENCH_LEN);
	getrusage(RUSAGE_SELF, &after);
	bench_add("incongruent", "faults", "faults", after.ru_minflt - before.ru_minflt);
	bench_unmap(p, BENCH_LEN);
	t = bench_now();
	p = egm_map_populated(fd, 0, BENCH_LEN);
	bench_touch(p, BENCH_LEN);
	bench_lap("incongruent", "mmap_and_touch_zero", &t);
	bench_unmap(p, BENCH_LEN);
	close(fd);
}

static void measure_rates(void)
{
	measure_rate("rate-1", 1, rate_of_region);
	measure_rate("rate-2", 2, rate_of_region);
	measure_rate("rate-memfd-1", 1, rate_of_memfd);
	measure_rate("rate-memfd-2", 2, rate_of_memfd);
	measure_rate("rate-calls-1", 1, rate_of_calls);
	measure_rate("rate-calls-2", 2, rate_of_calls);
}

static void measure_rates_of_4(void)
{
	measure_rate("rate4-2", 2, rate_of_region);
	measure_rate("rate4-4", 4, rate_of_region);
	measure_rate("rate4-memfd-2", 2, rate_of_memfd);
	measure_rate("rate4-memfd-4", 4, rate_of_memfd);
}

static void measure_all(const cpu_set_t *all)
{
	measure_wait("wait-alone", false);
	measure_wait("wait-closes", true);
	measure_two();
	measure_incongruent();
	measure_stall("stall-alone", NULL, NULL);
	measure_stall("stall-pages", fault_pages, hog);
	measure_stall("stall-huge", fault_huge, hog);
	measure_stall("stall-memcg", fault_in_memcg, press_memcg);
	if (memcg_events("max ") <= 0)
		bench_die("no process reached the limit of the memory cgroup");
	sched_setaffinity(0, sizeof(*all), all);
	measure_rates();
}

int main(int argc, char **argv)
{
	int samples = 5, round, c;
	bool rates = false;
	const char *why;
	cpu_set_t all;

	while ((c = getopt(argc, argv, "n:r")) != -1) {
		if (c == 'n')
			samples = atoi(optarg);
		else if (c == 'r')
			rates = true;
		else
			samples = 0;
	}
	if (optind < argc || samples < 1 || samples > BENCH_MAX) {
		fputs("usage: egm_bench_share [-n SAMPLES] [-r]\n", stderr);
		return 2;
	}
	saved_workers = egm_workers();
	if (region_size() < BENCH_LEN)
		bench_die("%s is smaller than 1 GiB", egm_node());
	if (sysconf(_SC_NPROCESSORS_ONLN) < (rates ? RATE_MAX : 2))
		bench_die("there are too few CPUs");
	why = memcg_make();
	if (why)
		bench_die("%s", why);
	atexit(restore);
	sched_getaffinity(0, sizeof(all), &all);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	for (round = 0; round <= samples; round++) {
		fprintf(stderr, "# round %d of %d\n", round, samples);
		bench_keep = round > 0;
		if (rates)
			measure_rates_of_4();
		else
			measure_all(&all);
	}
	memcg_remove();
	bench_print();
	return 0;
}
