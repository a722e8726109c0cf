/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From events to chunks: connections, their processes, and the bytes of each direction in order with the holes marked.
 * Takes every event kind of include/event.h, from a ring or a recording. Loop thread; owns conn_info and proc_info.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "event.h"
#include "flow/chunk.h"

struct flow;

struct flow_cfg { /* 0 means the cap of limits.h */
	uint32_t conn_max;
	uint32_t proc_max;
};

/* -ENOMEM. The caller frees with flow_free(). All memory is reserved here and touched on use. */
int flow_new(const struct flow_cfg *cfg, struct chunk_sink sink, struct flow **ret);
/* Ends every open stream (CHUNK_END, INCOMPLETE_STOPPED), then frees. NULL is fine. */
void flow_free(struct flow *f);
/* One event of any kind; ev->len bytes must be readable. -EBADMSG: it does not fit the ABI; counted and ignored.
 * A kind that is not known is ignored. KS_EV_TICK does what flow_tick() does. */
int flow_push(struct flow *f, const struct ks_hdr *ev);
/* Time passes, CLOCK_MONOTONIC: streams of processes that are gone for KS_EXIT_GRACE_NS end. */
void flow_tick(struct flow *f, uint64_t now_ns);
/* Streams open now. */
size_t flow_conns(const struct flow *f);
/* Worst-case memory of such a flow, in bytes. */
size_t flow_bytes(const struct flow_cfg *cfg);
