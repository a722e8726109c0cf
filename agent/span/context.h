/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trace context: parse W3C traceparent and tracestate of an observed request, and derive the ids of what has none.
 * Input comes from strangers: a malformed header is no header. Any thread; pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

enum trace_flag { TRACE_SAMPLED = 1, TRACE_RANDOM = 2 }; /* W3C trace-context level 2, section 3.2.2.5 */

struct trace_parent {
	uint8_t trace_id[16];
	uint8_t parent_id[8];
	uint8_t flags; /* SAMPLED and RANDOM; other bits are cleared */
};

/* W3C trace-context section 3.2: lower-case hex only, no zero ids, version 00 exactly 55 characters, higher versions
 * by their first 55. False: ignore the header; *ret is untouched. */
bool traceparent_parse(struct slice value, struct trace_parent *ret);

/* W3C trace-context section 3.3: true if the list is well formed (at most 32 members, 512 bytes are kept). */
bool tracestate_valid(struct slice value);

struct trace_ids {
	uint8_t trace_id[16];
	uint8_t span_id[8];
};
/* Ids of the span of one view of one exchange: a keyed hash, never zero, uniformly distributed. */
void trace_ids_make(const uint8_t seed[16], uint64_t conn_id, uint64_t seq, bool is_client,
		    struct trace_ids *ret);
