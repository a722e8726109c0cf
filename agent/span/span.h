/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The span: what leaves. Immutable once pushed; borrowed until the sink returns (exporters format it at once and
 * queue the bytes). Keys are static strings from semconv.def. Loop thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/origin.h"
#include "base/slice.h"
#include "limits.h"
#include "span/semconv.h"

enum span_kind { SPAN_INTERNAL = 1, SPAN_SERVER = 2, SPAN_CLIENT = 3 }; /* OTLP numbers */
enum span_status { SPAN_UNSET = 0, SPAN_OK = 1, SPAN_ERROR = 2 };	/* OTLP numbers */

enum attr_type { ATTR_STR, ATTR_INT, ATTR_DOUBLE, ATTR_BOOL, ATTR_STRS };

struct attr {
	const char *key;
	enum attr_type type;
	union {
		struct slice str;
		int64_t i;
		double d;
		bool b;
		struct {
			const struct slice *at;
			size_t cnt;
		} strs;
	};
};

struct span_event {
	const char *name;
	uint64_t wall_ns;
	const struct attr *attrs;
	size_t attr_cnt;
};

struct span {
	uint8_t trace_id[16];
	uint8_t span_id[8];
	uint8_t parent_id[8];
	bool has_parent;
	bool parent_remote;
	uint8_t trace_flags; /* W3C; 0x01 sampled */
	struct slice trace_state;
	enum span_kind kind;
	enum span_status status;
	struct slice status_message;
	struct slice name;
	uint64_t start_ns, end_ns; /* wall clock, nanoseconds since 1970 */
	const struct attr *attrs;
	size_t attr_cnt;
	const struct span_event *events;
	size_t event_cnt;
	const struct attr *resource; /* of the observed process */
	size_t resource_cnt;
};

struct span_sink {
	void *ctx;
	void (*push)(void *ctx, const struct span *span);
};
