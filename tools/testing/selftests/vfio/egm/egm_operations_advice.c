// SPDX-License-Identifier: GPL-2.0-only
/*
 * madvise() of mappings of a memory file.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <linux/mman.h>

#include "egm_operations.h"

static const char *advise(const struct memory *m, int advice)
{
	char *p = op_map(m);

	op_touch(p);
	if (madvise(p, m->len, advice))
		return op_answer(errno);
	/* The memory can be used after that. */
	op_touch(p);
	return "yes";
}

/* Has the VMA at @p a flag of smaps, which is two letters? */
static bool has_flag(const char *p, const char *flag)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	bool here = false, found = false;
	unsigned long start, end;
	char line[512];

	while (f && !found && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = start <= (uintptr_t)p && (uintptr_t)p < end;
		if (here && !strncmp(line, "VmFlags:", 8))
			found = strstr(line, flag);
	}
	if (f)
		fclose(f);
	return found;
}

/* Does KSM scan the memory after this advice? */
static const char *merge(const struct memory *m, int advice)
{
	char *p = op_map(m);

	if (madvise(p, m->len, advice))
		return op_answer(errno);
	return has_flag(p, " mg") ? "yes" : "no effect";
}

#define ADVICE(name)	{ "madvise() " #name, advise, name }

const struct operation advice_operations[] = {
	ADVICE(MADV_DONTNEED),
	ADVICE(MADV_REMOVE),
	ADVICE(MADV_FREE),
	ADVICE(MADV_WILLNEED),
	ADVICE(MADV_COLD),
	ADVICE(MADV_PAGEOUT),
	ADVICE(MADV_POPULATE_READ),
	ADVICE(MADV_POPULATE_WRITE),
	ADVICE(MADV_HUGEPAGE),
	ADVICE(MADV_NOHUGEPAGE),
	ADVICE(MADV_COLLAPSE),
	ADVICE(MADV_DONTFORK),
	ADVICE(MADV_DONTDUMP),
	ADVICE(MADV_DODUMP),
	{ "madvise() MADV_MERGEABLE", merge, MADV_MERGEABLE },
	{ }
};
