/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/2 (RFC 9113), both directions of one stream; each of its streams is an exchange, and its number pairs request
 * and response, whatever is lost. A hole inside a frame is stepped over by the frame's length; behind any other the
 * direction is lost until a record shows where frames begin. With a header block the compression table is lost too:
 * fields that refer to what it held are left out, and the exchange is marked. Loop thread.
 */
#include "base/drop.h"
#include "proto/h2head.h"

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"; /* section 3.4 */
#define PREFACE_LEN (sizeof(preface) - 1)

static struct ex *find_here(const struct h2_cursor *cur)
{
	return cur->c->http2.req_dir == KS_DIR_CNT ? NULL : h2_find(cur->c, cur->h->frame.stream);
}

/* Losses */

static void table_lost(struct h2_half *h, uint32_t why)
{
	hpack_forget(&h->hpack);
	h->why |= why;
}

/* The header block that is open will not be decoded; frames go on. */
static void block_lose(struct h2_half *h, uint32_t why)
{
	table_lost(h, why);
	headbuf_give(h->buf);
	h->buf = NULL;
	h->block_lost = true;
}

/* It is not known any more where frames begin, nor what was in those that are lost. */
static void lose_track(struct h2_cursor *cur, uint32_t why)
{
	struct conn *c = cur->c;
	bool response = h2_is_response(cur);

	h2_block_close(cur->h);
	table_lost(cur->h, why);
	cur->h->state = H2_LOST;
	cur->in = SLICE_NONE;
	for (struct ex *ex = c->first; ex; ex = ex->next) {
		if (ex->side[response].end)
			continue;
		if (ex->side[response].head)
			ex_gap(ex, response, 0, why, cur->ts_ns);
		else
			ex->x.incomplete |= why;
	}
}

static void bad(struct h2_cursor *cur)
{
	drop(KS_DROP_bad_http, 1);
	lose_track(cur, INCOMPLETE_SYNTAX);
}

static void evict(struct conn *c, struct ex *ex)
{
	(void)c;
	h2_finish(ex, INCOMPLETE_EVICTED, 0);
}

static void forget(struct conn *c, struct headbuf *buf)
{
	block_lose(&c->http2.half[buf != c->http2.half[0].buf], INCOMPLETE_EVICTED);
}

/* Payloads */

static void data_piece(struct h2_cursor *cur, struct slice piece)
{
	struct ex *ex = find_here(cur);
	bool response = h2_is_response(cur);

	if (!ex || !ex->side[response].head || ex->side[response].end)
		return;
	ex_touch(ex);
	if (response)
		ex->x.resp_end_ns = cur->ts_ns;
	ex_body(ex, response, piece, cur->ts_ns);
}

static void block_piece(struct h2_cursor *cur, struct slice piece)
{
	struct h2_half *h = cur->h;
	bool last = h->frame.flags & H2_END_HEADERS && h->left == h->pad;

	if (h->block_lost)
		return;
	if (!h->buf && last) { /* it is all in this record: it is decoded where it lies */
		h2_block_end(cur, piece);
		return;
	}
	if (!h->buf)
		h->buf = headbuf_take(cur->c);
	if (piece.len > sizeof(h->buf->data) - h->buf->len) {
		drop(KS_DROP_head_too_large, 1);
		block_lose(h, INCOMPLETE_LIMIT);
		return;
	}
	memcpy(h->buf->data + h->buf->len, piece.ptr, piece.len);
	h->buf->len += piece.len;
}

static void keep_piece(struct h2_half *h, struct slice piece)
{
	for (size_t i = 0; i < piece.len && h->got < sizeof(h->keep); i++)
		h->keep[h->got++] = (uint8_t)piece.ptr[i];
}

static uint32_t kept_number(const struct h2_half *h, int at)
{
	return (uint32_t)h->keep[at] << 24 | (uint32_t)h->keep[at + 1] << 16 |
	       (uint32_t)h->keep[at + 2] << 8 | h->keep[at + 3];
}

