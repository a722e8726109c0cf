/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pipeline: event -> recorder -> flow -> proto -> provider -> span -> sinks. pipeline.c is the one file that knows
 * this order. It needs no privilege and reads no clock: a live run and a replay differ only in where events come from.
 * Loop thread. All memory is reserved in pipeline_new().
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "app/record.h"
#include "event.h"
#include "span/span.h"

struct pipeline;

#define PIPELINE_SINKS 4
struct pipeline_cfg {
	const struct record_head
		*head; /* seed, version, host and resource of the spans; borrowed for ever */
	struct recorder *recorder;   /* NULL: none; borrowed */
	volatile uint64_t *verdicts; /* KS_VERDICT_SLOTS slots that the kernel reads, or NULL */
	struct span_sink sink[PIPELINE_SINKS];
	size_t sink_cnt;
};

struct pipeline_count {
	uint64_t events, data_bytes, spans;
	uint64_t conns, exchanges; /* open now */
};

/* 0, -ENOMEM, or -EINVAL: head->resource is malformed. */
int pipeline_new(const struct pipeline_cfg *cfg, struct pipeline **ret);
/* Ends every open stream, pushing the spans that follow (marked stopped), then frees. NULL is fine. */
void pipeline_free(struct pipeline *p);
/* One event of any kind; a record that does not fit the ABI is counted and ignored. have: readable bytes. */
void pipeline_push(struct pipeline *p, const struct ks_hdr *ev, size_t have);
/* Time passes: pushes a KS_EV_TICK. */
void pipeline_tick(struct pipeline *p, uint64_t mono_ns, uint64_t wall_ns);
void pipeline_count(const struct pipeline *p, struct pipeline_count *ret_count);
/* Worst-case bytes of the stages, one line each: fn(ctx, stage, bytes). */
void pipeline_bytes(void (*fn)(void *ctx, const char *stage, size_t bytes), void *ctx);
