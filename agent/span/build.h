/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Internal to span/: the attributes of one span as they are put together, in fixed memory that is used again for the
 * next. What does not fit is left out and remembered in `over`. Strings are borrowed from the call until the span has
 * been pushed. Loop thread.
 */
#pragma once

#include "provider/call.h"
#include "span/context.h"
#include "span/span.h"

#define BUILD_STRS (KS_CHOICES + KS_STOPS + 2 * KS_TOOL_CALLS + INCOMPLETE_CNT + 1)
#define BUILD_TEXT 2048	 /* numbers and addresses that are printed here, and the span's name */
#define BUILD_RESOURCE 48

struct build {
	struct attr attrs[KS_SPAN_ATTRS];
	struct span_event events[KS_SPAN_EVENTS];
	struct attr event_attrs[KS_SPAN_EVENTS];
	struct slice strs[BUILD_STRS];
	char text[BUILD_TEXT];
	size_t attr_cnt, event_cnt, str_cnt, text_len;
	size_t bytes; /* string bytes of all attributes, against KS_SPAN_TEXT */
	bool over;    /* something was left out */
};

void build_reset(struct build *b);

/* Each adds one attribute, or nothing if the value is absent: an empty string, CALL_UNSET, NAN, an empty list. */
void build_str(struct build *b, enum semconv key, struct slice value);
void build_int(struct build *b, enum semconv key, int64_t value);
void build_double(struct build *b, enum semconv key, double value);
void build_true(struct build *b, enum semconv key, bool value); /* absent when false */
void build_bool(struct build *b, enum semconv key, bool value);
/* A list of cnt strings: begin, add each, end. */
struct slice *build_strs(struct build *b, size_t cnt); /* NULL: no room */
void build_list(struct build *b, enum semconv key, const struct slice *at, size_t cnt);

/* printf into the builder's text; an empty slice when it does not fit. */
struct slice build_text(struct build *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* a, a blank and b, or a alone if b is empty; captured content goes through no format. */
struct slice build_join(struct build *b, struct slice a, struct slice tail);
/* An IPv4 or IPv6 address; IPv4 in IPv6 is shown as IPv4. Empty for another family. */
struct slice build_addr(struct build *b, uint8_t family, const uint8_t addr[16]);

/* An event with kernspan.duration, or nothing if a time is unknown. */
void build_event(struct build *b, enum semconv_event name, uint64_t start_ns, uint64_t end_ns, int64_t wall_offset);

/* All attributes of the call but error.type and kernspan.incomplete. (attrs.c) */
void build_call(struct build *b, const struct ai_call *call);

/* OTEL_RESOURCE_ATTRIBUTES and what the process is. (resource.c) */
struct resource {
	struct attr extra[BUILD_RESOURCE / 2];
	size_t extra_cnt;
	char *text; /* what extra points into */
	struct slice host, version;
	struct attr attrs[BUILD_RESOURCE];
	size_t cnt;
	char name[KS_NAME_LEN + 32];
};
/* 0, -ENOMEM, -EINVAL. text may be NULL. */
int resource_init(struct resource *r, const char *text, const char *host, const char *version);
void resource_done(struct resource *r);
/* Fill r->attrs for this process; valid until the next call. */
void resource_make(struct resource *r, const struct proc_info *proc);
