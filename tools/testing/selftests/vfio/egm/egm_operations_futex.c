// SPDX-License-Identifier: GPL-2.0-only
/*
 * Locks in mapped memory of a file.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "egm_operations.h"

/* A wait that ends by its time limit has found the futex. */
static const char *wait_futex(const struct memory *m, int flags)
{
	struct timespec limit = { .tv_nsec = 1000000 };
	uint32_t *word = (uint32_t *)op_map(m);

	*word = 1;
	if (!syscall(SYS_futex, word, FUTEX_WAIT | flags, 1, &limit, NULL, 0))
		return "no wait";
	return op_answer(errno == ETIMEDOUT ? 0 : errno);
}

static const char *share_mutex(const struct memory *m, int arg)
{
	pthread_mutex_t *mutex = (pthread_mutex_t *)op_map(m);
	struct rlimit none = { };
	pthread_mutexattr_t attr;
	pid_t pid;
	int sig;

	(void)arg;
	setrlimit(RLIMIT_CORE, &none);
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(mutex, &attr);
	pthread_mutex_lock(mutex);
	pid = fork();
	if (!pid) {
		/* glibc prints why it aborts. */
		close(STDERR_FILENO);
		_exit(pthread_mutex_lock(mutex));
	}
	/* Time enough for the child to wait for the mutex. */
	usleep(300000);
	pthread_mutex_unlock(mutex);
	sig = op_wait(pid);
	if (!sig)
		return "yes";
	return sig == SIGABRT ? "SIGABRT" : "fails";
}

const struct operation futex_operations[] = {
	{ "futex() FUTEX_WAIT, private", wait_futex, FUTEX_PRIVATE_FLAG },
	{ "futex() FUTEX_WAIT, shared", wait_futex },
	{ "process-shared mutex, with a waiter", share_mutex },
	{ }
};
