/* SPDX-License-Identifier: Apache-2.0 */
/* `--check-config`: the configuration as it holds, every cap of limits.h, and the memory that follows at worst. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "app/commands.h"
#include "app/pipeline.h"
#include "app/resolve.h"
#include "limits.h"

#define LIMIT(name) { #name, (uint64_t)(name) }
static const struct {
	const char *name;
	uint64_t value;
} limits[] = {
	LIMIT(KS_CHUNK_CAP),	   LIMIT(KS_CALL_PARTS),    LIMIT(KS_CALL_CAP),
	LIMIT(KS_CTL_RING_BYTES),  LIMIT(KS_WAKE_BYTES),    LIMIT(KS_STREAMS),
	LIMIT(KS_SOCKS),	   LIMIT(KS_CALLS),	    LIMIT(KS_TASKS),
	LIMIT(KS_SEEN_FILES),	   LIMIT(KS_VERDICT_SLOTS), LIMIT(KS_IOV_SEGS),
	LIMIT(KS_CONNS),	   LIMIT(KS_PROCS),	    LIMIT(KS_PIPELINE),
	LIMIT(KS_HEAD_CAP),	   LIMIT(KS_HEADERS),	    LIMIT(KS_EXCHANGES),
	LIMIT(KS_H2_STREAMS),	   LIMIT(KS_H2_TABLE),	    LIMIT(KS_HPACK_MEM),
	LIMIT(KS_ARENA_CAP),	   LIMIT(KS_INFLATERS),	    LIMIT(KS_INFLATE_RATIO),
	LIMIT(KS_INFLATE_SLACK),   LIMIT(KS_SSE_NAME_CAP),  LIMIT(KS_JSON_DEPTH),
	LIMIT(KS_JSON_SKIP_DEPTH), LIMIT(KS_JSON_KEY_CAP),  LIMIT(KS_VALUE_CAP),
	LIMIT(KS_CHOICES),	   LIMIT(KS_TOOL_CALLS),    LIMIT(KS_STOPS),
	LIMIT(KS_SPAN_ATTRS),	   LIMIT(KS_SPAN_EVENTS),   LIMIT(KS_SPAN_TEXT),
	LIMIT(KS_QUEUE_SPANS),	   LIMIT(KS_QUEUE_BYTES),   LIMIT(KS_BATCH_SPANS),
	LIMIT(KS_BATCH_BYTES),	   LIMIT(KS_STORE_SPANS),
};

struct sum {
	FILE *out;
	uint64_t bytes;
};

static void add(void *ctx, const char *what, size_t bytes)
{
	struct sum *s = ctx;

	s->bytes += bytes;
	fprintf(s->out, "  %-28s %12zu\n", what, bytes);
}

void config_print(const struct config *c, FILE *out)
{
	struct sum sum = { .out = out };
	char value[1024];

	fprintf(out, "configuration:\n");
	for (int i = 0; i < OPT_CNT; i++) {
		const struct option_row *o = option_row((enum option_id)i);
		if (o->where != OPTION_ANY)
			continue;
		config_get(c, (enum option_id)i, value, sizeof(value));
		fprintf(out, "  %-28s %s\n", o->key, value);
	}
	fprintf(out, "limits:\n");
	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++)
		fprintf(out, "  %-28s %" PRIu64 "\n", limits[i].name, limits[i].value);
	fprintf(out, "memory at most, bytes:\n");
	add(&sum, "data ring", c->ring_bytes);
	add(&sum, "control ring", KS_CTL_RING_BYTES);
	pipeline_bytes(add, &sum);
	add(&sum, "queue of standard output", KS_QUEUE_BYTES);
	if (otlp_endpoint(c))
		add(&sum, "queue and batch of OTLP", KS_QUEUE_BYTES + KS_BATCH_BYTES);
	if (strcmp(c->store, "none") != 0)
		add(&sum, "queue of the store", KS_QUEUE_BYTES);
	fprintf(out, "worst-case memory: %" PRIu64 " bytes\n", sum.bytes);
}
