/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The span stage: one AI call in, one span out, by the conventions of semconv.def. Ids come from the run's seed, the
 * connection and the exchange; times from the records: replay gives the same bytes. Loop thread; allocates only in
 * span_new().
 */
#pragma once

#include <stdint.h>

#include "provider/call.h"
#include "span/span.h"

struct spanner;

struct span_cfg {
	uint8_t seed[16];		/* key of this run's ids; a recording carries it */
	const char *host_name;		/* host.name; NULL or empty: absent; borrowed for ever */
	const char *version;		/* telemetry.sdk.version; borrowed for ever */
	const char *resource_attributes; /* OTEL_RESOURCE_ATTRIBUTES of the agent ("k=v,k2=v2", values percent-encoded),
					  * or NULL; copied; they do not override what kernspan observed */
};

/* 0, -ENOMEM, or -EINVAL: resource_attributes is malformed (*ret untouched). */
int span_new(const struct span_cfg *cfg, struct span_sink sink, struct spanner **ret);
void span_free(struct spanner *s);

/* Build the span and push it to the sink before returning. `call` is borrowed. */
void span_push(struct spanner *s, const struct ai_call *call);

/* Both clocks at one instant (KS_EV_TICK), ns. Must come once before the first call. Differences up to 0.1 s from what
 * is known are taken over by an eighth at a time (the two clocks are not read at quite the same instant); larger ones
 * at once (the wall clock was set). One span always uses one offset: durations are monotonic time. */
void span_tick(struct spanner *s, uint64_t mono_ns, uint64_t wall_ns);

/* Memory held, bytes, for stats. */
size_t span_bytes(const struct spanner *s);
