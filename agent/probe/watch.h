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
#include "probe/probe.h"

struct watch;

struct watch_cfg {
	struct probe *probe;
	const char *proc_root; /* "/proc" */
	const pid_t *only;     /* watch these and their children only; only_cnt 0 = every process */
	size_t only_cnt;
	void *ctx;
	void (*ident)(void *ctx, const struct ks_ev_ident *ident); /* a process became known or changed */
};

int watch_new(const struct watch_cfg *cfg, struct watch **ret);
void watch_free(struct watch *w);
/* Walk /proc once; returns when everything that runs is attached. now_ns: CLOCK_MONOTONIC. */
int watch_scan(struct watch *w, uint64_t now_ns);
/* An event of the control ring (EXEC, EXIT, MMAP). */
void watch_event(struct watch *w, const struct ks_hdr *ev, uint64_t now_ns);
/* Deferred work (second looks); returns when to call again, CLOCK_MONOTONIC, 0 = nothing pending. */
uint64_t watch_tick(struct watch *w, uint64_t now_ns);

/* What is attached, for stats and doctor -v. */
struct watch_lib {
	const char *path;  /* as seen by the first process that mapped it */
	const char *kind;  /* "openssl" */
	uint32_t funcs;	   /* bit set of enum tls_func */
	uint32_t procs;	   /* processes seen with it */
	int err;	   /* 0 attached, else why not */
};
size_t watch_lib_cnt(const struct watch *w);
void watch_lib_get(const struct watch *w, size_t i, struct watch_lib *ret_lib);
