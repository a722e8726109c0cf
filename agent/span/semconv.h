/* SPDX-License-Identifier: Apache-2.0 */
/* Attribute and event names of semconv.def as static strings, and the table behind docs/ATTRIBUTES.md. Any thread. */
#pragma once

#include <stdio.h>

enum semconv {
#define ATTR(id, name, type, source, stability, meaning) SC_##id,
#include "span/semconv.def"
#undef ATTR
	SC_CNT,
};

enum semconv_event {
#define SPAN_EVENT(id, name, meaning) SC_EVENT_##id,
#include "span/semconv.def"
#undef SPAN_EVENT
	SC_EVENT_CNT,
};

extern const char *const semconv_name[SC_CNT];
extern const char *const semconv_event_name[SC_EVENT_CNT];

/* Write docs/ATTRIBUTES.md. */
void semconv_docs(FILE *out);
