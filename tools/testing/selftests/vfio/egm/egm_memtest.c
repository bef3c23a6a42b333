// SPDX-License-Identifier: GPL-2.0-only
/*
 * egm_memtest MIB ROUNDS - write words made of their address to so much memory, read
 * them back, then their complement. 0 rounds are for ever. Says first which physical address
 * the middle of the memory has, and a page table that each round uses.
 *
 * For the inside of a guest whose RAM is a region.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <linux/kernel-page-flags.h>

#include "egm_util.h"

#define MIX	0x9e3779b97f4a7c15ULL

static int check(uint64_t *p, size_t words, uint64_t flip)
{
	size_t i;

	for (i = 0; i < words; i++)
		p[i] = ((uintptr_t)(p + i) * MIX) ^ flip;
	/* What is read has to come from memory. */
	asm volatile("" : : : "memory");
	for (i = 0; i < words; i++)
		if (p[i] != (((uintptr_t)(p + i) * MIX) ^ flip)) {
			printf("memtest: wrong word at %p: %#llx\n", (void *)(p + i),
			       (unsigned long long)p[i]);
			return 1;
		}
	return 0;
}

/* The flags of each page frame (KPF_* bits), from frame 0 on. */
static uint64_t *frames(size_t *count)
{
	const size_t max = 1 << 20;
	int fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	uint64_t *flags = calloc(max, sizeof(*flags));
	size_t got = 0;
	ssize_t n;

	while (got < max &&
	       (n = pread(fd, flags + got, (max - got) * sizeof(*flags),
			  got * sizeof(*flags))) > 0)
		got += n / sizeof(*flags);
	close(fd);
	*count = got;
	return flags;
}

/* Have the kernel make a page table for @p; its physical address, or 0. */
static uint64_t make_page_table(char *p)
{
	uint64_t *before, *after, is_table = 1ULL << KPF_PGTABLE;
	size_t count, i;

	before = frames(&count);
	*p = 1;
	/* It is written now. */
	asm volatile("" : : : "memory");
	after = frames(&count);
	for (i = 0; i < count; i++)
		if (after[i] & ~before[i] & is_table)
			return i * sysconf(_SC_PAGESIZE);
	return 0;
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
	for (i = 0; !rounds || i < rounds; i++)
		if (!*small || check(p, words, 0) || check(p, words, ~0ULL))
			return 1;
	printf("memtest: %zu MiB are good\n", mib);
	return 0;
}
