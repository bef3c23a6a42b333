// SPDX-License-Identifier: GPL-2.0-only
/*
 * egm_vhost_user SOCKET TEXT [from-zero] - the smallest vhost-user back end: take one
 * connection, map the guest's memory by the descriptors of its messages, search for TEXT.
 *
 * A region of the guest's memory is at an offset in its file. virtiofsd maps it there; with
 * "from-zero" all of the file before it is mapped too, as DPDK, SPDK and older versions of
 * QEMU's own library do.
 *
 * It maps a guest's RAM as virtiofsd does, and prints a line when it has mapped. For each line
 * on its standard input it searches the memory and prints the result. It holds descriptors and
 * mappings until its input ends, also after the front end has closed the connection.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

/* The protocol, as far as a device without configuration needs it. */
enum {
	GET_FEATURES = 1,
	SET_MEM_TABLE = 5,
	GET_VRING_BASE = 11,
	GET_PROTOCOL_FEATURES = 15,
	GET_QUEUE_NUM = 17,

	VERSION = 1,
	REPLY = 1 << 2,
	MAX_REGIONS = 8,
};

/* VIRTIO_F_VERSION_1, VHOST_USER_F_PROTOCOL_FEATURES */
#define FEATURES	0x140000000ULL

struct region {
	uint64_t guest_addr;
	uint64_t size;
	uint64_t user_addr;
	uint64_t offset;
};

/* Two on the wire, without the padding between them. */
struct message {
	struct {
		uint32_t request;
		uint32_t flags;
		uint32_t size;
	} head;
	union {
		uint64_t number;
		struct {
			uint32_t index, num;
		} state;
		struct {
			uint32_t count, padding;
			struct region region[MAX_REGIONS];
		} memory;
		char bytes[1024];
	};
};

static char *mapped[MAX_REGIONS];
static uint64_t sizes[MAX_REGIONS];
static unsigned int count;
static bool from_zero;

static void map_table(const struct message *m, const int *fds, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		munmap(mapped[i], sizes[i]);
	count = 0;
	for (i = 0; i < n && i < m->memory.count; i++) {
		struct region r = m->memory.region[i];

		if (from_zero) {
			r.size += r.offset;
			r.offset = 0;
		}
		mapped[i] = mmap(NULL, r.size, PROT_READ | PROT_WRITE, MAP_SHARED, fds[i],
				 r.offset);
		if (mapped[i] == MAP_FAILED) {
			printf("vhost-user: mmap: %s\n", strerror(errno));
			exit(1);
		}
		sizes[i] = r.size;
		count++;
	}
	printf("vhost-user: mapped %u regions\n", count);
}

static int receive(int sock, struct message *m, int *fds)
{
	char control[CMSG_SPACE(MAX_REGIONS * sizeof(int))];
	struct iovec iov = { .iov_base = &m->head, .iov_len = sizeof(m->head) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *c;
	int n = 0;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC | MSG_WAITALL) != sizeof(m->head))
		return -1;
	for (c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
			n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
			memcpy(fds, CMSG_DATA(c), n * sizeof(int));
		}
	if (m->head.size > sizeof(m->bytes) ||
	    (m->head.size &&
	     recv(sock, m->bytes, m->head.size, MSG_WAITALL) != m->head.size))
		return -1;
	return n;
}

static void answer(int sock, struct message *m, uint32_t size)
{
	struct iovec iov[2] = {
		{ .iov_base = &m->head, .iov_len = sizeof(m->head) },
		{ .iov_base = m->bytes, .iov_len = size },
	};

	m->head.flags = VERSION | REPLY;
	m->head.size = size;
	if (writev(sock, iov, 2) != (ssize_t)(sizeof(m->head) + size))
		perror("vhost-user: writev");
}

static bool serve(int sock)
{
	int fds[MAX_REGIONS], n;
	struct message m;

	n = receive(sock, &m, fds);
	if (n < 0)
		return false;
	switch (m.head.request) {
	case GET_FEATURES:
		m.number = FEATURES;
		answer(sock, &m, sizeof(m.number));
		break;
	case GET_PROTOCOL_FEATURES:
		m.number = 0;
		answer(sock, &m, sizeof(m.number));
		break;
	case GET_QUEUE_NUM:
		m.number = 1;
		answer(sock, &m, sizeof(m.number));
		break;
	case GET_VRING_BASE:
		m.state.num = 0;
		answer(sock, &m, sizeof(m.state));
		break;
	case SET_MEM_TABLE:
		map_table(&m, fds, n);
		/* The descriptors stay open, as a back end's do. */
		break;
	}
	return true;
}

static void look(const char *text)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		if (memmem(mapped[i], sizes[i], text, strlen(text))) {
			printf("vhost-user: \"%s\" is there\n", text);
			return;
		}
	printf("vhost-user: \"%s\" is not there\n", text);
}

int main(int argc, char **argv)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct pollfd pfd[2] = { { .events = POLLIN }, { .events = POLLIN } };
	char line[64];
	int listener;

	setvbuf(stdout, NULL, _IOLBF, 0);
	from_zero = argc == 4 && !strcmp(argv[3], "from-zero");
	if (argc != 3 + from_zero || strlen(argv[1]) >= sizeof(addr.sun_path)) {
		fprintf(stderr, "usage: egm_vhost_user SOCKET TEXT [from-zero]\n");
		return 2;
	}
	strcpy(addr.sun_path, argv[1]);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(listener, 1)) {
		perror(argv[1]);
		return 2;
	}
	pfd[1].fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (pfd[1].fd < 0) {
		perror("accept");
		return 2;
	}
	while (poll(pfd, 2, -1) > 0) {
		if (pfd[1].revents && !serve(pfd[1].fd)) {
			printf("vhost-user: the front end has closed the connection\n");
			close(pfd[1].fd);
			pfd[1].fd = -1;
		}
		if (pfd[0].revents) {
			if (read(0, line, sizeof(line)) <= 0)
				return 0;
			look(argv[2]);
		}
	}
	return 1;
}
