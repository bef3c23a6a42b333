// SPDX-License-Identifier: GPL-2.0-only
/*
 * egm_guest_dma MIB ROUNDS [ADDRESS] - in a guest, have an assigned edu device copy pages that
 * are spread over MIB of its memory, and check each byte; ROUNDS 0 does not end. With ADDRESS,
 * have the device copy a page of the memory to that physical address, and back to another page.
 *
 * The device copies a page to its buffer, and its buffer to another page, by guest physical
 * addresses.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <linux/pci_regs.h>

#include "egm_edu.h"

#define EDU_BAR_LEN	0x100000UL
#define EDU_DMA_LEN	EDU_BUFFER_SIZE
#define SAMPLES		16

/* Registers of the device, which decodes memory and does DMA after this; or MAP_FAILED. */
static void *device_on(const char *pci)
{
	char path[PATH_MAX];
	uint16_t command;
	void *bar;
	int fd;

	snprintf(path, sizeof(path), EDU_PCI_DEVICES "/%s/enable", pci);
	egm_write(path, "1");
	snprintf(path, sizeof(path), EDU_PCI_DEVICES "/%s/config", pci);
	fd = open(path, O_RDWR);
	if (fd < 0 || pread(fd, &command, sizeof(command), PCI_COMMAND) != sizeof(command))
		return MAP_FAILED;
	command |= PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	if (pwrite(fd, &command, sizeof(command), PCI_COMMAND) != sizeof(command))
		return MAP_FAILED;
	close(fd);
	snprintf(path, sizeof(path), EDU_PCI_DEVICES "/%s/resource0", pci);
	fd = open(path, O_RDWR | O_SYNC);
	if (fd < 0)
		return MAP_FAILED;
	bar = mmap(NULL, EDU_BAR_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return bar;
}

static void fill(char *p, int start)
{
	size_t n;

	for (n = 0; n < EDU_DMA_LEN; n++)
		p[n] = n * 7 + start;
}

static bool is_filled(const char *p, int start)
{
	size_t n;

	for (n = 0; n < EDU_DMA_LEN; n++)
		if (p[n] != (char)(n * 7 + start))
			return false;
	return true;
}

/* Have the device copy a page to another by its buffer; did it? */
static bool copy(void *bar, uint64_t from, uint64_t to)
{
	return from && to && edu_dma_read(bar, from, EDU_DMA_LEN) &&
	       edu_dma_write(bar, to, EDU_DMA_LEN);
}

/* Did all bytes come by way of the page at @address? */
static bool copy_by(void *bar, char *p, uint64_t address)
{
	char *to = p + EDU_DMA_LEN;

	fill(p, 5);
	memset(to, 0, EDU_DMA_LEN);
	if (!copy(bar, egm_physical(p), address))
		return false;
	memset(p, 0, EDU_DMA_LEN);
	return copy(bar, egm_physical(p), egm_physical(to)) &&
	       copy(bar, address, egm_physical(to)) && is_filled(to, 5);
}

/* Count the pages that the device copied without an error. */
static int copy_pages(void *bar, char *p, size_t len, int round)
{
	const size_t step = len / SAMPLES / EDU_DMA_LEN * EDU_DMA_LEN;
	int i, right = 0;

	for (i = 0; i < SAMPLES; i++) {
		char *from = p + i * step;
		char *to = p + (SAMPLES - i) * step - EDU_DMA_LEN;

		fill(from, i * 3 + round + 1);
		memset(to, 0, EDU_DMA_LEN);
		right += copy(bar, egm_physical(from), egm_physical(to)) &&
			 is_filled(to, i * 3 + round + 1);
	}
	return right;
}

int main(int argc, char *argv[])
{
	size_t len = argc == 3 || argc == 4 ? strtoul(argv[1], NULL, 10) << 20 : 0;
	uint64_t address = argc == 4 ? strtoull(argv[3], NULL, 0) : 0;
	int rounds = len ? atoi(argv[2]) : 0;
	int round, right = 0;
	void *bar;
	char pci[32];
	char *p;

	if (!len) {
		fprintf(stderr, "usage: egm_guest_dma MIB ROUNDS [ADDRESS]\n");
		return 2;
	}
	if (!edu_find(pci, sizeof(pci))) {
		printf("dma: no device\n");
		return 1;
	}
	bar = device_on(pci);
	p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE, -1, 0);
	if (bar == MAP_FAILED || p == MAP_FAILED) {
		printf("dma: %s\n", strerror(errno));
		return 1;
	}
	if (address) {
		right = copy_by(bar, p, address);
		printf("dma: %d of 1 page right, by %#llx\n", right,
		       (unsigned long long)address);
		return !right;
	}
	for (round = 0; !rounds || round < rounds; round++) {
		right = copy_pages(bar, p, len, round);
		printf("dma: %d of %d pages right, in %zu MiB\n", right, SAMPLES, len >> 20);
		fflush(stdout);
	}
	return right != SAMPLES;
}
