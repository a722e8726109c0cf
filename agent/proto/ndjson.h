/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of JSON as they pass (application/x-ndjson, application/jsonl: one document a line, LF ends it): an event
 * source like sse.h, without names. Nothing is buffered; empty lines are no events. Loop thread.
 */
#pragma once

#include "proto/sse.h"

struct ndjson {	   /* zero is the initial state */
	bool open; /* a part of the line was given */
	bool lost; /* behind a gap: the rest of the line is skipped */
};

void ndjson_push(struct ndjson *s, struct slice in, sse_fn fn, void *ctx);
/* Bytes are missing here: the line that is open is given up (no LAST). */
void ndjson_gap(struct ndjson *s);
/* The body is over: its last line needs no LF. */
void ndjson_end(struct ndjson *s, sse_fn fn, void *ctx);
