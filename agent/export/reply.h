/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The collector's HTTP/1.1 response, parsed as it arrives (RFC 9112). Bounded: lines of 8 KiB, a body of
 * KS_REPLY_BYTES. Interim responses are skipped. One owner; input is not trusted.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "export/buf.h"

enum reply_result { REPLY_MORE, REPLY_DONE, REPLY_BAD };

#define REPLY_LINE 8192
#define REPLY_LINES 256 /* header lines and chunk lines without body bytes in between */

struct reply {
	int state; /* enum in reply.c */
	int status;
	bool keep_alive; /* the connection can be used again after DONE */
	bool chunked, has_length, has_coding;
	bool too_large; /* BAD because of the body's size */
	uint64_t left; /* of the body or the chunk */
	int lines;
	int64_t retry_after_s;	/* -1: none */
	int64_t retry_after_at; /* unix time of a Retry-After date, 0 none */
	size_t line_len;
	char line[REPLY_LINE];
	struct buf body;
};

void reply_init(struct reply *r);
void reply_done(struct reply *r);
/* Ready for the next response. */
void reply_reset(struct reply *r);
/* Bytes from the connection. Bytes after the end make the connection unfit for use (keep_alive is cleared). */
enum reply_result reply_push(struct reply *r, struct slice data);
/* The connection ended: DONE if that ends the body, else BAD. */
enum reply_result reply_eof(struct reply *r);
