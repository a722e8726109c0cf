/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a span over a damaged recording may say: nothing that the whole one does not. Pure functions of two spans; one thread.
 */
#pragma once

#include <stdio.h>
#include <string.h>

#include "span/span.h"

static inline const struct attr *find(const struct attr *attrs, size_t cnt, const char *key)
{
	for (size_t i = 0; i < cnt; i++)
		if (!strcmp(attrs[i].key, key))
			return &attrs[i];
	return NULL;
}

static inline const struct attr *get(const struct span *s, enum semconv key)
{
	return find(s->attrs, s->attr_cnt, semconv_name[key]);
}

static inline bool is(const struct attr *a, const char *text)
{
	return a && a->type == ATTR_STR && slice_eq(a->str, slice_str(text));
}

static inline bool same(const struct attr *a, const struct attr *b)
{
	if (a->type != b->type)
		return false;
	switch (a->type) {
	case ATTR_STR:
		return slice_eq(a->str, b->str);
	case ATTR_INT:
		return a->i == b->i;
	case ATTR_DOUBLE:
		return !memcmp(&a->d, &b->d, sizeof(a->d));
	case ATTR_BOOL:
		return a->b == b->b;
	case ATTR_STRS:
		break;
	}
	for (size_t i = 0; i < a->strs.cnt; i++)
		if (i >= b->strs.cnt || !slice_eq(a->strs.at[i], b->strs.at[i]))
			return false;
	return a->strs.cnt == b->strs.cnt;
}

/* Of a list by index, what is there is right; of a list by order, each is one of the wanted, in their order. */
static inline bool part_of(const struct attr *a, const struct attr *b, bool by_index)
{
	size_t k = 0;

	for (size_t i = 0; i < a->strs.cnt; i++, k++) {
		if (!a->strs.at[i].len)
			continue;
		while (!by_index && k < b->strs.cnt && !slice_eq(a->strs.at[i], b->strs.at[k]))
			k++;
		if (k >= b->strs.cnt || !slice_eq(a->strs.at[i], b->strs.at[k]))
			return false;
	}
	return true;
}

enum rule {
	SAME,	  /* as wanted, or not there */
	FREE,	  /* says itself what is missing */
	AT_MOST,  /* counts what was seen */
	USAGE,	  /* as wanted; at most that where kernspan.usage.source says partial */
	BY_INDEX, /* list: an empty member is unknown */
	BY_ORDER, /* list: members may be missing */
	SEEN,	  /* true only if it is */
	MEAN,	  /* over the chunks that were seen */
	FALLBACK, /* a weaker word, that says so, where a fact is missing */
};

static inline enum rule rule_of(const char *key)
{
	static const struct {
		enum semconv key;
		enum rule rule;
	} rules[] = {
		{ SC_INCOMPLETE, FREE },
		{ SC_GAP_BYTES, FREE },
		{ SC_STREAM_CHUNKS, AT_MOST },
		{ SC_TOOL_CALL_COUNT, AT_MOST },
		{ SC_USAGE_SOURCE, FALLBACK },
		{ SC_GEN_AI_PROVIDER_NAME, FALLBACK }, /* the maker of an OpenAI-compatible server is known by its answer */
		{ SC_GEN_AI_RESPONSE_STATUS, FALLBACK }, /* as of the last event seen */
		{ SC_ERROR_TYPE, FALLBACK },		 /* the HTTP status stands in for the error body */
		{ SC_GEN_AI_USAGE_INPUT_TOKENS, USAGE },
		{ SC_GEN_AI_USAGE_OUTPUT_TOKENS, USAGE },
		{ SC_GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS, USAGE },
		{ SC_GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS, USAGE },
		{ SC_GEN_AI_USAGE_REASONING_OUTPUT_TOKENS, USAGE },
		{ SC_USAGE_TOTAL_TOKENS, USAGE },
		{ SC_GEN_AI_RESPONSE_FINISH_REASONS, BY_INDEX },
		{ SC_GEN_AI_REQUEST_STOP_SEQUENCES, BY_ORDER },
		{ SC_TOOL_CALL_NAMES, BY_ORDER },
		{ SC_TOOL_CALL_IDS, BY_ORDER },
		{ SC_STREAM_DONE, SEEN },
		{ SC_TIME_PER_OUTPUT_CHUNK, MEAN },
	};

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (!strcmp(key, semconv_name[rules[i].key]))
			return rules[i].rule;
	return SAME;
}

