/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel side, seen from the privileged process: load the objects, choose the socket family by trial, attach to
 * TLS code, hand out what the unprivileged process needs (two mappings and a ring). Privileged process, main thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cfg.h"
#include "drops.h"
#include "event.h"
#include "limits.h"
#include "tls_func.h"

struct probe;

enum probe_family { FAMILY_FENTRY, FAMILY_KPROBE, FAMILY_TRACEPOINT, FAMILY_SOCKET_CNT };

struct probe_cfg {
	struct ks_cfg bpf;
	size_t ring_bytes;
	const char *family; /* "auto", "fentry", "kprobe", "tracepoint" or "none" */
};

/* Open, load and attach everything that is not per library. On failure *ret is untouched and `why` (why_len bytes)
 * holds one line that says what is missing and what to do. The caller frees with probe_free(). */
int probe_new(const struct probe_cfg *cfg, struct probe **ret, char *why, size_t why_len);
void probe_free(struct probe *p);

/* Which socket family was chosen, and why the better ones were not (one line each, NULL when not tried). */
const char *probe_family_name(const struct probe *p);
const char *probe_family_reason(const struct probe *p, enum probe_family f);

/* File descriptors of maps, owned by p: for ring_buffer__new() before privileges are dropped. */
int probe_data_ring_fd(const struct probe *p);
int probe_ctl_ring_fd(const struct probe *p);
/* Shared mappings (MAP_SHARED), owned by p, valid after fork: verdict slots (writable), counters (read). */
volatile uint64_t *probe_verdicts(const struct probe *p);	/* KS_VERDICT_SLOTS */
const volatile uint64_t *probe_counters(const struct probe *p); /* KS_COUNTERS */

/* Mark a process: KS_MARK_DENY (never traced: ourselves), KS_MARK_WATCH (with KS_WATCH_LISTED; children inherit),
 * KS_MARK_NONE: as if never marked. */
int probe_mark(struct probe *p, pid_t tgid, enum ks_mark mark);
/* Tell the kernel that this file needs no further MMAP event. */
int probe_file_seen(struct probe *p, const struct ks_ev_proc *mmap_event);

/* Where to attach in one TLS library. */
struct tls_site {
	/* opens the file from this process: /proc/PID/root/..., /proc/PID/map_files/..., /proc/self/fd/N */
	const char *path;
	uint64_t offset[TLS_FUNC_CNT]; /* in the file, not addresses; 0 = absent */
	enum ks_source source;	       /* the library */
};
struct probe_link; /* all attachments of one library file */
/* Attach to one library file, in every process that maps it (the kernel keys uprobes by inode).
 * -ENOENT: neither a read nor a write function. -ENOTSUP: the kernel cannot probe it safely, or (before 5.15) has no
 * cookies for uprobes and the library is not OpenSSL. -EPERM, -EINVAL, ...: the kernel's answer. */
int probe_attach_tls(struct probe *p, const struct tls_site *site, struct probe_link **ret);
void probe_detach(struct probe_link *l);

/* One line for each capability the kernel was asked for: for `doctor`. Calls fn(ctx, name, 0 or -errno, advice). */
void probe_doctor(void (*fn)(void *ctx, const char *name, int err, const char *advice), void *ctx);
