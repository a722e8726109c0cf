/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program of `run -- CMD`: forked early, held until the probes are attached, then run as the invoking user. Its
 * standard output goes to our standard error, because ours is data. Warden.
 */
#pragma once

#include <sys/types.h>

struct launch {
	pid_t pid;
	int go_fd; /* a byte lets it run; closing it makes it leave */
};

struct launch_user {
	uid_t uid;
	gid_t gid;
};

/* Who called us through sudo (SUDO_UID, SUDO_GID). 1; 0 and *ret untouched when nobody did; -EINVAL: no such ids. */
int launch_user(struct launch_user *ret);
/* 0 or -errno. */
int launch_new(char **argv, struct launch *ret);
void launch_go(struct launch *l);
