// SPDX-License-Identifier: GPL-2.0-only
/*
 * Clear nvgrace-egm's lists of bad pages of regions that were freed, for tests only. The module's
 * init clears them and fails, so that the module never stays loaded.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <linux/errno.h>
#include <linux/kprobes.h>
#include <linux/module.h>

#if IS_ENABLED(CONFIG_KUNIT)
/* Of the driver's egm.h. */
void egm_memory_failure_forget(void);

static int egm_forget(void)
{
	egm_memory_failure_forget();
	return 0;
}
#else
/* Without KUnit the driver has no function for that. Its parts are found by their names. */
static unsigned long (*egm_lookup)(const char *name);

static bool egm_find_lookup(void)
{
	struct kprobe probe = { .symbol_name = "kallsyms_lookup_name" };

	if (register_kprobe(&probe))
		return false;
	egm_lookup = (void *)probe.addr;
	unregister_kprobe(&probe);
	return true;
}

static int egm_forget(void)
{
	void (*destroy)(void *retired);
	struct module *(*find)(const char *name);
	bool *pinned;
	void *known;

	if (!egm_find_lookup())
		return -ENOENT;
	destroy = (void *)egm_lookup("egm_retired_destroy");
	find = (void *)egm_lookup("find_module");
	known = (void *)egm_lookup("egm_memory_failure_known");
	pinned = (void *)egm_lookup("egm_memory_failure_pinned");
	if (!destroy || !find || !known || !pinned)
		return -ENOENT;
	destroy(known);
	if (xchg(pinned, false))
		module_put(find("nvgrace_egm"));
	return 0;
}
#endif

static int __init egm_forget_init(void)
{
	int ret = egm_forget();

	return ret ?: -ECANCELED;
}
module_init(egm_forget_init);

MODULE_DESCRIPTION("Forget which pages went bad, for tests only");
MODULE_AUTHOR("The nvgrace-egm authors");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
