// SPDX-License-Identifier: GPL-2.0-only
/*
 * egm_kexec KERNEL INITRD WORDS		boot another kernel now, with WORDS
 * egm_kexec --crash KERNEL INITRD WORDS	load a kernel that boots when this one crashes
 *
 * Copyright (C) 2026 The nvgrace-egm authors
 */
#include <fcntl.h>
#include <linux/kexec.h>
#include <linux/reboot.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	bool crash = argc > 1 && !strcmp(argv[1], "--crash");
	char **words = argv + 1 + crash;
	int kernel, initrd;

	if (argc != 4 + crash) {
		fputs("usage: egm_kexec [--crash] KERNEL INITRD WORDS\n", stderr);
		return 2;
	}
	kernel = open(words[0], O_RDONLY);
	initrd = open(words[1], O_RDONLY);
	if (syscall(SYS_kexec_file_load, kernel, initrd, strlen(words[2]) + 1, words[2],
		    crash ? KEXEC_FILE_ON_CRASH : 0)) {
		perror("kexec_file_load");
		return 1;
	}
	if (crash)
		return 0;
	sync();
	syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_KEXEC, NULL);
	perror("reboot");
	return 1;
}
