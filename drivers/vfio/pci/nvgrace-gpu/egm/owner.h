/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#ifndef _NVGRACE_EGM_OWNER_H
#define _NVGRACE_EGM_OWNER_H

#include <linux/list.h>
#include <linux/rbtree.h>
#include <linux/sched.h>
#include <linux/types.h>

struct egm_range;

/**
 * struct egm_owners - who owns which blocks of a region
 * @tree: the owned ranges; two of different owners never overlap, two of one
 *	  owner neither overlap nor touch
 *
 * The caller serializes all functions below that take one.
 */
struct egm_owners {
	struct rb_root_cached tree;
};

/**
 * struct egm_opener - the process that opened a file, for messages
 * @comm: its name when it opened the file
 * @tgid: its number, in the first PID namespace
 */
struct egm_opener {
	char comm[TASK_COMM_LEN];
	pid_t tgid;
};

/**
 * struct egm_owner - an open file, which can own blocks
 * @ranges: its ranges
 * @opener: the process that opened it; constant
 */
struct egm_owner {
	struct list_head ranges;
	struct egm_opener opener;
};

void egm_owners_init(struct egm_owners *owners);
void egm_owner_init(struct egm_owner *owner);
struct egm_range *egm_range_alloc(struct egm_owner *owner, unsigned long first,
				  unsigned long last);
int egm_owners_claim(struct egm_owners *owners, struct egm_range *range);
bool egm_owners_have(struct egm_owners *owners, const struct egm_owner *owner,
		     unsigned long first, unsigned long last);
const struct egm_owner *egm_owners_other(struct egm_owners *owners,
					 const struct egm_owner *owner,
					 unsigned long *first, unsigned long last);
bool egm_owners_any(struct egm_owners *owners, unsigned long first, unsigned long last);
bool egm_owner_first(struct egm_owner *owner, unsigned long *first, unsigned long *count);
void egm_owners_release_first(struct egm_owners *owners, struct egm_owner *owner);

#endif /* _NVGRACE_EGM_OWNER_H */
