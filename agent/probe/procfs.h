/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Read what /proc says about one process: mappings, status, start time, environment, command line. The parsers take
 * bytes and are pure, for tests and fuzzing; the readers work on a descriptor of /proc/PID, so that all answers are
 * of one process even when its number is used again. Everything is bounded. Privileged process, main thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/slice.h"
#include "event.h"
#include "limits.h"

/* One line of /proc/PID/maps (proc_pid_maps(5)). */
struct procfs_map {
	uint64_t start, end;
	uint64_t offset; /* in the file, of start */
	uint64_t ino;
	uint32_t dev; /* as the kernel encodes it: major << 20 | minor */
	bool exec;
	struct slice
		path; /* as written: '\n' is \012, removed files end in " (deleted)"; may be empty */
};
bool procfs_map_parse(struct slice line, struct procfs_map *ret_map);

struct procfs_status {
	uint32_t ppid;
	uint32_t uid;	  /* effective */
	uint32_t nspid;	  /* the process number in its own namespace */
	uint32_t seccomp; /* 0 off, 1 strict, 2 filter */
};
/* /proc/PID/status; fields that are missing stay 0. */
void procfs_status_parse(struct slice text, struct procfs_status *ret_status);

/* Field 22 of /proc/PID/stat: clock ticks from boot to start (proc_pid_stat(5)). The name in field 2 may hold
 * anything, so fields count from the last ')'. */
bool procfs_stat_parse(struct slice text, uint64_t *ret_start_ticks);

/* The two variables of the environment that name a service; nothing else is kept. Feed the bytes in any pieces. */
#define PROCFS_ENV_ENTRY 4096
struct procfs_env {
	char service[KS_NAME_LEN]; /* OTEL_SERVICE_NAME */
	char attr_service
		[KS_NAME_LEN]; /* service.name of OTEL_RESOURCE_ATTRIBUTES, percent-decoded */
	char entry[PROCFS_ENV_ENTRY]; /* a variable that may be one of them */
	size_t entry_len;
	bool skip; /* to the end of this variable */
};
void procfs_env_init(struct procfs_env *env);
void procfs_env_feed(struct procfs_env *env, struct slice bytes);
/* End of the environment. Wipes entry; the two names stay. */
void procfs_env_done(struct procfs_env *env);

#define PROCFS_PATH 4096 /* PATH_MAX; longer links are cut */

/* Make text from a stranger fit for a record: control characters become '_', what is not UTF-8 becomes '?'. */
void procfs_clean(char *text);

/* Open /proc/PID under proc_fd; -ESRCH or -ENOENT when it is gone. Caller closes. */
int procfs_open(int proc_fd, pid_t pid);
/* Read a small file whole, at most cap bytes. Returns the length or a negative errno. */
ssize_t procfs_read(int pid_fd, const char *name, char *buf, size_t cap);
/* Read a link; ret is NUL-terminated and cut to cap. */
int procfs_link(int pid_fd, const char *name, char *ret, size_t cap);
/* When the process started, CLOCK_BOOTTIME ns, rounded down to the clock tick (10 ms): the kernel's own
 * start_boottime is at this value or less than one tick after it. */
int procfs_start_ns(int pid_fd, uint64_t *ret_ns);
int procfs_status(int pid_fd, struct procfs_status *ret_status);
/* Call fn for each line of maps; false from fn ends the walk. */
int procfs_maps(int pid_fd, bool (*fn)(void *ctx, const struct procfs_map *map), void *ctx);
int procfs_environ(int pid_fd, struct procfs_env *env);