/* Section 8.1: a server that needs no more of the request says so with NO_ERROR when it has answered. */
static void reset(struct h2_cursor *cur)
{
	struct ex *ex = find_here(cur);

	if (!ex)
		return;
	if (h2_is_response(cur) && ex->side[1].end && cur->h->got >= 4 && !kept_number(cur->h, 0)) {
		ex_end(ex, false, ex->x.resp_end_ns);
		h2_finish(ex, 0, ex->x.resp_end_ns);
	} else {
		h2_finish(ex, INCOMPLETE_CUT, cur->ts_ns);
	}
}

/* The server will not answer later requests than the one it names (section 6.8). */
static void going_away(struct h2_cursor *cur)
{
	uint32_t last = kept_number(cur->h, 0) & 0x7fffffff;
	struct ex *next;

	if (cur->h->got < 4 || !h2_is_response(cur) || cur->c->http2.req_dir == KS_DIR_CNT)
		return;
	for (struct ex *ex = cur->c->first; ex; ex = next) {
		next = ex->next;
		if (ex->stream > last)
			h2_finish(ex, INCOMPLETE_CUT, cur->ts_ns);
	}
}

static void frame_end(struct h2_cursor *cur)
{
	struct h2_half *h = cur->h;
	struct ex *ex;

	switch (h->frame.type) {
	case H2_DATA:
		ex = h->frame.flags & H2_END_STREAM ? find_here(cur) : NULL;
		if (ex)
			h2_side_end(cur, ex);
		break;
	case H2_HEADERS:
	case H2_PUSH_PROMISE:
	case H2_CONTINUATION:
		if (h->in_block && h->frame.flags & H2_END_HEADERS)
			h2_block_end(cur, h->buf ? (struct slice){ h->buf->data, h->buf->len }
						 : SLICE_NONE);
		break;
	case H2_RST_STREAM:
		reset(cur);
		break;
	case H2_GOAWAY:
		going_away(cur);
		break;
	}
	h->state = H2_FRAME_HEADER;
	h->got = 0;
}

static void piece_out(struct h2_cursor *cur, struct slice piece)
{
	switch (cur->h->frame.type) {
	case H2_DATA:
		data_piece(cur, piece);
		break;
	case H2_HEADERS:
	case H2_PUSH_PROMISE:
	case H2_CONTINUATION:
		block_piece(cur, piece);
		break;
	case H2_RST_STREAM:
	case H2_GOAWAY:
		keep_piece(cur->h, piece);
		break;
	}
}

static void in_payload(struct h2_cursor *cur)
{
	struct h2_half *h = cur->h;
	size_t len;

	while (h->fixed && cur->in.len) {
		if (h->pad_due)
			h->pad = (uint8_t)*cur->in.ptr;
		h->pad_due = false;
		h->fixed--;
		h->left--;
		cur->in = slice_from(cur->in, 1);
	}
	if (h->pad + h->fixed > h->left) {
		bad(cur);
		return;
	}
	len = h->left - h->pad < cur->in.len ? h->left - h->pad : cur->in.len;
	if (len && !h->fixed) {
		struct slice piece = { cur->in.ptr, len };

		h->left -= (uint32_t)len;
		cur->in = slice_from(cur->in, len);
		piece_out(cur, piece);
	}
	if (h->left == h->pad) {
		len = h->pad < cur->in.len ? h->pad : cur->in.len;
		h->left -= (uint32_t)len;
		h->pad -= (uint8_t)len;
		cur->in = slice_from(cur->in, len);
	}
	if (!h->left)
		frame_end(cur);
}

/* Frames */

/* A block's frames follow each other without another in between (section 4.3). */
static void block_frame(struct h2_cursor *cur)
{
	struct h2_half *h = cur->h;
	bool more = h->frame.type == H2_CONTINUATION, ours = h->frame.stream == h->block.stream;

	if (h->in_block && !(more && ours)) {
		drop(KS_DROP_bad_http, 1);
		table_lost(h, INCOMPLETE_SYNTAX);
		h2_block_close(h);
	}
	if (h->in_block)
		return;
	if (h->frame.type == H2_HEADERS || h->frame.type == H2_PUSH_PROMISE || more) {
		h->in_block = true;
		h->block = h->frame;
		h->block_ns = h->start_ns;
		if (more) { /* its beginning was lost */
			h->block.flags = 0;
			block_lose(h, INCOMPLETE_LOST);
		}
	}
}

