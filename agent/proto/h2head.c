/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests and responses of HTTP/2 (RFC 9113 section 8) from their header blocks. A block is decoded whatever becomes
 * of it, because it changes the compression table. What a loss left unknown is left out and marked. Loop thread.
 */
#include "proto/h2head.h"

#include "base/drop.h"

/* Exchanges */

static struct ex **recent(struct conn *c, uint32_t id)
{
	return &c->http2.recent[id / 2 % (sizeof(c->http2.recent) / sizeof(c->http2.recent[0]))];
}

struct ex *h2_find(struct conn *c, uint32_t id)
{
	struct ex **slot = recent(c, id), *ex = *slot;

	if (ex && ex->stream == id)
		return ex;
	for (ex = c->first; ex && ex->stream != id; ex = ex->next)
		;
	if (ex)
		*slot = ex;
	return ex;
}

void h2_finish(struct ex *ex, uint32_t why, uint64_t ts_ns)
{
	struct ex **slot = recent(ex->conn, ex->stream);

	if (*slot == ex)
		*slot = NULL;
	if (!ex->side[1].head)
		ex->x.incomplete |= ex->unseen;
	ex_done(ex, why, ts_ns);
}

void h2_block_close(struct h2_half *h)
{
	headbuf_give(h->buf);
	h->buf = NULL;
	h->in_block = h->block_lost = false;
}

/* Heads */

/* This side of the exchange is over. */
void h2_side_end(const struct h2_cursor *cur, struct ex *ex)
{
	bool response = h2_is_response(cur);

	if (ex->side[response].end)
		return;
	if (!ex->side[response].head) { /* it was lost, or cannot be read */
		h2_finish(ex, ex->x.incomplete ? 0 : INCOMPLETE_SYNTAX, cur->ts_ns);
		return;
	}
	if (!cur->lost)
		*(response ? &ex->x.resp_end_ns : &ex->x.req_end_ns) = cur->ts_ns;
	ex_end(ex, response, cur->ts_ns);
	if (ex->side[0].end && ex->side[1].end)
		h2_finish(ex, 0, cur->ts_ns);
}

static void request_head(const struct h2_cursor *cur, uint32_t why)
{
	struct conn *c = cur->c;
	struct http2 *h2 = &c->http2;
	const struct h2_frame *block = &cur->h->block;
	const struct head *head = &c->proto->head;
	struct ex *ex;

	/* Streams of clients are odd and rise (section 5.1.1). Without a method: trailers of a lost request. */
	if (block->stream <= h2->max_id || !(block->stream & 1) || !head->method.len)
		return;
	h2->max_id = block->stream;
	if (c->ex_cnt == KS_H2_STREAMS) {
		drop(KS_DROP_h2_streams, 1);
		h2_finish(c->first, INCOMPLETE_LIMIT, cur->ts_ns);
	}
	ex = ex_new(c, cur->h->block_ns);
	ex->stream = block->stream;
	ex->x.incomplete |= why;
	if (h2->half[!cur->dir].state == H2_LOST)
		ex->unseen = h2->half[!cur->dir].why;
	ex->x.req_dir = h2->req_dir;
	ex->is_connect = slice_eq(head->method, SLICE("CONNECT"));
	ex_head(ex, false, head, cur->h->block_ns);
	if (block->flags & H2_END_STREAM)
		h2_side_end(cur, ex);
}

static void response_head(const struct h2_cursor *cur, struct ex *ex)
{
	const struct head *head = &cur->c->proto->head;
	uint64_t start_ns = cur->h->block_ns;

	/* Interim: the final one follows (RFC 9110 section 15.2). */
	if (head->status < 200 && !(cur->h->block.flags & H2_END_STREAM))
		return;
	if (start_ns < ex->x.req_start_ns) /* read by a thread, sent by another */
		start_ns = ex->x.req_start_ns;
	ex->x.resp_start_ns = start_ns;
	ex->x.resp_end_ns = cur->ts_ns;
	ex_head(ex, true, head, start_ns);
	if (ex->is_connect && head->status < 300) { /* a tunnel: what follows is no body */
		if (!ex->side[0].end)
			ex_end(ex, false, cur->ts_ns);
		h2_side_end(cur, ex);
	}
}

/* A block of a stream that is open: a response, or trailers. */
static void known_head(const struct h2_cursor *cur, struct ex *ex, uint32_t why)
{
	uint32_t id = ex->stream;
	const struct head *head = &cur->c->proto->head;

	ex_touch(ex);
	if (h2_is_response(cur) && !ex->side[1].head) {
		if (head->status) {
			ex->x.incomplete |= why;
			response_head(cur, ex);
		} else { /* which it was, if any, is not known */
			ex->x.incomplete |= why ? why : INCOMPLETE_SYNTAX;
		}
	}
	if (cur->h->block.flags & H2_END_STREAM && (ex = h2_find(cur->c, id)))
		h2_side_end(cur, ex);
}

static void field_out(void *ctx, struct slice name, struct slice value)
{
	struct proto *p = ctx;
	struct slice copy[2] = { name, value };

	if (name.len + value.len > sizeof(p->fields) - p->fields_len) {
		p->head.clipped = true;
		return;
	}
	for (int i = 0; i < 2; i++) {
		copy[i].ptr = p->fields + p->fields_len;
		memcpy(p->fields + p->fields_len, i ? value.ptr : name.ptr, copy[i].len);
		p->fields_len += copy[i].len;
	}
	head_field(&p->head, copy[0], copy[1]);
}

/* The block is complete: raw, or it was not all seen. */
void h2_block_end(const struct h2_cursor *cur, struct slice raw)
{
	struct h2_half *h = cur->h;
	struct conn *c = cur->c;
	struct head *head = &c->proto->head;
	enum hpack_result result = HPACK_BAD;
	uint32_t why = 0;
	struct ex *ex;

	head_begin(head);
	c->proto->fields_len = 0;
	if (!h->block_lost) {
		result = hpack_block(&h->hpack, c->proto->hpacks, raw, field_out, c->proto);
		if (result == HPACK_BAD) {
			drop(KS_DROP_hpack, 1);
			h->why |= INCOMPLETE_SYNTAX;
		}
	}
	if (result == HPACK_BAD)
		head_begin(head); /* not a part of it */
	if (result != HPACK_WHOLE)
		why = h->why ? h->why : INCOMPLETE_SYNTAX;
	head_end_fields(head, c->proto->scratch);
	if (c->http2.req_dir == KS_DIR_CNT && (head->method.len || head->status))
		c->http2.req_dir = head->method.len ? cur->dir : !cur->dir;
	if (h->block.type != H2_PUSH_PROMISE && c->http2.req_dir != KS_DIR_CNT) {
		ex = h2_find(c, h->block.stream);
		if (ex)
			known_head(cur, ex, why);
		else if (!h2_is_response(cur))
			request_head(cur, why);
	}
	h2_block_close(h);
}
