/* SPDX-License-Identifier: Apache-2.0 */
/* The directory that the agent process lives in: the store's, or an empty one without a name. Warden, at start. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Make or take the directory for this user. 0 or -errno with one line in why; the caller closes *ret_fd. */
int statedir_open(const char *path, uid_t uid, gid_t gid, int *ret_fd, char *why, size_t why_len);
/* An empty directory that is removed already, so that nothing can be made in it. */
int statedir_empty(int *ret_fd, char *why, size_t why_len);
