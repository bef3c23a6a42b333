// SPDX-License-Identifier: GPL-2.0-only
/*
 * The list of poisoned pages for the kernel after a kexec, which firmware does not inform.
 *
 * Kexec Handover (KHO) preserves a few pages of this kernel for the next kernel. The list in
 * these pages grows until the kexec. No page of a region is preserved: KHO needs struct pages.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "egm.h"

#include <linux/align.h>
#include <linux/cleanup.h>
#include <linux/egm.h>
#include <linux/err.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/printk.h>
#include <linux/sizes.h>

#define EGM_HANDOVER_NAME	"nvgrace-egm"
#define EGM_HANDOVER_VERSION	1
#define EGM_HANDOVER_BYTES	SZ_64K

/* Read by the next kernel. A change of the layout must change the version. */
struct egm_handover {
	u64 version;
	u64 count;
	struct egm_retired_page pages[];	/* the offset is an SPA */
};

#define EGM_HANDOVER_MAX	((EGM_HANDOVER_BYTES - sizeof(struct egm_handover)) / \
				 sizeof(struct egm_retired_page))

/* NULL if KHO is off, or its memory could not be allocated. */
static struct egm_handover *egm_handover;
static DEFINE_MUTEX(egm_handover_lock);

/**
 * egm_handover_add - list a poisoned page for the next kernel
 * @spa: SPA of the first byte of the page
 * @len: bytes of the page
 *
 * Context: may sleep.
 */
void egm_handover_add(u64 spa, u64 len)
{
	u64 i;

	guard(mutex)(&egm_handover_lock);
	if (!egm_handover)
		return;
	for (i = 0; i < egm_handover->count; i++)
		if (egm_handover->pages[i].offset == spa && egm_handover->pages[i].size == len)
			return;
	if (i == EGM_HANDOVER_MAX) {
		pr_warn_once("more than %zu pages went bad: the kernel after a kexec does not know the rest, reboot instead of a kexec\n",
			     EGM_HANDOVER_MAX);
		return;
	}
	egm_handover->pages[i].offset = spa;
	egm_handover->pages[i].size = len;
	egm_handover->count++;
}

/*
 * Read the list of the former kernel, whose page size can differ. The list stays in memory,
 * because this module can be loaded again.
 */
static void egm_handover_restore(struct egm_retired *retired)
{
	const struct egm_handover *former;
	phys_addr_t at;
	u64 first, end, i;
	size_t size;

	if (kho_retrieve_subtree(EGM_HANDOVER_NAME, &at, &size))
		return;
	former = phys_to_virt(at);
	if (size < sizeof(*former) || former->version != EGM_HANDOVER_VERSION ||
	    size < size_add(size_mul(former->count, sizeof(former->pages[0])), sizeof(*former))) {
		pr_warn("the former kernel's list of bad pages has an unknown format: reboot before EGM is used\n");
		return;
	}
	for (i = 0; i < former->count; i++) {
		first = ALIGN_DOWN(former->pages[i].offset, PAGE_SIZE);
		end = ALIGN(former->pages[i].offset + former->pages[i].size, PAGE_SIZE);
		if (end <= first)
			continue;
		egm_handover_add(first, end - first);
		if (egm_retired_report(retired, first, end - first, false))
			pr_err("bad page [mem %#010llx-%#010llx] of the former kernel cannot be listed: unload this module and load it again\n",
			       first, end - 1);
	}
}

static void egm_handover_prepare(void)
{
	struct egm_handover *handover = kho_alloc_preserve(EGM_HANDOVER_BYTES);
	int ret = PTR_ERR_OR_ZERO(handover);

	if (!ret) {
		handover->version = EGM_HANDOVER_VERSION;
		ret = kho_add_subtree(EGM_HANDOVER_NAME, handover, EGM_HANDOVER_BYTES);
		if (ret)
			kho_unpreserve_free(handover);
		else
			egm_handover = handover;
	}
	if (ret)
		pr_warn("no Kexec Handover (%pe): the kernel after a kexec does not know which pages went bad, reboot instead of a kexec\n",
			ERR_PTR(ret));
}

/**
 * egm_handover_init - read the list of the former kernel, and create one for the next
 * @retired: list to which the pages of the former kernel are added, by SPA
 *
 * Context: module init.
 */
void egm_handover_init(struct egm_retired *retired)
{
	if (kho_is_enabled())
		egm_handover_prepare();
	/* The former kernel's list can exist even if this kernel cannot create one. */
	egm_handover_restore(retired);
}

/**
 * egm_handover_exit - undo egm_handover_init()
 *
 * Context: module exit.
 */
void egm_handover_exit(void)
{
	if (!egm_handover)
		return;
	kho_remove_subtree(egm_handover);
	kho_unpreserve_free(egm_handover);
	egm_handover = NULL;
}