static void frame_begin(struct h2_cursor *cur)
{
	struct h2_half *h = cur->h;
	bool data = h->frame.type == H2_DATA, headers = h->frame.type == H2_HEADERS,
	     push = h->frame.type == H2_PUSH_PROMISE;

	if (!h2_frame_valid(&h->frame)) {
		bad(cur);
		return;
	}
	block_frame(cur);
	h->pad_due = (data || headers || push) && h->frame.flags & H2_PADDED;
	h->fixed = (uint8_t)(h->pad_due + (headers && h->frame.flags & H2_HAS_PRIORITY ? 5 : 0) +
			     (push ? 4 : 0));
	h->pad = 0;
	h->left = h->frame.len;
	h->got = 0;
	h->state = H2_PAYLOAD;
	if (h->left < h->fixed)
		bad(cur);
	else if (!h->left)
		frame_end(cur);
}

static void in_header(struct h2_cursor *cur)
{
	struct h2_half *h = cur->h;

	if (!h->got)
		h->start_ns = cur->ts_ns;
	if (!h->got && cur->in.len >= H2_HEADER) {
		h->frame = h2_frame_parse(cur->in.ptr);
		cur->in = slice_from(cur->in, H2_HEADER);
		frame_begin(cur);
		return;
	}
	while (h->got < H2_HEADER && cur->in.len) {
		h->keep[h->got++] = (uint8_t)*cur->in.ptr;
		cur->in = slice_from(cur->in, 1);
	}
	if (h->got == H2_HEADER) {
		h->frame = h2_frame_parse((const char *)h->keep);
		frame_begin(cur);
	}
}

static bool is_open(const void *ctx, uint32_t stream)
{
	for (const struct ex *ex = ((const struct conn *)ctx)->first; ex; ex = ex->next)
		if (ex->stream == stream)
			return true;
	return false;
}

/* To where a frame begins in this record, if anywhere. */
static void resync(struct h2_cursor *cur)
{
	cur->in = slice_from(cur->in, h2_frame_find(cur->in, is_open, cur->c));
	cur->h->state = cur->in.len ? H2_FRAME_HEADER : H2_LOST;
	cur->h->got = 0;
}

/* The first bytes of a direction: the client begins with the preface, the server with a frame. */
static void in_start(struct h2_cursor *cur)
{
	struct http2 *h2 = &cur->c->http2;
	bool client = *cur->in.ptr == preface[0];

	cur->h->got = 0;
	if (!client && cur->c->midstream &&
	    !h2->preface) { /* SETTINGS of any time, of either side */
		cur->h->why = INCOMPLETE_MIDSTREAM;
		resync(cur);
		return;
	}
	if (h2->req_dir == KS_DIR_CNT)
		h2->req_dir = client ? cur->dir : !cur->dir;
	h2->preface |= client;
	cur->h->state = client ? H2_PREFACE : H2_FRAME_HEADER;
	if (client == h2_is_response(cur))
		bad(cur);
}

static void in_preface(struct h2_cursor *cur)
{
	struct h2_half *h = cur->h;

	while (h->got < PREFACE_LEN && cur->in.len) {
		if (*cur->in.ptr != preface[h->got]) {
			bad(cur);
			return;
		}
		h->got++;
		cur->in = slice_from(cur->in, 1);
	}
	if (h->got == PREFACE_LEN) {
		h->got = 0;
		h->state = H2_FRAME_HEADER;
	}
}

static void step(struct h2_cursor *cur)
{
	switch (cur->h->state) {
	case H2_START:
		in_start(cur);
		break;
	case H2_PREFACE:
		in_preface(cur);
		break;
	case H2_FRAME_HEADER:
		in_header(cur);
		break;
	case H2_PAYLOAD:
		in_payload(cur);
		break;
	default:
		cur->in = SLICE_NONE;
	}
}

/* The protocol */

