/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the process that parses captured bytes gives up: files, user, capabilities, new privileges, system calls. Called
 * once, by the agent process, while it has one thread. Every step that fails fails the whole.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct sandbox_cfg {
	uid_t uid;
	gid_t gid;
	int root_fd;	/* directory to live in: the store's, or an empty one */
	const int *fds; /* descriptors to keep besides 0, 1, 2; all others are closed */
	size_t fd_cnt;
	bool network; /* TCP sockets may be made (export) */
	bool files;   /* files may be made in root_fd (store) */
	bool kill;    /* a forbidden system call kills, instead of failing with EPERM */
};

/* 0 or -errno, with the step that failed in why. */
int sandbox_enter(const struct sandbox_cfg *cfg, const char **ret_why);
/* From inside: try what must not work. Prints TAP on stdout, returns how many checks failed. `other` is the pid of a
 * process of another user. */
int sandbox_selftest(pid_t other);
