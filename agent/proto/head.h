/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message head: start line, header fields, and what they say about the body's framing (RFC 9112), or the fields of
 * HTTP/2. All slices point into the bytes given, but a rewritten target. Pure but for the scratch buffer.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "limits.h"
#include "proto/message.h"

struct head {
	/* request */
	struct slice method, target, authority;
	/* response */
	int status;
	uint8_t version; /* 10, 11, 20 */
	struct header headers[KS_HEADERS];
	size_t header_cnt;
	bool clipped; /* more header fields than KS_HEADERS: the rest counts for framing only */
	/* body */
	bool chunked;
	bool coded; /* Transfer-Encoding without chunked at its end: a response runs to the end of the stream */
	bool has_len;
	uint64_t len;	      /* Content-Length */
	bool expect;	      /* 100-continue */
	bool events;	      /* text/event-stream */
	bool lines;	      /* a JSON document a line */
	struct slice codings; /* Content-Encoding */
};

/* Where the search for the end of a head is. */
struct head_scan {
	size_t line; /* start of the line that is being looked at */
	size_t seen; /* bytes looked at */
};
/* Length of the head at the start of `in`, its blank line included; 0 if it is not all there. Call again with more. */
size_t head_end(struct head_scan *scan, struct slice in);

/* Could these bytes begin a request line (a response line)? Says yes to every prefix of one. `known`: only methods
 * that are common, for places where other bytes may be. */
bool head_may_be_request(struct slice in, bool known);
bool head_may_be_response(struct slice in);
/* Parse a whole head. false: it breaks the syntax or its framing is ambiguous (RFC 9112 section 6.3).
 * scratch: KS_HEAD_CAP bytes, for a target whose credentials are taken out. */
bool head_parse(struct head *h, struct slice raw, bool response, char *scratch);
/* An HTTP/2 header block (RFC 9113 section 8.3) instead: begin, every field, the slices of which must last as long as
 * the head does, end. What fields say about the framing of HTTP/1 is not looked at. */
void head_begin(struct head *h);
void head_field(struct head *h, struct slice name, struct slice value);
void head_end_fields(struct head *h, char *scratch);
