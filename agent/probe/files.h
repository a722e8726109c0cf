/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The executable files of the node: which were looked at, which hold TLS code, and the attachments of those. A file
 * is known by device and inode of the opened file, never by its path, and read once. Privileged process, main thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probe/probe.h"
#include "probe/site.h"

struct files;

#define FILES_NO_LIB UINT32_MAX

/* One mapping of a file by a process: what files_look() is asked about. */
struct files_map {
	int path_fd;		     /* the file, O_PATH; borrowed */
	int pid_fd;		     /* /proc/PID of the process that maps it; borrowed */
	const char *path;	     /* as that process sees it, for show */
	uint64_t start, end, offset; /* of the mapping */
};

struct files_seen {
	uint32_t dev; /* as the kernel encodes it: major << 20 | minor */
	uint64_t ino;
	uint32_t lib; /* number of the TLS file, or FILES_NO_LIB */
	bool settled; /* nothing more is to be learned of this file while it stays unchanged */
};

struct files *files_new(struct probe *probe);
/* Detaches everything. */
void files_free(struct files *f);

/* How long files_look() may read and attach files until this is called again: strangers make files that take long.
 * One file is always read. */
void files_turn(struct files *f, uint64_t ns);

/* Look at a mapped file: the first time read it and attach if it has TLS code, later recall. -ENOENT: no regular
 * file. -EAGAIN: the time of this turn is used up, and the file is not known yet. now_ns: CLOCK_MONOTONIC, as
 * everywhere here. */
int files_look(struct files *f, const struct files_map *map, uint64_t now_ns,
	       struct files_seen *ret_seen);

/* A process began or ceased to use TLS file lib. */
void files_use(struct files *f, uint32_t lib);
void files_unuse(struct files *f, uint32_t lib, uint64_t now_ns);
/* Not detached while no process uses it. */
void files_keep(struct files *f, uint32_t lib);
/* Look at the TLS libraries of tls_libs.def that are installed where the dynamic loader finds them, and keep them: a
 * process that is the first to map one may make its calls, and end, before its mapping is looked at. root_fd: the
 * root directory of the node, borrowed. known.c */
void files_look_known(struct files *f, int root_fd, uint64_t now_ns);
/* How many attached files no known process has used since before_ns. */
size_t files_idle(const struct files *f, uint64_t before_ns);
/* Detach a few of those, the rest when called again. A detached link costs the kernel a grace period (up to 128 ms
 * each, measured): call it rarely. */
void files_detach_idle(struct files *f, uint64_t before_ns);

/* Also what watch_lib_get() says. */
struct watch_lib {
	const char *path; /* as the first process saw it; borrowed until the next files_look() */
	const char *kind;
	uint32_t funcs; /* bit set of enum tls_func */
	uint32_t procs;
	int err; /* 0 attached, else why not */
	struct site read, write;
};
size_t files_lib_cnt(const struct files *f);
/* i < files_lib_cnt() */
void files_lib_get(const struct files *f, size_t i, struct watch_lib *ret_lib);

struct files_stats {
	uint64_t known;	    /* files remembered now */
	uint64_t reads;	    /* files whose symbols were read */
	uint64_t libs_full; /* times a TLS file was not attached because the share of its owner, or all, was */
};
struct files_stats files_stats(const struct files *f);
