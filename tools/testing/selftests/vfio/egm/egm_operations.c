// SPDX-License-Identifier: GPL-2.0-only
/*
 * egm_operations PATH SIZE NODE - do with a memory file what programs do with memory
 *
 * PATH is an EGM node, a device-dax node or a hugetlbfs file. The first SIZE bytes are mapped.
 * NODE is the NUMA node of the memory by its attributes. Prints a line for each operation:
 * its name, a tab, and its result. The table with these names is
 * Documentation/userspace-api/nvgrace-egm-operations.csv.
 *
 * EGM_9P in the environment is a directory of a 9p file system without a cache.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "egm_operations.h"

/* For an operation under a kernel with every check, emulated. */
#define LIMIT_MS	180000

static const struct operation *const groups[] = {
	map_operations, advice_operations, io_operations, futex_operations,
	process_operations, dma_operations, bad_page_operations,
};

static int report_fd;

void op_give_up(const char *what)
{
	dprintf(report_fd, "%s: %s", what, strerrorname_np(errno));
	_exit(0);
}

int op_open(const struct memory *m)
{
	int fd = open(m->path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		op_give_up("open");
	return fd;
}

char *op_map_at(const struct memory *m, uint64_t offset)
{
	char *p = egm_map_wait(m->fd, offset, m->len);

	if (p == MAP_FAILED)
		op_give_up("mmap");
	return p;
}

char *op_map(const struct memory *m)
{
	return op_map_at(m, 0);
}

uint64_t op_file_size(const struct memory *m)
{
	char path[PATH_MAX];
	struct stat st;
	int64_t size;

	if (fstat(m->fd, &st))
		op_give_up("fstat");
	if (S_ISREG(st.st_mode))
		return st.st_size;
	/* device-dax has no SEEK_END. */
	snprintf(path, sizeof(path), "/sys/bus/dax/devices/%s/size", strrchr(m->path, '/') + 1);
	size = egm_read_number(path);
	return size < 0 ? egm_size(m->fd) : (uint64_t)size;
}

int op_wait(pid_t pid)
{
	int status, ret;

	do {
		ret = waitpid(pid, &status, 0);
	} while (ret < 0 && errno == EINTR);
	if (ret != pid)
		return -1;
	if (WIFSIGNALED(status))
		return WTERMSIG(status);
	return WEXITSTATUS(status) ? -1 : 0;
}

static void __noreturn run_child(const struct operation *op, struct memory *m)
{
	const char *text;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);
	m->fd = op_open(m);
	text = op->run(m, op->arg);
	dprintf(report_fd, "%s", text);
	_exit(0);
}

static bool wait_until_end(pid_t pid, int *status)
{
	long end = egm_now_ms() + LIMIT_MS;

	while (!waitpid(pid, status, WNOHANG)) {
		if (egm_now_ms() > end)
			return false;
		usleep(2000);
	}
	return true;
}

static void run(const struct operation *op, struct memory *m)
{
	char text[64];
	int pipes[2], status = 0;
	ssize_t len;
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC | O_NONBLOCK)) {
		perror("pipe");
		exit(2);
	}
	report_fd = pipes[1];
	pid = fork();
	if (!pid)
		run_child(op, m);
	if (!wait_until_end(pid, &status))
		snprintf(text, sizeof(text), "hangs");
	else if (WIFSIGNALED(status))
		snprintf(text, sizeof(text), "SIG%s", sigabbrev_np(WTERMSIG(status)));
	else
		snprintf(text, sizeof(text), "no answer");
	/* Its own children have no parent any more. */
	kill(-pid, SIGKILL);
	waitpid(pid, NULL, 0);
	len = read(pipes[0], text, sizeof(text) - 1);
	if (len > 0)
		text[len] = '\0';
	close(pipes[0]);
	close(pipes[1]);
	printf("%s\t%s\n", op->name, text);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	const struct operation *op;
	struct memory m = { };
	size_t i;

	if (argc != 4) {
		fputs("usage: egm_operations PATH SIZE NODE\n", stderr);
		return 2;
	}
	m.path = argv[1];
	m.len = strtoull(argv[2], NULL, 0);
	m.node = atoi(argv[3]);
	for (i = 0; i < ARRAY_SIZE(groups); i++)
		for (op = groups[i]; op->name; op++)
			run(op, &m);
	return 0;
}
