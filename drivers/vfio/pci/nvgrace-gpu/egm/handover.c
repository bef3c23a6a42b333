// SPDX-License-Identifier: GPL-2.0-only
/*
 * What went bad, for the kernel after a kexec: no firmware runs in between that could tell it.
 *
 * Kexec Handover keeps a few pages of this kernel's memory, in which the list grows until the
 * jump, and says where they are. No page of a region is given to it: it works on struct pages.
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

/* Between kernels: another layout is another version. */
struct egm_handover {
	u64 version;
	u64 count;
	struct egm_retired_page pages[];	/* their offset is an SPA */
};

#define EGM_HANDOVER_MAX	((EGM_HANDOVER_BYTES - sizeof(struct egm_handover)) / \
				 sizeof(struct egm_retired_page))

/* NULL if nothing can be handed over. */
static struct egm_handover *egm_handover;
static DEFINE_MUTEX(egm_handover_lock);

/**
 * egm_handover_add - have the next kernel know of a bad page
 * @spa: its first byte
 * @len: its bytes
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
		pr_warn_once("more than %zu pages went bad: after a kexec the rest is not known, boot instead\n",
			     EGM_HANDOVER_MAX);
		return;
	}
	egm_handover->pages[i].offset = spa;
	egm_handover->pages[i].size = len;
	egm_handover->count++;
}

/*
 * The pages of the former kernel stay as they are: the module can be loaded again. Its page
 * size need not be ours.
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
		pr_warn("the former kernel's list of bad pages is not understood: boot before EGM is used\n");
		return;
	}
	for (i = 0; i < former->count; i++) {
		first = ALIGN_DOWN(former->pages[i].offset, PAGE_SIZE);
		end = ALIGN(former->pages[i].offset + former->pages[i].size, PAGE_SIZE);
		if (end <= first)
			continue;
		egm_handover_add(first, end - first);
		if (egm_retired_report(retired, first, end - first, false))
			pr_err("bad page at %#llx of the former kernel cannot be listed: unload this module and load it again\n",
			       first);
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
		pr_warn("no Kexec Handover (%pe): after a kexec it is not known which pages went bad, boot instead\n",
			ERR_PTR(ret));
}

/**
 * egm_handover_init - learn what the kernel before a kexec knew, and tell the next one
 * @retired: gets it, by SPA
 *
 * Context: module init.
 */
void egm_handover_init(struct egm_retired *retired)
{
	if (kho_is_enabled())
		egm_handover_prepare();
	/* The former kernel's list is there even if there will be none for the next. */
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
