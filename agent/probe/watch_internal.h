/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the watcher share. Privileged process, main thread; a struct watch owns everything in it. */
#pragma once

#include "probe/hidx.h"
#include "probe/watch.h"

#define MS_NS	      1000000ULL
#define SAME_START_NS (20 * MS_NS) /* a clock tick, and one for rounding */
#define SKIPS	      8
#define GAP_NS	      (100 * MS_NS) /* between two looks at one process, once it had LOOKS of them */
#define LOOKS	      64

struct proc {
	pid_t tgid;
	bool live;
	bool used;     /* since the clock hand passed */
	bool exact;    /* start_ns came from the kernel, not from /proc */
	bool settling; /* an exec was seen: look at each step */
	bool unknown;  /* no IDENT was taken since exec */
	uint8_t step;  /* index into settle_ns of the next look */
	uint8_t lib_cnt;
	uint64_t start_ns;
	uint64_t base_ns; /* the steps count from here */
	uint64_t due_ns;  /* 0 = no look pending */
	uint64_t pace_ns; /* no look before this */
	bool partly;	  /* the last look did not meet every file */
	uint64_t ident_hash;
	uint32_t libs[KS_PROC_LIBS];
};

struct only { /* a process of watch_cfg.only */
	pid_t tgid;
	bool gone; /* its number may be another process's by now */
	uint64_t start_ns;
};

struct watch {
	struct watch_cfg cfg;
	int proc_fd;
	struct only *only; /* cfg.only_cnt of them */
	pid_t skips[SKIPS];
	size_t skip_cnt;
	struct files *files;
	struct watch_stats stats;
	uint64_t idle_check_ns;
	uint64_t missed;    /* events that had no room, when /proc was last walked for them */
	uint64_t rescan_ns; /* not before this */
	struct hidx idx; /* of procs, by tgid */
	uint32_t hand;
	uint32_t due_cnt;
	uint32_t due_at;	      /* where in due the next turn begins */
	uint32_t due[KS_WATCH_PROCS]; /* slots with due_ns set */
	struct proc procs[KS_WATCH_PROCS];
	uint32_t mmap_cnt;
	struct ks_ev_proc
		mmaps[KS_PENDING_MMAPS]; /* files that some process mapped and no look has met */
};

/* Read the mappings of p, attach what is new to us and note the TLS files that p uses. pid_fd: its /proc/PID. Sets
 * p->partly and p->pace_ns. */
int watch_look(struct watch *w, struct proc *p, int pid_fd, uint64_t now_ns);
