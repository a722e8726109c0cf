/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One AI call becomes one span: ids and parent, name, kind, status, times. The span and what it points to live until
 * the sink returns. Loop thread; all memory is taken in span_new().
 */
#include "span/spanner.h"

#include <errno.h>
#include <stdlib.h>

#include "base/drop.h"
#include "span/build.h"

#define WALL_STEP_NS 100000000 /* larger differences are a set clock, not a late read */

struct spanner {
	uint8_t seed[16];
	struct span_sink sink;
	bool ticked;
	int64_t wall_offset; /* wall clock - monotonic clock, ns */
	struct resource resource;
	struct build build;
};

int span_new(const struct span_cfg *cfg, struct span_sink sink, struct spanner **ret)
{
	struct spanner *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	memcpy(s->seed, cfg->seed, sizeof(s->seed));
	s->sink = sink;
	err = resource_init(&s->resource, cfg->resource_attributes, cfg->host_name, cfg->version);
	if (err) {
		free(s);
		return err;
	}
	*ret = s;
	return 0;
}

void span_free(struct spanner *s)
{
	if (!s)
		return;
	resource_done(&s->resource);
	free(s);
}

size_t span_bytes(const struct spanner *s)
{
	return sizeof(*s);
}

void span_tick(struct spanner *s, uint64_t mono_ns, uint64_t wall_ns)
{
	int64_t diff = (int64_t)(wall_ns - mono_ns) - s->wall_offset;

	if (!s->ticked || diff > WALL_STEP_NS || diff < -WALL_STEP_NS)
		s->wall_offset += diff;
	else
		s->wall_offset += diff / 8;
	s->ticked = true;
}

static void set_ids(const struct spanner *s, const struct ai_call *call, struct span *span)
{
	struct trace_parent parent;
	struct trace_ids ids;

	trace_ids_make(s->seed, call->conn_id, call->seq, call->is_client, &ids);
	memcpy(span->span_id, ids.span_id, sizeof(span->span_id));
	if (!traceparent_parse(call->traceparent, &parent)) {
		memcpy(span->trace_id, ids.trace_id, sizeof(span->trace_id));
		span->trace_flags = TRACE_SAMPLED | TRACE_RANDOM;
		return;
	}
	memcpy(span->trace_id, parent.trace_id, sizeof(span->trace_id));
	memcpy(span->parent_id, parent.parent_id, sizeof(span->parent_id));
	span->has_parent = true;
	/* The parent of a client's view is a span of the observed process, of a server's view one of another. */
	span->parent_remote = !call->is_client;
	span->trace_flags = parent.flags;
	if (tracestate_valid(call->tracestate))
		span->trace_state = call->tracestate;
}

/* An error code that is one word of a usual length; free text would be a name of its own for each call. */
static bool low_cardinality(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i], lower = (char)(c | 32);

		if (!(lower >= 'a' && lower <= 'z') && !(c >= '0' && c <= '9') && !strchr("_.-:/#", c))
			return false;
		if (!c)
			return false;
	}
	return s.len > 0 && s.len <= 64;
}

static void set_status(struct build *b, const struct ai_call *call, struct span *span)
{
	bool http_error = call->status >= (call->is_client ? 400 : 500);
	/* an error inside an answer that began well counts on both sides */
	bool body_error = call->status < 400 && call->error_type.len;
	bool failed = slice_eq(call->response_status, SLICE("failed"));

	if (!http_error && !body_error && !failed)
		return;
	span->status = SPAN_ERROR;
	if (low_cardinality(call->error_type))
		build_str(b, SC_ERROR_TYPE, call->error_type);
	else if (http_error)
		build_str(b, SC_ERROR_TYPE, build_text(b, "%d", call->status));
	else
		build_str(b, SC_ERROR_TYPE, SLICE("_OTHER"));
}

static void set_incomplete(struct build *b, uint32_t why)
{
	static const char *const text[INCOMPLETE_CNT] = {
#define INCOMPLETE(name, text, why) [INCOMPLETE_BIT_##name] = text,
#include "base/incomplete.def"
#undef INCOMPLETE
	};
	struct slice *at;
	size_t cnt = 0;

	if (b->over) {
		drop(KS_DROP_span_attrs, 1);
		why |= INCOMPLETE_LIMIT;
	}
	at = build_strs(b, (size_t)__builtin_popcount(why));
	if (!at)
		return;
	for (int i = 0; i < INCOMPLETE_CNT; i++)
		if (why & 1u << i)
			at[cnt++] = slice_str(text[i]);
	build_list(b, SC_INCOMPLETE, at, cnt);
}

static void set_times(const struct spanner *s, const struct ai_call *call, struct span *span)
{
	uint64_t end = call->end_ns, start = call->req_start_ns;

	if (!start) /* joined inside the exchange */
		start = call->resp_start_ns ? call->resp_start_ns : end;
	if (end < start)
		end = start;
	span->start_ns = start + (uint64_t)s->wall_offset;
	span->end_ns = end + (uint64_t)s->wall_offset;
}

void span_push(struct spanner *s, const struct ai_call *call)
{
	const struct conn_info *conn = call->conn;
	struct build *b = &s->build;
	struct span span = { .kind = call->is_client ? SPAN_CLIENT : SPAN_SERVER };

	build_reset(b);
	set_ids(s, call, &span);
	set_times(s, call, &span);
	build_call(b, call);
	set_status(b, call, &span);
	if (call->first_on_conn) {
		build_event(b, SC_EVENT_CONNECT, conn->connect_ns, conn->established_ns, s->wall_offset);
		build_event(b, SC_EVENT_TLS_HANDSHAKE, conn->hs_start_ns, conn->hs_end_ns, s->wall_offset);
	}
	span.name = build_join(b, b->attrs[0].str, call->model);
	set_incomplete(b, call->incomplete & ((1u << INCOMPLETE_CNT) - 1));
	resource_make(&s->resource, conn->proc);
	span.attrs = b->attrs;
	span.attr_cnt = b->attr_cnt;
	span.events = b->events;
	span.event_cnt = b->event_cnt;
	span.resource = s->resource.attrs;
	span.resource_cnt = s->resource.cnt;
	s->sink.push(s->sink.ctx, &span);
}