static inline struct slice status_of(const struct span *s)
{
	static char text[24];
	const struct attr *a = get(s, SC_HTTP_RESPONSE_STATUS_CODE);

	return a ? (struct slice){ text, (size_t)snprintf(text, sizeof(text), "%lld", (long long)a->i) } : SLICE_NONE;
}

static inline bool may_be(const struct span *s, const struct attr *a, const struct span *w, const struct attr *b)
{
	const struct attr *seen = get(s, SC_STREAM_CHUNKS), *all = get(w, SC_STREAM_CHUNKS);
	enum rule rule = rule_of(a->key);

	switch (rule) {
	case FREE:
		return true;
	case FALLBACK:
		return (b && same(a, b)) || is(a, "none") || is(a, "partial") || is(a, "openai") || is(a, "in_progress") ||
		       (b && slice_eq(a->str, status_of(w)));
	case SEEN:
		return !a->b || (b && b->b);
	case MEAN:
		return seen && all && seen->i < all->i ? true : b && same(a, b);
	default:
		break;
	}
	if (!b || a->type != b->type)
		return false;
	switch (rule) {
	case AT_MOST:
		return a->i <= b->i;
	case USAGE:
		return a->i == b->i || (is(get(s, SC_USAGE_SOURCE), "partial") && a->i < b->i);
	case BY_INDEX:
	case BY_ORDER:
		return part_of(a, b, rule == BY_INDEX);
	default:
		return same(a, b);
	}
}

static inline bool same_resource(const struct span *s, const struct span *w)
{
	for (size_t i = 0; i < s->resource_cnt; i++)
		if (i >= w->resource_cnt || strcmp(s->resource[i].key, w->resource[i].key) ||
		    !same(&s->resource[i], &w->resource[i]))
			return false;
	return s->resource_cnt == w->resource_cnt;
}

static inline bool part_events(const struct span *s, const struct span *w)
{
	for (size_t i = 0; i < s->event_cnt; i++) {
		bool found = false;

		for (size_t k = 0; k < w->event_cnt; k++)
			found |= !strcmp(s->events[i].name, w->events[k].name) &&
				 s->events[i].wall_ns == w->events[k].wall_ns &&
				 same(&s->events[i].attrs[0], &w->events[k].attrs[0]);
		if (!found)
			return false;
	}
	return true;
}

static inline bool is_fact(const char *key)
{
	static const enum semconv facts[] = {
		SC_NETWORK_PEER_ADDRESS, SC_NETWORK_PEER_PORT, SC_CLIENT_ADDRESS, SC_CLIENT_PORT,
		SC_SERVER_ADDRESS,	 SC_SERVER_PORT,       SC_BINDING,
	};

	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++)
		if (!strcmp(key, semconv_name[facts[i]]))
			return true;
	return false;
}

/* What differs, or NULL. facts: a record with facts of the connection was lost; then even a span without a mark may lack them. */
static inline const char *differs(const struct span *s, const struct span *w, bool marked, bool facts)
{
	if (s->start_ns != w->start_ns)
		return "start";
	if (s->kind != w->kind)
		return "kind";
	if (!same_resource(s, w))
		return "resource";
	if (s->end_ns > w->end_ns || (!marked && s->end_ns != w->end_ns))
		return "end";
	if (s->status != w->status && (!marked || s->status != SPAN_UNSET))
		return "status";
	if (s->has_parent != w->has_parent || memcmp(s->parent_id, w->parent_id, sizeof(s->parent_id)))
		return "parent";
	if (!part_events(s, w) || (!marked && !facts && s->event_cnt != w->event_cnt))
		return "events";
	if (s->name.len > w->name.len || memcmp(s->name.ptr, w->name.ptr, s->name.len))
		return "name";
	for (size_t i = 0; i < s->attr_cnt; i++) {
		const struct attr *a = &s->attrs[i], *b = find(w->attrs, w->attr_cnt, a->key);

		if (facts && is_fact(a->key) && (is(a, "none") || (b && same(a, b))))
			continue;
		if (marked ? !may_be(s, a, w, b) : !b || !same(a, b))
			return a->key;
	}
	for (size_t i = 0; i < w->attr_cnt && !marked; i++)
		if (!find(s->attrs, s->attr_cnt, w->attrs[i].key) && !(facts && is_fact(w->attrs[i].key)))
			return w->attrs[i].key;
	return NULL;
}
