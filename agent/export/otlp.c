/* SPDX-License-Identifier: Apache-2.0 */
/* The OTLP encoder: field numbers are those of opentelemetry-proto, common/v1, resource/v1, trace/v1. Pure. */
#include "export/otlp.h"

#include "export/pb.h"

#define FLAG_HAS_IS_REMOTE 0x100 /* SpanFlags: SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK */
#define FLAG_IS_REMOTE 0x200	 /* SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK */

static void any_value(struct buf *b, unsigned int field, const struct attr *a)
{
	size_t value = pb_begin(b, field), array;

	switch (a->type) {
	case ATTR_STR:
		pb_string(b, 1, a->str);
		break;
	case ATTR_BOOL:
		pb_uint(b, 2, a->b);
		break;
	case ATTR_INT:
		pb_uint(b, 3, (uint64_t)a->i);
		break;
	case ATTR_DOUBLE:
		pb_double(b, 4, a->d);
		break;
	case ATTR_STRS:
		array = pb_begin(b, 5);
		for (size_t i = 0; i < a->strs.cnt; i++) {
			size_t element = pb_begin(b, 1);

			pb_string(b, 1, a->strs.at[i]);
			pb_end(b, element);
		}
		pb_end(b, array);
		break;
	}
	pb_end(b, value);
}

static void key_values(struct buf *b, unsigned int field, const struct attr *attrs, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++) {
		size_t pair = pb_begin(b, field);

		pb_string(b, 1, slice_str(attrs[i].key));
		any_value(b, 2, &attrs[i]);
		pb_end(b, pair);
	}
}

void otlp_resource(struct buf *b, const struct attr *attrs, size_t cnt)
{
	key_values(b, 1, attrs, cnt);
}

static void events(struct buf *b, const struct span *s)
{
	for (size_t i = 0; i < s->event_cnt; i++) {
		size_t event = pb_begin(b, 11);

		pb_fixed64(b, 1, s->events[i].wall_ns);
		pb_string(b, 2, slice_str(s->events[i].name));
		key_values(b, 3, s->events[i].attrs, s->events[i].attr_cnt);
		pb_end(b, event);
	}
}

void otlp_span(struct buf *b, const struct span *s)
{
	uint32_t flags = s->trace_flags;

	pb_bytes(b, 1, s->trace_id, sizeof(s->trace_id));
	pb_bytes(b, 2, s->span_id, sizeof(s->span_id));
	if (s->trace_state.len)
		pb_string(b, 3, s->trace_state);
	if (s->has_parent) {
		pb_bytes(b, 4, s->parent_id, sizeof(s->parent_id));
		flags |= FLAG_HAS_IS_REMOTE | (s->parent_remote ? FLAG_IS_REMOTE : 0);
	}
	pb_string(b, 5, s->name);
	pb_uint(b, 6, s->kind);
	pb_fixed64(b, 7, s->start_ns);
	pb_fixed64(b, 8, s->end_ns);
	key_values(b, 9, s->attrs, s->attr_cnt);
	events(b, s);
	if (s->status != SPAN_UNSET) {
		size_t status = pb_begin(b, 15);

		if (s->status_message.len)
			pb_string(b, 2, s->status_message);
		pb_uint(b, 3, s->status);
		pb_end(b, status);
	}
	if (flags)
		pb_fixed32(b, 16, flags);
}

static void scope_spans(struct buf *b, const struct otlp_scope *scope, const struct otlp_item *items, size_t cnt,
			const size_t *group, size_t which)
{
	size_t spans = pb_begin(b, 2), at = pb_begin(b, 1);

	pb_string(b, 1, scope->name);
	if (scope->version.len)
		pb_string(b, 2, scope->version);
	pb_end(b, at);
	for (size_t i = 0; i < cnt; i++)
		if (group[i] == which)
			pb_bytes(b, 2, items[i].span.ptr, items[i].span.len);
	pb_end(b, spans);
}

void otlp_request(struct buf *b, const struct otlp_scope *scope, const struct otlp_item *items, size_t cnt,
		  size_t *group)
{
	for (size_t i = 0; i < cnt; i++) {
		group[i] = i;
		for (size_t k = 0; k < i && group[i] == i; k++)
			if (group[k] == k && slice_eq(items[k].resource, items[i].resource))
				group[i] = k;
	}
	for (size_t i = 0; i < cnt; i++) {
		size_t at;

		if (group[i] != i)
			continue;
		at = pb_begin(b, 1);
		pb_bytes(b, 1, items[i].resource.ptr, items[i].resource.len);
		scope_spans(b, scope, items, cnt, group, i);
		pb_end(b, at);
	}
}

uint64_t otlp_rejected(struct slice response)
{
	struct pb_field outer, inner;
	bool bad;

	/* ExportTraceServiceResponse{ partial_success=1 { int64 rejected_spans=1, string error_message=2 } } */
	while (pb_next(&response, &outer, &bad)) {
		struct slice partial = outer.data;

		if (outer.field != 1 || outer.wire != PB_LEN)
			continue;
		while (pb_next(&partial, &inner, &bad))
			if (inner.field == 1 && inner.wire == PB_VARINT)
				return inner.value;
	}
	return 0;
}
