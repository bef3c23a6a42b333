// SPDX-License-Identifier: GPL-2.0-only
/*
 * egm_poke NODE zero OFFSET LEN	is the range all zero? exit 1 and say where not
 * egm_poke NODE find STRING OFFSET LEN	where in the range is the string?
 * egm_poke NODE hold SECONDS OFFSET LEN	map it, touch it, wait
 * egm_poke NODE keep SECONDS OFFSET LEN	hold; is its content there at the end?
 * egm_poke NODE retired			list the retired pages
 * egm_poke NODE intact				are they as firmware left them, and all
 * egm_poke NODE intact-populated		else zero? mapped on demand, or with MAP_POPULATE
 *
 * For scripts that look at a region's content. Numbers may be hexadecimal; a LEN of
 * 0 means to the region's end.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <linux/egm.h>
#include <signal.h>
#include <sys/ioctl.h>

#include "egm_util.h"

/* A scenario's "fill": so many bytes of a word at each step, made of its offset. */
#define FILL_STEP	(64UL << 10)
#define FILL_LEN	(4UL << 10)
#define FILL_WORD(at)	((at) ^ 0xa5a55a5ac3c33c3cULL)

#define HELD		0x77

/* Ends sleep(). */
static void on_term(int sig)
{
	(void)sig;
}

static bool still_held(const char *p, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (p[i] != HELD) {
			printf("not held at %#zx\n", i);
			return false;
		}
	printf("held all the time\n");
	return true;
}

/* The whole list, by the two calls of existing clients: ask for the size, then for the list. */
static struct egm_retired_pages_list *get_retired(int fd)
{
	struct egm_retired_pages_list head = { .argsz = sizeof(head) }, *list;

	if (ioctl(fd, EGM_RETIRED_PAGES_LIST, &head)) {
		perror("ioctl");
		exit(2);
	}
	list = calloc(1, head.argsz);
	if (!list)
		exit(2);
	list->argsz = head.argsz;
	if (ioctl(fd, EGM_RETIRED_PAGES_LIST, list)) {
		perror("ioctl");
		exit(2);
	}
	return list;
}

static int show_retired(int fd)
{
	struct egm_retired_pages_list *list = get_retired(fd);
	unsigned int i;

	for (i = 0; i < list->count; i++)
		printf("%#llx %#llx\n", (unsigned long long)list->pages[i].offset,
		       (unsigned long long)list->pages[i].size);
	free(list);
	return 0;
}

static bool filled(const char *p, uint64_t at)
{
	size_t i;

	for (i = 0; i < FILL_LEN; i += sizeof(uint64_t))
		if (*(const uint64_t *)(p + at + i) != FILL_WORD(at))
			return false;
	return egm_first_nonzero(p + at + FILL_LEN, FILL_STEP - FILL_LEN) ==
	       FILL_STEP - FILL_LEN;
}

static int check_intact(int fd, bool populated)
{
	struct egm_retired_pages_list *list = get_retired(fd);
	uint64_t size = egm_size(fd), at;
	unsigned int i = 0, bad = 0;
	char *p;

	p = populated ? egm_map_populated(fd, 0, size) : egm_map(fd, 0, size);
	if (p == MAP_FAILED) {
		perror("mmap");
		exit(2);
	}
	for (at = 0; at < size; at += FILL_STEP) {
		bool retired, good;

		while (i < list->count && list->pages[i].offset + list->pages[i].size <= at)
			i++;
		retired = i < list->count && list->pages[i].offset <= at;
		good = retired ? filled(p, at) :
		       egm_first_nonzero(p + at, FILL_STEP) == FILL_STEP;
		if (!good) {
			printf("%#llx: %s\n", (unsigned long long)at,
			       retired ? "retired and changed" : "not zero");
			bad++;
		}
	}
	free(list);
	return !!bad;
}

static void die_usage(void)
{
	fputs("usage: egm_poke NODE zero OFFSET LEN\n"
	      "       egm_poke NODE find STRING OFFSET LEN\n"
	      "       egm_poke NODE hold|keep SECONDS OFFSET LEN\n"
	      "       egm_poke NODE retired|intact|intact-populated\n", stderr);
	exit(2);
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[2] : "";
	int arg = strcmp(what, "zero") ? 4 : 3;
	uint64_t offset, len;
	char *p, *hit;
	size_t at;
	int fd;

	if (argc != 3 && argc != arg + 2)
		die_usage();
	fd = open(argv[1], O_RDWR);
	if (fd < 0) {
		perror(argv[1]);
		return 2;
	}
	if (argc == 3 && !strcmp(what, "retired"))
		return show_retired(fd);
	if (argc == 3 && !strcmp(what, "intact"))
		return check_intact(fd, false);
	if (argc == 3 && !strcmp(what, "intact-populated"))
		return check_intact(fd, true);
	if (argc == 3)
		die_usage();

	offset = strtoull(argv[arg], NULL, 0);
	len = strtoull(argv[arg + 1], NULL, 0);
	if (!len)
		len = egm_size(fd) - offset;
	p = egm_map(fd, offset, len);
	if (p == MAP_FAILED) {
		perror("mmap");
		return 2;
	}

	if (!strcmp(what, "zero")) {
		at = egm_first_nonzero(p, len);
		if (at == len) {
			printf("%#llx bytes at %#llx: all zero\n",
			       (unsigned long long)len, (unsigned long long)offset);
			return 0;
		}
		printf("not zero at %#llx\n", (unsigned long long)(offset + at));
		return 1;
	}
	if (!strcmp(what, "find")) {
		hit = memmem(p, len, argv[3], strlen(argv[3]));
		if (!hit) {
			printf("\"%s\" is not there\n", argv[3]);
			return 1;
		}
		printf("\"%s\" at %#llx\n", argv[3],
		       (unsigned long long)(offset + (hit - p)));
		return 0;
	}
	if (!strcmp(what, "hold") || !strcmp(what, "keep")) {
		if (*what == 'k')
			signal(SIGTERM, on_term);
		memset(p, HELD, len);
		printf("holding\n");
		fflush(stdout);
		sleep(atoi(argv[3]));
		return *what == 'k' && !still_held(p, len);
	}
	die_usage();
}
