// SPDX-License-Identifier: GPL-2.0-only
/*
 * I/O from and to mapped memory of a file.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <arpa/inet.h>
#include <linux/io_uring.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <netinet/in.h>

#include "egm_operations.h"

#define IO_LEN		(64UL << 10)
#define RAMDISK		"/dev/ram0"

enum io_target { RAMDISK_DIRECT, TMPFS, P9 };

/* A file to read and to write, which is long enough. */
static int open_target(enum io_target target)
{
	const char *dir = getenv("EGM_9P");
	char path[PATH_MAX];
	int fd;

	switch (target) {
	case RAMDISK_DIRECT:
		fd = open(RAMDISK, O_RDWR | O_DIRECT | O_CLOEXEC);
		if (fd < 0)
			op_give_up(RAMDISK);
		return fd;
	case P9:
		if (!dir) {
			errno = ENOENT;
			op_give_up("no 9p directory");
		}
		break;
	case TMPFS:
		dir = "/tmp";
		break;
	}
	snprintf(path, sizeof(path), "%s/egm_operations.tmp", dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, IO_LEN))
		op_give_up("file");
	unlink(path);
	return fd;
}

static const char *write_from(const struct memory *m, int target)
{
	char *p = op_map(m);

	op_touch(p);
	return op_result(pwrite(open_target(target), p, IO_LEN, 0));
}

static const char *read_to(const struct memory *m, int target)
{
	return op_result(pread(open_target(target), op_map(m), IO_LEN, 0));
}

static const char *register_buffer(const struct memory *m, int arg)
{
	struct io_uring_params params = { };
	struct iovec iov = { .iov_base = op_map(m), .iov_len = IO_LEN };
	int ring = syscall(SYS_io_uring_setup, 4, &params);

	(void)arg;
	if (ring < 0)
		op_give_up("io_uring_setup");
	return op_result(syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &iov, 1));
}

static const char *splice_memory(const struct memory *m, int arg)
{
	struct iovec iov = { .iov_base = op_map(m), .iov_len = sysconf(_SC_PAGESIZE) };
	int pipes[2];

	(void)arg;
	op_touch(iov.iov_base);
	if (pipe(pipes))
		op_give_up("pipe");
	return op_result(vmsplice(pipes[1], &iov, 1, 0));
}

/* A TCP connection over the loopback device. */
static void connect_pair(int pair[2])
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(addr);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	pair[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&addr, len) ||
	    listen(listener, 1) || getsockname(listener, (struct sockaddr *)&addr, &len) ||
	    connect(pair[0], (struct sockaddr *)&addr, len))
		op_give_up("connect");
	pair[1] = accept(listener, NULL, NULL);
	if (pair[1] < 0)
		op_give_up("accept");
}

static const char *send_from(const struct memory *m, int flags)
{
	char *p = op_map(m);
	int pair[2], on = 1;

	op_touch(p);
	connect_pair(pair);
	if (flags && setsockopt(pair[0], SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on)))
		op_give_up("SO_ZEROCOPY");
	if (send(pair[0], p, IO_LEN / 4, flags) < 0)
		return op_answer(errno);
	/* Received to the same memory. */
	return op_result(recv(pair[1], p + IO_LEN, IO_LEN / 4, 0));
}

const struct operation io_operations[] = {
	{ "read() to the memory, file on tmpfs", read_to, TMPFS },
	{ "write() from the memory, file on tmpfs", write_from, TMPFS },
	{ "read() to the memory, file on 9p", read_to, P9 },
	{ "write() from the memory, file on 9p", write_from, P9 },
	{ "read() to the memory, O_DIRECT", read_to, RAMDISK_DIRECT },
	{ "write() from the memory, O_DIRECT", write_from, RAMDISK_DIRECT },
	{ "io_uring fixed buffers", register_buffer },
	{ "vmsplice()", splice_memory },
	{ "send() and recv() over TCP", send_from },
	{ "send() MSG_ZEROCOPY", send_from, MSG_ZEROCOPY },
	{ }
};
