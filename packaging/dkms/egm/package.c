// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c with an init that logs which changes of the core kernel this build found. The Kbuild
 * file beside this one defines EGM_CORE.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/printk.h>

#pragma push_macro("module_init")
#undef module_init
#define module_init(init)							\
	static int __init package_init(void)					\
	{									\
		pr_info("built outside the kernel's source; core changes: %s\n", EGM_CORE); \
		return init();							\
	}
#include "main.c"
#pragma pop_macro("module_init")
module_init(package_init);

MODULE_INFO(core_changes, EGM_CORE);
