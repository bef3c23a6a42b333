// SPDX-License-Identifier: GPL-2.0-only
/*
 * The lifetime of a region: a test for each event in the life of a node, its files, their
 * mappings, and the claim of the physical range. Races are in egm_lifetime_race_test.c.
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <sys/syscall.h>
#include <sys/wait.h>

#include "egm_harness.h"
#include "egm_touch.h"

FIXTURE(life) {
	char gpu[EGM_MAX_GPUS][32];
	int gpus;
	size_t page;
};

static void unbind_gpus(char gpu[EGM_MAX_GPUS][32], int gpus)
{
	int i;

	for (i = 0; i < gpus; i++)
		egm_gpu_unbind(gpu[i]);
}

FIXTURE_SETUP(life)
{
	self->page = sysconf(_SC_PAGESIZE);
	/* One that ran into its time limit had no teardown. */
	ASSERT_TRUE(egm_bind_again());
	self->gpus = egm_gpus(self->gpu);
	ASSERT_LE(1, self->gpus);
}

/* The kernel has closed the files of the test's process: bind the region for the next test. */
FIXTURE_TEARDOWN_PARENT(life)
{
	EXPECT_TRUE(egm_bind_all(self->gpu, self->gpus));
}

/* Map the first block in another file: 0 if free (content checked), or the errno. */
static int second_user(size_t len)
{
	int fd = egm_open(), ret = 0;
	char *p;

	if (fd < 0)
		return errno;
	p = egm_map(fd, 0, len);
	if (p == MAP_FAILED)
		ret = errno;
	else if (egm_first_nonzero(p, len) != len)
		ret = EUCLEAN;
	close(fd);
	if (p != MAP_FAILED)
		munmap(p, len);
	return ret;
}

TEST_F(life, first_gpu_bind_creates_the_node)
{
	unbind_gpus(self->gpu, self->gpus);
	EXPECT_FALSE(egm_exists(egm_node()));
	EXPECT_FALSE(egm_claimed(NULL));
	ASSERT_EQ(0, egm_gpu_bind(self->gpu[0]));
	EXPECT_TRUE(egm_exists(egm_node()));
	EXPECT_TRUE(egm_claimed(NULL));
}

TEST_F(life, second_gpu_unbind_keeps_the_node)
{
	struct stat before, after;
	int i, fd = egm_open();
	char *p = egm_map(fd, 0, EGM_BLOCK);

	if (self->gpus < 2)
		SKIP(return, "the socket has one GPU");
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, stat(egm_node(), &before));
	p[5] = 55;
	/* Either GPU can be the one that stays. */
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, egm_gpu_unbind(self->gpu[i]));
		ASSERT_EQ(0, stat(egm_node(), &after));
		EXPECT_EQ(before.st_ino, after.st_ino);
		EXPECT_EQ(0, egm_touch(p, 0));
		EXPECT_EQ(55, p[5]);
		ASSERT_EQ(0, egm_gpu_bind(self->gpu[i]));
		EXPECT_EQ(55, p[5]);
		EXPECT_LT(0, egm_size(fd));
	}
	munmap(p, EGM_BLOCK);
	close(fd);
}

TEST_F(life, mapped_blocks_are_zero_and_reserved)
{
	int fd = egm_open();
	char *p = egm_map(fd, 0, 2 * EGM_BLOCK);

	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(2 * EGM_BLOCK, egm_first_nonzero(p, 2 * EGM_BLOCK));
	EXPECT_EQ(EBUSY, second_user(self->page));
	munmap(p, 2 * EGM_BLOCK);
	close(fd);
}

TEST_F(life, munmap_keeps_blocks_reserved)
{
	int fd = egm_open();
	char *p = egm_map(fd, 0, EGM_BLOCK);

	ASSERT_NE(MAP_FAILED, p);
	p[0] = 1;
	munmap(p, EGM_BLOCK);
	EXPECT_EQ(EBUSY, second_user(self->page));
	close(fd);
	EXPECT_EQ(0, second_user(EGM_BLOCK));
}

