/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spans as JSON lines: the format, and the exporter that writes it to a descriptor. The format runs on the loop
 * thread; writing, which may block, on a worker, or on the caller's thread when it asked to wait.
 */
#include "export/jsonl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void put_string(struct buf *b, struct slice s)
{
	size_t i = 0, start = 0, skip;

	buf_put(b, "\"", 1);
	while (i < s.len) {
		unsigned char c = (unsigned char)s.ptr[i];
		size_t len = utf8_len(slice_from(s, i), &skip);

		if (len && c >= 0x20 && c != '"' && c != '\\' && c != 0x7f) {
			i += len;
			continue;
		}
		buf_put(b, s.ptr + start, i - start);
		if (!len)
			buf_str(b, SLICE("\xef\xbf\xbd"));
		else if (c == '"' || c == '\\')
			buf_put(b, c == '"' ? "\\\"" : "\\\\", 2);
		else if (c == '\n')
			buf_put(b, "\\n", 2);
		else
			buf_printf(b, "\\u%04x", c);
		i += len ? len : skip;
		start = i;
	}
	buf_put(b, s.ptr + start, i - start);
	buf_put(b, "\"", 1);
}

/* The shortest decimal that reads back as the same number, and that stays a JSON number with a fraction or exponent. */
static void put_double(struct buf *b, double d)
{
	char text[40];

	if (!isfinite(d)) {
		buf_str(b, SLICE("null"));
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, d);
		if (strtod(text, NULL) == d)
			break;
	}
	buf_put(b, text, strlen(text));
	if (!strpbrk(text, ".e"))
		buf_put(b, ".0", 2);
}

static void put_value(struct buf *b, const struct attr *a)
{
	switch (a->type) {
	case ATTR_STR:
		put_string(b, a->str);
		break;
	case ATTR_INT:
		buf_printf(b, "%lld", (long long)a->i);
		break;
	case ATTR_DOUBLE:
		put_double(b, a->d);
		break;
	case ATTR_BOOL:
		buf_str(b, a->b ? SLICE("true") : SLICE("false"));
		break;
	case ATTR_STRS:
		buf_put(b, "[", 1);
		for (size_t i = 0; i < a->strs.cnt; i++) {
			if (i)
				buf_put(b, ",", 1);
			put_string(b, a->strs.at[i]);
		}
		buf_put(b, "]", 1);
		break;
	}
}

static void put_attrs(struct buf *b, const struct attr *attrs, size_t cnt)
{
	buf_put(b, "{", 1);
	for (size_t i = 0; i < cnt; i++) {
		if (i)
			buf_put(b, ",", 1);
		put_string(b, slice_str(attrs[i].key));
		buf_put(b, ":", 1);
		put_value(b, &attrs[i]);
	}
	buf_put(b, "}", 1);
}

static void put_hex(struct buf *b, struct slice key, const uint8_t *id, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	char text[32];

	for (size_t i = 0; i < len; i++) {
		text[2 * i] = digits[id[i] >> 4];
		text[2 * i + 1] = digits[id[i] & 15];
	}
	buf_str(b, key);
	buf_put(b, text, 2 * len);
	buf_put(b, "\",", 2);
}

static void put_events(struct buf *b, const struct span *s)
{
	buf_str(b, SLICE(",\"events\":["));
	for (size_t i = 0; i < s->event_cnt; i++) {
		if (i)
			buf_put(b, ",", 1);
		buf_str(b, SLICE("{\"name\":"));
		put_string(b, slice_str(s->events[i].name));
		buf_printf(b, ",\"time_unix_nano\":%llu,\"attributes\":", (unsigned long long)s->events[i].wall_ns);
		put_attrs(b, s->events[i].attrs, s->events[i].attr_cnt);
		buf_put(b, "}", 1);
	}
	buf_put(b, "]", 1);
}

void jsonl_format(struct buf *b, const struct span *s)
{
	static const char *const kind[] = {
		[SPAN_INTERNAL] = "INTERNAL", [SPAN_SERVER] = "SERVER", [SPAN_CLIENT] = "CLIENT",
	};
	static const char *const status[] = {
		[SPAN_UNSET] = "UNSET", [SPAN_OK] = "OK", [SPAN_ERROR] = "ERROR",
	};

	put_hex(b, SLICE("{\"trace_id\":\""), s->trace_id, sizeof(s->trace_id));
	put_hex(b, SLICE("\"span_id\":\""), s->span_id, sizeof(s->span_id));
	put_hex(b, SLICE("\"parent_span_id\":\""), s->parent_id, s->has_parent ? sizeof(s->parent_id) : 0);
	buf_str(b, SLICE("\"name\":"));
	put_string(b, s->name);
	buf_printf(b, ",\"kind\":\"%s\"", kind[s->kind]);
	buf_printf(b, ",\"start_time_unix_nano\":%llu", (unsigned long long)s->start_ns);
	buf_printf(b, ",\"end_time_unix_nano\":%llu", (unsigned long long)s->end_ns);
	buf_printf(b, ",\"status\":{\"code\":\"%s\",\"message\":", status[s->status]);
	put_string(b, s->status_message);
	buf_str(b, SLICE("},\"attributes\":"));
	put_attrs(b, s->attrs, s->attr_cnt);
	put_events(b, s);
	buf_str(b, SLICE(",\"resource\":"));
	put_attrs(b, s->resource, s->resource_cnt);
	buf_put(b, "}\n", 2);
}
