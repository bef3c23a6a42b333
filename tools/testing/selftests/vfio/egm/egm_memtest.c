// SPDX-License-Identifier: GPL-2.0-only
/*
 * egm_memtest MIB ROUNDS - fill MIB of memory with words, each derived from its address and the
 * pass. Each round then checks a word and writes the word of the next pass, the complement of
 * it every other time. The first 64th of the memory is written in the first round only, and
 * checked in every round. ROUNDS 0 does not end. Prints the physical address of the middle of
 * the memory and of a page table that each round uses, then a line for each round without an
 * error.
 *
 * Runs in a guest whose RAM is a region. It notices every lost write, since it checks each word
 * before it writes the next one.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <linux/kernel-page-flags.h>

#include "egm_util.h"

#define MIX		0x9e3779b97f4a7c15ULL
#define MIX_PASS	0xd1b54a32d192ed03ULL
/* Words that are compared with one branch: a branch for each is slow under emulation. */
#define GROUP		8

/* Words that were written in one pass. */
struct part {
	uint64_t *words;
	size_t count;
	uint64_t pass;
	uint64_t sum;
};

/* Word @p of a pass is mix(@p) ^ key(pass). mix() of the next address is larger by STEP. */
#define STEP		(MIX * sizeof(uint64_t))

static uint64_t mix(const uint64_t *p)
{
	return (uintptr_t)p * MIX;
}

static uint64_t key(uint64_t pass)
{
	return (pass / 2 * MIX_PASS) ^ -(pass % 2);
}

static uint64_t rotate(uint64_t sum)
{
	return sum << 1 | sum >> 63;
}

static void fill(struct part *part)
{
	uint64_t mixed = mix(part->words);
	size_t i;

	for (i = 0; i < part->count; i++, mixed += STEP) {
		part->words[i] = mixed ^ key(part->pass);
		part->sum = (i % GROUP ? part->sum : rotate(part->sum)) + part->words[i];
	}
}

static bool complain(const uint64_t *p, const uint64_t *got, uint64_t pass)
{
	unsigned int i;

	for (i = 0; got[i] == (mix(p + i) ^ key(pass)); i++)
		;
	printf("memtest: wrong word at %p, physical %#llx: %#llx, not %#llx of pass %llu\n",
	       (void *)(p + i), (unsigned long long)egm_physical(p + i),
	       (unsigned long long)got[i], (unsigned long long)(mix(p + i) ^ key(pass)),
	       (unsigned long long)pass);
	return false;
}

/* Does each word hold what the last pass wrote? With @write, write the next pass's there. */
static bool check(struct part *part, bool write)
{
	uint64_t was = key(part->pass), is = key(part->pass + 1);
	uint64_t mixed = mix(part->words), sum = 0, next_sum = 0;
	uint64_t got[GROUP], bad, *p;
	unsigned int i;

	/* The compiler must read every word from memory. */
	asm volatile("" : : : "memory");
	for (p = part->words; p < part->words + part->count; p += GROUP) {
		sum = rotate(sum);
		next_sum = rotate(next_sum);
		bad = 0;
#pragma GCC unroll 8
		for (i = 0; i < GROUP; i++, mixed += STEP) {
			got[i] = p[i];
			bad |= got[i] ^ mixed ^ was;
			sum += got[i];
			next_sum += mixed ^ is;
			if (write)
				p[i] = mixed ^ is;
		}
		if (bad)
			return complain(p, got, part->pass);
	}
	if (sum != part->sum) {
		printf("memtest: wrong checksum: %#llx, not %#llx of pass %llu\n",
		       (unsigned long long)sum, (unsigned long long)part->sum,
		       (unsigned long long)part->pass);
		return false;
	}
	if (write) {
		part->sum = next_sum;
		part->pass++;
	}
	return true;
}

/* More page frames than a guest has. */
#define FRAMES		0x100000

/* Read the flags of each page frame (KPF_* bits), from frame 0 on. Return the number of frames. */
static size_t read_frames(uint64_t *flags)
{
	int fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	size_t got = 0;
	ssize_t n;

	while (got < FRAMES &&
	       (n = pread(fd, flags + got, (FRAMES - got) * sizeof(*flags),
			  got * sizeof(*flags))) > 0)
		got += n / sizeof(*flags);
	close(fd);
	return got;
}

/* Have the kernel allocate a page table for @p. Return its physical address, or 0. */
static uint64_t make_page_table(char *p)
{
	const size_t size = FRAMES * sizeof(uint64_t);
	uint64_t is_table = 1ULL << KPF_PGTABLE, found = 0;
	uint64_t *before = malloc(size), *after = malloc(size);
	size_t count, i;

	if (!before || !after)
		return 0;
	/* The kernel must not allocate page tables for the buffers later. */
	memset(before, 0xff, size);
	memset(after, 0xff, size);
	read_frames(before);
	*p = 1;
	/* Write to @p before the second read. */
	asm volatile("" : : : "memory");
	count = read_frames(after);
	for (i = 0; i < count && !found; i++)
		if (after[i] & ~before[i] & is_table)
			found = i * sysconf(_SC_PAGESIZE);
	free(before);
	free(after);
	return found;
}

/* Memory that no page table maps yet, and no huge entry will. */
static char *map_small(void)
{
	size_t page = sysconf(_SC_PAGESIZE), table = page / sizeof(uint64_t) * page;
	char *p = mmap(NULL, 2 * table, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return p;
	madvise(p, 2 * table, MADV_NOHUGEPAGE);
	return p + -(uintptr_t)p % table;
}

int main(int argc, char **argv)
{
	size_t mib = argc == 3 ? strtoul(argv[1], NULL, 0) : 0, words = mib << 17;
	unsigned int rounds = argc == 3 ? strtoul(argv[2], NULL, 0) : 0, i;
	struct part kept = { }, rest = { };
	char *small;
	uint64_t *p;

	if (!mib) {
		fprintf(stderr, "usage: egm_memtest MIB ROUNDS\n");
		return 2;
	}
	p = mmap(NULL, mib << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED) {
		perror("mmap");
		return 2;
	}
	small = map_small();
	if (small == MAP_FAILED) {
		perror("mmap");
		return 2;
	}
	printf("memtest: a page table is at %#llx\n",
	       (unsigned long long)make_page_table(small));
	p[words / 2] = 1;
	printf("memtest: the middle is at %#llx\n",
	       (unsigned long long)egm_physical(p + words / 2));
	fflush(stdout);
	kept.words = p;
	kept.count = words / 64;
	rest.words = p + kept.count;
	rest.count = words - kept.count;
	fill(&kept);
	fill(&rest);
	for (i = 0; !rounds || i < rounds; i++) {
		if (!*small || !check(&rest, true) || !check(&kept, !i))
			return 1;
		printf("memtest: round %u, checksum %#llx\n", i + 1,
		       (unsigned long long)(rotate(kept.sum) + rest.sum));
		fflush(stdout);
	}
	if (!check(&rest, false) || !check(&kept, false))
		return 1;
	printf("memtest: %zu MiB are good\n", mib);
	return 0;
}
