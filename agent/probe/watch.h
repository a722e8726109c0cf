/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Follow the processes of the node: walk /proc once, then exec and executable mappings from the control ring. Finds
 * TLS code by symbols in mapped files, attaches each file once (by device and inode of the opened file), says who each
 * process is. Privileged process, main thread; reads /proc and ELF files, parses no captured byte.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "event.h"
#include "probe/files.h"
#include "probe/probe.h"

struct watch;

struct watch_cfg {
	struct probe *probe;
	const char *proc_root; /* "/proc" */
	const pid_t *only;     /* watch these and their children only; only_cnt 0 = every process. Read once */
	size_t only_cnt;
	void *ctx;
	/* A process became known or changed; ident is borrowed. Matched by tgid and start: proc_start_ns is the
	 * kernel's own value once an event has told it, before that it is rounded down to the clock tick, so a
	 * reader takes two starts of one tgid for the same process when they differ by less than 20 ms.
	 * Not 0: it could not be taken, and is said again 100 ms later. */
	int (*ident)(void *ctx, const struct ks_ev_ident *ident);
};

int watch_new(const struct watch_cfg *cfg, struct watch **ret);
/* Detaches everything. */
void watch_free(struct watch *w);
/* Never look at this process (one of our own; the caller itself is known). -ENOSPC: too many. Call before
 * watch_scan(). */
int watch_skip(struct watch *w, pid_t tgid);
/* Walk /proc once; returns when everything that runs is attached, or after ten seconds of reading files: the rest is
 * left to watch_tick(). With cfg.only it also marks those processes and
 * their children for the kernel side. now_ns: CLOCK_MONOTONIC, as everywhere here. */
int watch_scan(struct watch *w, uint64_t now_ns);
/* Attach to the well-known TLS libraries that are installed under the root of process 1 (ours, if that is closed
 * to us), used or not: see files_look_known(). Libraries elsewhere, as in containers, are met when they are mapped.
 * -errno: no root can be opened. */
int watch_known(struct watch *w, uint64_t now_ns);
/* An event of the control ring (EXEC, EXIT, MMAP; others are ignored). Its work is done by the next watch_tick():
 * call that after each batch of events. */
void watch_event(struct watch *w, const struct ks_hdr *ev, uint64_t now_ns);
/* Deferred work (first and second looks, detaching, the walk of /proc after events were missed), for a tenth of a
 * second at most and the rest in the next turn; returns when to call again, CLOCK_MONOTONIC, 0 = nothing
 * pending. */
uint64_t watch_tick(struct watch *w, uint64_t now_ns);
/* Say who tgid is, now: for a process that shows traffic and that no IDENT named, as a child that was forked without
 * exec. start_ns: of its event. -ESRCH: gone, or not to be watched. */
int watch_identify(struct watch *w, pid_t tgid, uint64_t start_ns, uint64_t now_ns);

/* What is attached, for stats and doctor -v. */
size_t watch_lib_cnt(const struct watch *w);
/* i < watch_lib_cnt(); strings are borrowed until the next call of another function here. */
void watch_lib_get(const struct watch *w, size_t i, struct watch_lib *ret_lib);

struct watch_stats {
	uint64_t procs; /* processes followed now */
	uint64_t
		forgotten; /* processes given up because KS_WATCH_PROCS were followed; found again when they act */
	uint64_t looks; /* times the mappings of a process were read */
	struct files_stats files;
};
struct watch_stats watch_stats(const struct watch *w);
