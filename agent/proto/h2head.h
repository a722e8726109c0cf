/* SPDX-License-Identifier: Apache-2.0 */
/* Inside HTTP/2: the exchanges of a connection by their stream numbers, and what header blocks say. Loop thread. */
#pragma once

#include "proto/conn.h"

struct h2_cursor { /* one record on its way through a half */
	struct conn *c;
	struct h2_half *h;
	enum ks_dir dir;
	struct slice in; /* what is left of it */
	uint64_t ts_ns;
	bool lost; /* no record but a hole: ts_ns is when it was noticed */
};

static inline bool h2_is_response(const struct h2_cursor *cur)
{
	return cur->dir != cur->c->http2.req_dir;
}

/* The exchange of a stream; NULL: none is open. */
struct ex *h2_find(struct conn *c, uint32_t id);
/* ex_done(). */
void h2_finish(struct ex *ex, uint32_t why, uint64_t ts_ns);
/* This side of the exchange is over; so may be the exchange. */
void h2_side_end(const struct h2_cursor *cur, struct ex *ex);
/* The open header block is complete: raw, or nothing if it was not all seen (block_lost). */
void h2_block_end(const struct h2_cursor *cur, struct slice raw);
/* No header block is open any more. */
void h2_block_close(struct h2_half *h);
