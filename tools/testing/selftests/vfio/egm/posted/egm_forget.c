// SPDX-License-Identifier: GPL-2.0-only
/*
 * Clear nvgrace-egm's lists of bad pages of regions that were freed, for tests only. The module's
 * init clears them and fails, so that the module never stays loaded.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <linux/errno.h>
#include <linux/module.h>

/* Of the driver's poison.h. */
void egm_memory_failure_forget(void);

static int __init egm_forget_init(void)
{
	egm_memory_failure_forget();
	return -ECANCELED;
}
module_init(egm_forget_init);

MODULE_DESCRIPTION("Forget which pages went bad, for tests only");
MODULE_AUTHOR("The nvgrace-egm authors");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