/* A server may speak first: its SETTINGS frame (section 3.4). */
static enum detect detect(struct slice in)
{
	static const char settings[] = "\0\0\0\4\0\0\0\0\0";
	size_t len = in.len < PREFACE_LEN ? in.len : PREFACE_LEN;

	if (len && !memcmp(in.ptr, preface, len))
		return len == PREFACE_LEN ? DETECT_YES : DETECT_MORE;
	len = in.len < H2_HEADER ? in.len : H2_HEADER;
	for (size_t i = 0; i < len; i++)
		if (i == 2 ? (unsigned char)in.ptr[i] % 6 : in.ptr[i] != settings[i])
			return DETECT_NO;
	return len == H2_HEADER ? DETECT_YES : DETECT_MORE;
}

static void start(struct conn *c, enum ks_dir dir)
{
	(void)dir;
	memset(&c->http2, 0, sizeof(c->http2));
	c->http2.req_dir = KS_DIR_CNT;
	c->late = false; /* what passed before was the server's first frame at most */
}

static bool join(struct conn *c, struct slice in)
{
	if (!h2_frame_here(in, is_open, c))
		return false;
	memset(&c->http2, 0, sizeof(c->http2));
	c->http2.req_dir = KS_DIR_CNT;
	for (int dir = 0; dir < KS_DIR_CNT; dir++) {
		c->http2.half[dir].state = H2_LOST;
		c->http2.half[dir].why = INCOMPLETE_MIDSTREAM;
	}
	return true;
}

static void data(struct conn *c, enum ks_dir dir, struct slice in, uint64_t ts_ns)
{
	struct h2_cursor cur = {
		.c = c, .h = &c->http2.half[dir], .dir = dir, .in = in, .ts_ns = ts_ns
	};

	if (cur.h->state == H2_LOST)
		resync(&cur);
	while (cur.in.len)
		step(&cur);
}

/* A hole in the payload of a frame. */
static void payload_gap(struct h2_cursor *cur, uint32_t len, uint32_t why)
{
	struct h2_half *h = cur->h;
	bool response = h2_is_response(cur);
	struct ex *ex = find_here(cur);
	uint32_t body = h->left - h->pad;

	if (h->frame.type == H2_DATA && ex && ex->side[response].head && !ex->side[response].end)
		ex_gap(ex, response, len < body ? len : body, why, cur->ts_ns);
	else if (ex && (h->frame.type == H2_DATA || h->in_block))
		ex->x.incomplete |= why;
	if (h->in_block)
		block_lose(h, why);
	h->left -= len;
	h->fixed = h->fixed > len ? (uint8_t)(h->fixed - len) : 0;
	if (h->pad > h->left)
		h->pad = (uint8_t)h->left;
	h->got = 0;
	if (!h->left)
		frame_end(cur);
}

static void gap(struct conn *c, enum ks_dir dir, uint64_t len, uint32_t why, uint64_t ts_ns)
{
	struct h2_half *h = &c->http2.half[dir];
	struct h2_cursor cur = { .c = c, .h = h, .dir = dir, .ts_ns = ts_ns, .lost = true };

	if (h->state == H2_LOST)
		return;
	/* How much of the rest is padding is not known when that was in the hole. */
	if (h->state == H2_PAYLOAD && len && !h->pad_due) {
		uint32_t here = len < h->left ? (uint32_t)len : h->left;

		payload_gap(&cur, here, why);
		len -= here;
		if (!len)
			return;
	}
	lose_track(&cur, why);
}

static void end(struct conn *c, uint32_t why, uint64_t ts_ns)
{
	while (c->first)
		h2_finish(c->first, why, ts_ns);
	for (int dir = 0; dir < KS_DIR_CNT; dir++) {
		headbuf_give(c->http2.half[dir].buf);
		hpack_done(&c->http2.half[dir].hpack);
	}
}

const struct protocol protocol_http2 = {
	.detect = detect,
	.start = start,
	.data = data,
	.gap = gap,
	.end = end,
	.evict = evict,
	.forget = forget,
	.join = join,
	.blind = true,
};
