/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoded spans waiting to become one OTLP request, and the request. Queue items hold the length of the Resource, the
 * Resource, the Span. Exporter's worker.
 */
#pragma once

#include "export/buf.h"
#include "export/otlp.h"
#include "limits.h"

struct batch {
	struct buf data; /* items, back to back */
	struct {
		size_t at;
		uint32_t resource_len, span_len;
	} entry[KS_BATCH_SPANS];
	size_t cnt;
	uint64_t since_ns; /* when the first one came */
	struct otlp_item item[KS_BATCH_SPANS];
	size_t group[KS_BATCH_SPANS];
};

void batch_init(struct batch *b);
void batch_done(struct batch *b);
void batch_reset(struct batch *b);
/* Loop thread: what goes in front of the Span in a queue item. */
void batch_item(struct buf *b, const struct span *span);
/* False: it does not fit any more; export what is there, then add again (an item always fits an empty batch). */
bool batch_add(struct batch *b, struct slice item, uint64_t now_ns);
/* Append the request to out. */
void batch_request(struct batch *b, const struct otlp_scope *scope, struct buf *out);
