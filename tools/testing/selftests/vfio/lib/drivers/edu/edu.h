/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Registers of QEMU's edu device (docs/specs/edu.rst there), and one DMA transfer.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef SELFTESTS_VFIO_LIB_DRIVERS_EDU_EDU_H
#define SELFTESTS_VFIO_LIB_DRIVERS_EDU_EDU_H

#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#define EDU_VENDOR_ID		0x1234
#define EDU_DEVICE_ID		0x11e8

#define EDU_REG_ID		0x00	/* 0xRRrr00ed: revision RR.rr */
#define EDU_REG_IRQ_RAISE	0x60
#define EDU_REG_IRQ_ACK		0x64
#define EDU_REG_DMA_SRC		0x80
#define EDU_REG_DMA_DST		0x88
#define EDU_REG_DMA_COUNT	0x90
#define EDU_REG_DMA_CMD		0x98

#define EDU_ID_MASK		0x0000ffff
#define EDU_ID			0x000000ed

#define EDU_DMA_START		0x1
#define EDU_DMA_TO_RAM		0x2

/* The device copies between memory and this buffer in its address space. */
#define EDU_BUFFER		0x40000
#define EDU_BUFFER_SIZE		4096UL

/* A transfer takes 100 ms. */
#define EDU_DMA_TIMEOUT_MS	5000

static inline uint32_t edu_read(void *bar, uint32_t reg)
{
	return __atomic_load_n((uint32_t *)((char *)bar + reg), __ATOMIC_SEQ_CST);
}

static inline void edu_write(void *bar, uint32_t reg, uint32_t value)
{
	__atomic_store_n((uint32_t *)((char *)bar + reg), value, __ATOMIC_SEQ_CST);
}

/* The device takes an address of 64 bits in one access. */
static inline void edu_write_address(void *bar, uint32_t reg, uint64_t value)
{
	__atomic_store_n((uint64_t *)((char *)bar + reg), value, __ATOMIC_SEQ_CST);
}

static inline void edu_dma_start(void *bar, uint64_t src, uint64_t dst, uint32_t size,
				 uint32_t flags)
{
	edu_write_address(bar, EDU_REG_DMA_SRC, src);
	edu_write_address(bar, EDU_REG_DMA_DST, dst);
	edu_write(bar, EDU_REG_DMA_COUNT, size);
	edu_write(bar, EDU_REG_DMA_CMD, EDU_DMA_START | flags);
}

/* Wait for a transfer; false if it does not end. */
static inline bool edu_dma_wait(void *bar)
{
	int i;

	for (i = 0; i < EDU_DMA_TIMEOUT_MS; i++) {
		if (!(edu_read(bar, EDU_REG_DMA_CMD) & EDU_DMA_START))
			return true;
		usleep(1000);
	}
	return false;
}

/* Copy @size bytes from memory to the device's buffer. */
static inline bool edu_dma_read(void *bar, uint64_t src, uint32_t size)
{
	edu_dma_start(bar, src, EDU_BUFFER, size, 0);
	return edu_dma_wait(bar);
}

/* Copy @size bytes from the device's buffer to memory. */
static inline bool edu_dma_write(void *bar, uint64_t dst, uint32_t size)
{
	edu_dma_start(bar, EDU_BUFFER, dst, size, EDU_DMA_TO_RAM);
	return edu_dma_wait(bar);
}

#endif /* SELFTESTS_VFIO_LIB_DRIVERS_EDU_EDU_H */
