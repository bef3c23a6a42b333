// SPDX-License-Identifier: GPL-2.0-only
/*
 * egm_memtest MIB ROUNDS - write words made of their address to so much memory, read
 * them back, then their complement. 0 rounds are for ever. Says first which physical address
 * the middle of the memory has.
 *
 * For the inside of a guest whose RAM is a region.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
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

int main(int argc, char **argv)
{
	size_t mib = argc == 3 ? strtoul(argv[1], NULL, 0) : 0, words = mib << 17;
	unsigned int rounds = argc == 3 ? strtoul(argv[2], NULL, 0) : 0, i;
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
	p[words / 2] = 1;
	printf("memtest: the middle is at %#llx\n",
	       (unsigned long long)egm_physical(p + words / 2));
	fflush(stdout);
	for (i = 0; !rounds || i < rounds; i++)
		if (check(p, words, 0) || check(p, words, ~0ULL))
			return 1;
	printf("memtest: %zu MiB are good\n", mib);
	return 0;
}