TEST_F(life, mapping_holds_the_file)
{
	int fd = egm_open();
	char *p = egm_map(fd, 0, EGM_BLOCK);

	ASSERT_NE(MAP_FAILED, p);
	memset(p, 0x11, EGM_BLOCK);
	close(fd);
	EXPECT_EQ(EBUSY, second_user(self->page));
	munmap(p, EGM_BLOCK / 2);
	EXPECT_EQ(EBUSY, second_user(self->page));
	EXPECT_EQ(0x11, p[EGM_BLOCK - 1]);
	munmap(p + EGM_BLOCK / 2, EGM_BLOCK / 2);
	EXPECT_EQ(0, second_user(EGM_BLOCK));
}

TEST_F(life, mapping_of_a_child_holds_the_file)
{
	int fd = egm_open(), go[2], status;
	char *p = egm_map(fd, 0, EGM_BLOCK), byte;
	pid_t child;

	ASSERT_NE(MAP_FAILED, p);
	memset(p, 0x22, EGM_BLOCK);
	ASSERT_EQ(0, pipe(go));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		close(fd);
		close(go[1]);
		if (read(go[0], &byte, 1) < 0)
			_exit(2);
		_exit(p[EGM_BLOCK - 1] != 0x22);
	}
	munmap(p, EGM_BLOCK);
	close(fd);
	EXPECT_EQ(EBUSY, second_user(self->page));
	close(go[1]);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, second_user(EGM_BLOCK));
}

TEST_F(life, descriptor_in_flight_holds_the_file)
{
	int fd = egm_open(), pair[2];
	char *p = egm_map(fd, 0, EGM_BLOCK);

	ASSERT_NE(MAP_FAILED, p);
	memset(p, 0x33, EGM_BLOCK);
	munmap(p, EGM_BLOCK);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	egm_send_fd(pair[0], fd);
	close(fd);
	/* The file is in flight, in no descriptor table. */
	EXPECT_EQ(EBUSY, second_user(self->page));
	close(pair[0]);
	close(pair[1]);
	EXPECT_EQ(0, second_user(EGM_BLOCK));
}

/* The state of an open file after every kind of removal. */
static void expect_revoked(struct __test_metadata *_metadata, int fd, char *p,
			   size_t page)
{
	uint64_t start;
	int mem;

	EXPECT_FALSE(egm_exists(egm_node()));
	EXPECT_EQ(-1, egm_open());
	EXPECT_EQ(BUS_ADRERR, egm_touch(p, 0));
	EXPECT_EQ(BUS_ADRERR, egm_touch(p + EGM_BLOCK - 1, 1));
	EXPECT_EQ(-1, lseek(fd, 0, SEEK_END));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(ENODEV, egm_map_errno(fd, 0, page, MAP_SHARED));
	EXPECT_EQ(ENODEV, egm_map_errno(fd, 8 * EGM_BLOCK, page, MAP_SHARED));

	/* The range stays claimed: /dev/mem cannot map it. */
	ASSERT_TRUE(egm_claimed(&start));
	mem = open("/dev/mem", O_RDWR);
	if (mem < 0) {
		TH_LOG("not tried with /dev/mem: %s", strerror(errno));
	} else {
		EXPECT_EQ(EPERM, egm_map_errno(mem, start, page, MAP_SHARED));
		close(mem);
	}
}

TEST_F(life, last_gpu_unbind_revokes)
{
	int fd = egm_open();
	char *p = egm_map(fd, 0, EGM_BLOCK);

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, egm_touch(p, 1));
	unbind_gpus(self->gpu, self->gpus);
	expect_revoked(_metadata, fd, p, self->page);
	munmap(p, EGM_BLOCK);
	EXPECT_TRUE(egm_claimed(NULL));
	close(fd);
	EXPECT_FALSE(egm_claimed(NULL));
}

TEST_F(life, auxiliary_device_unbind_revokes)
{
	int fd = egm_open();
	char *p = egm_map(fd, 0, EGM_BLOCK);

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, egm_touch(p, 1));
	ASSERT_EQ(0, egm_adev_unbind());
	expect_revoked(_metadata, fd, p, self->page);
	munmap(p, EGM_BLOCK);
	close(fd);
	EXPECT_FALSE(egm_claimed(NULL));
	EXPECT_EQ(0, egm_adev_bind());
}

