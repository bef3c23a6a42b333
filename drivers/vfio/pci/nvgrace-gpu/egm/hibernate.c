// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hibernation, which the driver refuses: the image does not include EGM, and DRAM loses its
 * content. Owners would lose their memory, and a block in state ZERO would not be zero.
 *
 * Suspend to RAM keeps DRAM, so the driver does not handle it.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "egm.h"

#include <linux/notifier.h>
#include <linux/printk.h>
#include <linux/suspend.h>

static int egm_hibernate_notify(struct notifier_block *nb, unsigned long action, void *data)
{
	switch (action) {
	case PM_HIBERNATION_PREPARE:
	case PM_RESTORE_PREPARE:
		if (egm_region_forbid())
			return NOTIFY_OK;
		pr_err("hibernation is refused, because EGM would lose its content: unbind the GPUs and close every file of a region first\n");
		return NOTIFY_BAD;
	case PM_POST_HIBERNATION:
	case PM_POST_RESTORE:
		egm_region_allow();
		return NOTIFY_OK;
	default:
		return NOTIFY_DONE;
	}
}

static struct notifier_block egm_hibernate_notifier = {
	.notifier_call = egm_hibernate_notify,
};

/**
 * egm_hibernate_init - refuse hibernation while a region exists
 *
 * Context: module init.
 * Return: 0 or a negative errno.
 */
int egm_hibernate_init(void)
{
	return register_pm_notifier(&egm_hibernate_notifier);
}

/**
 * egm_hibernate_exit - undo egm_hibernate_init()
 *
 * Context: module exit.
 */
void egm_hibernate_exit(void)
{
	unregister_pm_notifier(&egm_hibernate_notifier);
}
