// SPDX-License-Identifier: GPL-2.0-only
/*
 * egm_poke NODE zero OFFSET LEN	is the range all zero? exit 1 and say where not
 * egm_poke NODE find STRING OFFSET LEN	where in the range is the string?
 * egm_poke NODE hold SECONDS OFFSET LEN	map it, touch it, wait
 *
 * For scripts that look at a region's content. Numbers may be hexadecimal; a LEN of
 * 0 means to the region's end.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#define _GNU_SOURCE
#include "egm_util.h"

static void wrong_words(void)
{
	fputs("usage: egm_poke NODE zero OFFSET LEN\n"
	      "       egm_poke NODE find STRING OFFSET LEN\n"
	      "       egm_poke NODE hold SECONDS OFFSET LEN\n", stderr);
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

	if (argc != arg + 2)
		wrong_words();
	fd = open(argv[1], O_RDWR);
	if (fd < 0) {
		perror(argv[1]);
		return 2;
	}
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
	if (!strcmp(what, "hold")) {
		memset(p, 0x77, len);
		printf("holding\n");
		fflush(stdout);
		sleep(atoi(argv[3]));
		return 0;
	}
	wrong_words();
}