TEST_F(life, rebind_with_a_revoked_file_open_ebusy)
{
	int fd = egm_open();
	char *p = egm_map(fd, 0, EGM_BLOCK);

	ASSERT_NE(MAP_FAILED, p);
	memset(p, 0x44, EGM_BLOCK);
	unbind_gpus(self->gpu, self->gpus);
	/* The GPU binds, but its region does not. */
	EXPECT_EQ(0, egm_gpu_bind(self->gpu[0]));
	EXPECT_TRUE(egm_gpu_is_bound(self->gpu[0]));
	EXPECT_FALSE(egm_exists(egm_node()));
	EXPECT_EQ(EBUSY, egm_adev_bind());
	EXPECT_EQ(BUS_ADRERR, egm_touch(p, 0));
	close(fd);
	/* The mapping alone still holds it. */
	EXPECT_EQ(EBUSY, egm_adev_bind());
	munmap(p, EGM_BLOCK);
	EXPECT_EQ(0, egm_adev_bind());
	EXPECT_EQ(0, second_user(EGM_BLOCK));
}

TEST_F(life, second_node_opens_the_same_region)
{
	int public = egm_open(), private = egm_open_mknod();
	char *a, *b;

	ASSERT_LE(0, private);
	a = egm_map(public, 0, EGM_BLOCK);
	b = egm_map(private, EGM_BLOCK, EGM_BLOCK);
	ASSERT_NE(MAP_FAILED, a);
	ASSERT_NE(MAP_FAILED, b);
	ASSERT_EQ(0, egm_touch(a, 1));
	ASSERT_EQ(0, egm_touch(b, 1));
	/* The driver does not distinguish the nodes. */
	EXPECT_EQ(EBUSY, egm_map_errno(private, 0, self->page, MAP_SHARED));

	ASSERT_EQ(0, egm_adev_unbind());
	EXPECT_EQ(BUS_ADRERR, egm_touch(a, 0));
	EXPECT_EQ(BUS_ADRERR, egm_touch(b, 0));
	/* The private node outlives the device, and leads nowhere. */
	EXPECT_EQ(-1, open(egm_private_node(), O_RDWR));
	unlink(egm_private_node());
	munmap(a, EGM_BLOCK);
	munmap(b, EGM_BLOCK);
	close(public);
	close(private);
	EXPECT_EQ(0, egm_adev_bind());
}

TEST_F(life, module_unload_with_a_mapping_eagain)
{
	int fd = egm_open();
	char *p = egm_map(fd, 0, EGM_BLOCK);

	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(-1, syscall(__NR_delete_module, "nvgrace_egm", O_NONBLOCK));
	EXPECT_EQ(EWOULDBLOCK, errno);
	close(fd);
	EXPECT_EQ(-1, syscall(__NR_delete_module, "nvgrace_egm", O_NONBLOCK));
	EXPECT_EQ(EWOULDBLOCK, errno);
	munmap(p, EGM_BLOCK);
	EXPECT_EQ(0, syscall(__NR_delete_module, "nvgrace_egm", O_NONBLOCK));
	EXPECT_FALSE(egm_exists(egm_node()));
	EXPECT_FALSE(egm_claimed(NULL));
	EXPECT_EQ(0, system("modprobe nvgrace-egm"));
	EXPECT_TRUE(egm_exists(egm_node()));
}

/*
 * The other module can go under open files; it is the GPUs' driver. vfio_device_release() reads
 * the operations of that module. A kernel that delays the call can have unloaded the module.
 */
TEST_F(life, gpu_module_unload_revokes)
{
	char *p;
	int fd, i;

	if (!system("grep -q ' kobject_delayed_cleanup$' /proc/kallsyms"))
		SKIP(return, "vfio_device_release() is delayed: CONFIG_DEBUG_KOBJECT_RELEASE");
	fd = egm_open();
	p = egm_map(fd, 0, EGM_BLOCK);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, egm_touch(p, 1));
	ASSERT_EQ(0, syscall(__NR_delete_module, "nvgrace_gpu_vfio_pci", O_NONBLOCK));
	expect_revoked(_metadata, fd, p, self->page);
	munmap(p, EGM_BLOCK);
	close(fd);
	EXPECT_FALSE(egm_claimed(NULL));
	ASSERT_EQ(0, system("modprobe nvgrace-gpu-vfio-pci"));
	for (i = 0; i < self->gpus; i++)
		if (!egm_gpu_is_bound(self->gpu[i]))
			EXPECT_EQ(0, egm_gpu_bind(self->gpu[i]));
	EXPECT_TRUE(egm_exists(egm_node()));
}

TEST_HARNESS_MAIN
