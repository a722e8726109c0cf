/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Server-sent events as they pass (WHATWG HTML, section 9.2.6 "Interpreting an event stream"): nothing is buffered but
 * a field name and the event's name. An event whose data is one line inside one slice comes as one part. Loop thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "limits.h"

/* flags: enum msg_flag. event: the name, borrowed; data: borrowed, may be empty when flags has LAST. */
typedef void (*sse_fn)(void *ctx, struct slice event, struct slice data, uint8_t flags);

struct sse {		  /* zero is the initial state */
	uint8_t state;	  /* enum sse_state */
	uint8_t bom;	  /* bytes of the byte order mark seen; SSE_BOM_DONE: past it */
	bool skip_lf;	  /* the last byte was a CR that ended a line */
	bool open;	  /* the event has data */
	bool begun;	  /* a part of it was given */
	uint8_t name_len; /* of name */
	uint8_t event_len;
	char name[8]; /* a field name that was cut by the end of a slice */
	char event[KS_SSE_NAME_CAP];
};

void sse_push(struct sse *s, struct slice in, sse_fn fn, void *ctx);
/* Bytes are missing here: the event that is open is given up (no LAST), the rest is skipped up to a blank line. */
void sse_gap(struct sse *s);
/* The stream is over: an event whose last line is whole ends, though its blank line is missing. */
void sse_end(struct sse *s, sse_fn fn, void *ctx);
