/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the loader share. Privileged process, main thread; a struct probe owns
 * everything in it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <bpf/libbpf.h>

#include "cfg.h"
#include "probe/probe.h"

#include "kernspan.skel.h"

#define PROBE_LINK_CNT 64

struct btf;

struct probe {
	struct kernspan_bpf *skel;
	struct bpf_link *links[PROBE_LINK_CNT];
	size_t link_cnt;
	enum probe_family family; /* FAMILY_SOCKET_CNT: none */
	bool multi;		  /* TLS programs are those for uprobe_multi links */
	bool deadly;		  /* return probes kill sandboxed processes: no TLS probes */
	char *reason[FAMILY_SOCKET_CNT];
	volatile uint64_t *verdicts;
	volatile uint64_t *counters;
};

/*
 * Open, load and attach the programs of one socket family and those that every family needs. On
 * failure nothing is left and `why` holds the kernel's or the verifier's last word.
 * FAMILY_SOCKET_CNT: no socket family.
 */
int object_load(struct probe *p, enum probe_family family, const struct probe_cfg *cfg, char *why,
		size_t why_len);
void object_unload(struct probe *p);

/* The running kernel's types; NULL: none. The caller frees. */
struct btf *object_btf(void);

/* Can one link hold many uprobes, and tell their program which one it is at? attach.c */
bool object_has_multi(void);

/* Does a return probe kill processes that live under a seccomp filter? Forks twice. hazard.c */
bool hazard_return_probes(void);

/* Rows of families.c. */
const char *family_name(enum probe_family family);
bool family_wants(enum probe_family family, bool multi, const char *prog_name);
enum probe_family family_by_name(const char *name); /* FAMILY_SOCKET_CNT when unknown */
