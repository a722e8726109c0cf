/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.0 and 1.1 (RFC 9112), both directions of one stream. Responses answer requests in order; whenever it is not
 * certain which one comes next (a hole, broken syntax, an eviction), the open exchanges are given up and the stream
 * goes deaf: responses are not listened to until a request follows response bytes, because then, without pipelining,
 * everything before it was answered. A stream that pipelines is never trusted again after a loss. Loop thread.
 */
#include "base/drop.h"
#include "proto/conn.h"

enum half_state {
	H_START,   /* before a message, or in its head */
	H_LEN,	   /* body of known length */
	H_CLOSE,   /* body up to the end of the stream */
	H_CHUNKED, /* chunked body */
	H_RESYNC,  /* requests only: until a record begins with one */
};

struct cursor { /* one record on its way through a half */
	struct conn *c;
	struct half *h;
	bool response;
	struct slice whole; /* the record */
	struct slice in;    /* what is left of it */
	uint64_t ts_ns;
	bool lost; /* no record but a hole: ts_ns is when it was noticed */
};

static void buf_give(struct half *h)
{
	headbuf_give(h->buf);
	h->buf = NULL;
}

static struct half *req_half(struct conn *c)
{
	return &c->http1.half[c->http1.req_dir];
}

static struct half *resp_half(struct conn *c)
{
	return &c->http1.half[!c->http1.req_dir];
}

/* It is not certain any more which response belongs to which request. */
static void lose_track(struct conn *c, uint32_t why, bool heard)
{
	struct half *resp = resp_half(c);

	while (c->first)
		ex_done(c->first, why, c->last_ns);
	req_half(c)->ex = NULL;
	resp->ex = NULL;
	resp->state = H_START;
	buf_give(resp);
	c->late = true; /* the first exchange may be among what was lost */
	c->http1.deaf = true;
	c->http1.heard = heard;
	c->http1.heard_ns = 0;
	c->http1.why = why;
}

/* The request side is lost as well. */
static void resync(struct conn *c)
{
	struct half *req = req_half(c);

	buf_give(req);
	req->ex = NULL;
	req->state = H_RESYNC;
}

static void evict(struct conn *c, struct ex *ex)
{
	(void)ex; /* the others can not be told apart from it later */
	lose_track(c, INCOMPLETE_EVICTED, c->first && c->first->side[1].head);
}

static void forget(struct conn *c, struct headbuf *buf)
{
	(void)buf;
	lose_track(c, INCOMPLETE_EVICTED, false);
	resync(c);
}

/* Heads */

static bool plausible(const struct cursor *cur, struct slice in)
{
	const char *lf = memchr(in.ptr, '\n', in.len);

	if (cur->response)
		return head_may_be_response(in);
	if (lf && !memmem(in.ptr, (size_t)(lf - in.ptr), " HTTP/1.", 8))
		return false;
	return head_may_be_request(in, cur->h->trial);
}

enum gathered { HEAD_MORE, HEAD_WHOLE, HEAD_BAD };

/* The head is all in this record: it is parsed where it lies. */
static enum gathered gather_here(struct cursor *cur, struct slice *ret_raw)
{
	struct head_scan scan = { 0 };
	size_t len = head_end(&scan, cur->in);

	if (len > KS_HEAD_CAP || (!len && cur->in.len >= KS_HEAD_CAP)) {
		drop(KS_DROP_head_too_large, 1);
		return HEAD_BAD;
	}
	if (!plausible(cur, cur->in))
		return HEAD_BAD;
	if (len) {
		*ret_raw = (struct slice){ cur->in.ptr, len };
		cur->in = slice_from(cur->in, len);
		return HEAD_WHOLE;
	}
	cur->h->buf = headbuf_take(cur->c);
	cur->h->buf->scan = scan;
	cur->h->buf->len = cur->in.len;
	memcpy(cur->h->buf->data, cur->in.ptr, cur->in.len);
	cur->in = SLICE_NONE;
	return HEAD_MORE;
}

static enum gathered gather_more(struct cursor *cur, struct slice *ret_raw)
{
	struct headbuf *buf = cur->h->buf;
	size_t before = buf->len, room = sizeof(buf->data) - before, len;

	len = cur->in.len < room ? cur->in.len : room;
	pool_touch(cur->c->proto->heads, buf);
	memcpy(buf->data + before, cur->in.ptr, len);
	buf->len += len;
	*ret_raw = (struct slice){ buf->data, buf->len };
	if (!plausible(cur, *ret_raw))
		return HEAD_BAD;
	ret_raw->len = head_end(&buf->scan, *ret_raw);
	if (!ret_raw->len && buf->len == sizeof(buf->data)) {
		drop(KS_DROP_head_too_large, 1);
		return HEAD_BAD;
	}
	cur->in = slice_from(cur->in, ret_raw->len ? ret_raw->len - before : len);
	return ret_raw->len ? HEAD_WHOLE : HEAD_MORE;
}

/* Not a head. What was gathered from earlier records is forgotten; this record may begin with one. */
static void bad_head(struct cursor *cur)
{
	struct conn *c = cur->c;
	bool again = !cur->response && cur->h->buf, trial = cur->h->trial;

	buf_give(cur->h);
	cur->in = SLICE_NONE;
	if (!trial) {
		drop(KS_DROP_bad_http, 1);
		lose_track(c, INCOMPLETE_SYNTAX, cur->response);
	}
	if (cur->response)
		return;
	resync(c);
	if (!c->seq) {
		buf_give(resp_half(c));
		conn_unknown(c);
	}
	if (again)
		conn_data(c, c->http1.req_dir, cur->whole, cur->ts_ns);
}

/* Bodies */

static void body(struct cursor *cur, const char *at, size_t len)
{
	struct ex *ex = cur->h->ex;

	if (!ex)
		return;
	if (cur->response)
		ex->x.resp_end_ns = cur->ts_ns;
	ex_body(ex, cur->response, (struct slice){ at, len }, cur->ts_ns);
}

static void message_end(struct cursor *cur)
{
	struct half *h = cur->h;
	struct ex *ex = h->ex;

	h->ex = NULL;
	h->state = H_START;
	h->trial = false;
	if (!ex)
		return;
	if (!cur->lost)
		*(cur->response ? &ex->x.resp_end_ns : &ex->x.req_end_ns) = cur->ts_ns;
	ex_end(ex, cur->response, cur->ts_ns);
	if (ex->side[0].end && ex->side[1].end && !ex->doubt)
		ex_done(ex, 0, cur->ts_ns);
}

/* No request was lost up to now: what came behind the hole in a response was not another response. */
static void confirm(struct conn *c)
{
	struct ex *ex = c->first;

	if (!ex || !ex->doubt)
		return;
	ex->doubt = false;
	if (ex->side[0].end && ex->side[1].end)
		ex_done(ex, 0, ex->x.resp_end_ns);
}

/* The final response came before the body that it was to allow: the body may or may not come (RFC 9110 section
 * 10.1.1). Closes such an exchange when it turns out that it does not. */
static bool close_refused(struct conn *c)
{
	struct ex *ex = req_half(c)->ex;

	if (!ex || !ex->expect || !ex->side[1].end || ex->x.req_body_len)
		return false;
	ex_end(ex, false, ex->x.resp_end_ns);
	ex_done(ex, 0, ex->x.resp_end_ns);
	lose_track(c, INCOMPLETE_SYNTAX, true);
	resync(c);
	return true;
}

static void body_start(struct cursor *cur, const struct head *head, bool none)
{
	struct half *h = cur->h;

	h->left = head->len;
	h->holed = false;
	if (none) {
		message_end(cur);
	} else if (head->chunked) {
		h->state = H_CHUNKED;
		h->chunked = (struct chunked){ 0 };
	} else if (head->has_len && !head->coded) {
		h->state = H_LEN;
		if (!h->left)
			message_end(cur);
	} else if (cur->response) {
		h->state = H_CLOSE;
	} else {
		message_end(cur);
	}
}

/* A request after response bytes: what came before it was answered. But not when those bytes were read after this
 * request was sent; a client that reads and writes in two threads can be seen in that order. */
static void listen_again(struct conn *c, uint64_t first_ns)
{
	struct http1 *h1 = &c->http1;

	while (c->first)
		ex_done(c->first, h1->why, c->last_ns);
	buf_give(resp_half(c));
	resp_half(c)->state = H_START;
	h1->deaf = !h1->heard || h1->pipelined || h1->heard_ns > first_ns;
	h1->heard = false;
}

static bool request_head(struct cursor *cur, struct slice raw)
{
	struct conn *c = cur->c;
	struct http1 *h1 = &c->http1;
	struct head *head = &c->proto->head;
	struct ex *ex;

	if (!head_parse(head, raw, false, c->proto->scratch))
		return false;
	if (resp_half(c)->ex && resp_half(c)->holed) /* its end was in the hole */
		lose_track(c, INCOMPLETE_LOST, true);
	if (h1->deaf)
		listen_again(c, cur->h->first_ns);
	else if (c->first && cur->h->mid)
		h1->pipelined = true;
	if (c->ex_cnt == KS_PIPELINE) {
		drop(KS_DROP_pipeline_full, 1);
		h1->pipelined = true;
		lose_track(c, INCOMPLETE_LIMIT, false);
	}
	ex = ex_new(c, cur->h->first_ns);
	if (h1->deaf)
		ex->x.incomplete |= h1->why;
	ex->x.req_dir = h1->req_dir;
	ex->is_head = slice_eq(head->method, SLICE("HEAD"));
	ex->is_connect = slice_eq(head->method, SLICE("CONNECT"));
	ex->expect = head->expect;
	cur->h->ex = ex;
	cur->h->trial = false;
	ex_head(ex, false, head, cur->h->first_ns);
	body_start(cur, head, ex->is_connect);
	return true;
}

/* The stream leaves HTTP: a tunnel or another protocol. */
static void tunnel(struct cursor *cur, struct ex *ex)
{
	struct conn *c = cur->c;

	ex_end(ex, true, cur->ts_ns);
	ex_done(ex, 0, cur->ts_ns);
	lose_track(c, INCOMPLETE_SYNTAX, false);
	resync(c);
	conn_verdict(c, KS_V_SKIP);
	conn_mute(c);
	cur->in = SLICE_NONE;
}

/* A response that no request asked for, as a server that times out sends it. */
static void stray_response(struct cursor *cur)
{
	lose_track(cur->c, cur->c->first ? INCOMPLETE_SYNTAX : INCOMPLETE_LOST, true);
	cur->c->http1.heard_ns = cur->ts_ns;
	cur->in = SLICE_NONE;
}

static bool response_head(struct cursor *cur, struct slice raw)
{
	struct conn *c = cur->c;
	struct head *head = &c->proto->head;
	struct ex *ex = c->first;

	if (!head_parse(head, raw, true, c->proto->scratch))
		return false;
	if (!ex || ex->side[1].head || cur->h->first_ns < ex->x.req_start_ns) {
		stray_response(cur);
		return true;
	}
	if (head->status < 200 && head->status != 101)
		return true; /* interim: the final one follows (RFC 9110 section 15.2) */
	c->http1.pipelined |= c->ex_cnt > 1;
	ex->x.resp_start_ns = cur->h->first_ns;
	ex->x.resp_end_ns = cur->ts_ns;
	cur->h->ex = ex;
	ex_head(ex, true, head, cur->h->first_ns);
	if (head->status == 101 || (ex->is_connect && head->status < 300))
		tunnel(cur, ex);
	else
		body_start(cur, head, ex->is_head || head->status == 204 || head->status == 304);
	return true;
}

static void in_head(struct cursor *cur)
{
	struct half *h = cur->h;
	struct slice raw;
	enum gathered got;

	if (!h->buf) {
		h->mid = cur->in.ptr != cur->whole.ptr;
		h->first_ns = cur->ts_ns;
		while (cur->in.len && (*cur->in.ptr == '\r' || *cur->in.ptr == '\n'))
			cur->in = slice_from(cur->in, 1);
		if (!cur->in.len)
			return;
	}
	got = h->buf ? gather_more(cur, &raw) : gather_here(cur, &raw);
	if (got == HEAD_MORE)
		return;
	if (got == HEAD_BAD || !(cur->response ? response_head(cur, raw) : request_head(cur, raw)))
		bad_head(cur);
	else
		buf_give(h);
}

/* Bodies on their way */

static void in_sized(struct cursor *cur)
{
	struct half *h = cur->h;
	size_t len = h->left < cur->in.len ? h->left : cur->in.len;

	h->left -= len;
	body(cur, cur->in.ptr, len);
	cur->in = slice_from(cur->in, len);
	if (!h->left)
		message_end(cur);
}

static void in_chunked(struct cursor *cur)
{
	struct slice data;

	switch (chunked_push(&cur->h->chunked, &cur->in, &data)) {
	case CHUNKED_MORE:
		break;
	case CHUNKED_DATA:
		body(cur, data.ptr, data.len);
		break;
	case CHUNKED_END:
		message_end(cur);
		break;
	case CHUNKED_BAD:
		drop(KS_DROP_bad_http, 1);
		lose_track(cur->c, INCOMPLETE_SYNTAX, cur->response);
		if (!cur->response)
			resync(cur->c);
		cur->in = SLICE_NONE;
	}
}

static void step(struct cursor *cur)
{
	switch (cur->h->state) {
	case H_START:
		in_head(cur);
		break;
	case H_LEN:
		in_sized(cur);
		break;
	case H_CHUNKED:
		in_chunked(cur);
		break;
	case H_CLOSE:
		body(cur, cur->in.ptr, cur->in.len);
		cur->in = SLICE_NONE;
		break;
	default:
		cur->in = SLICE_NONE;
	}
}

/* The protocol */

static enum detect detect(struct slice in)
{
	while (in.len && (*in.ptr == '\r' || *in.ptr == '\n')) /* RFC 9112 section 2.2 */
		in = slice_from(in, 1);
	if (!in.len)
		return DETECT_MORE;
	if (!head_may_be_request(in, true))
		return DETECT_NO;
	return memchr(in.ptr, ' ', in.len) ? DETECT_YES : DETECT_MORE;
}

static void start(struct conn *c, enum ks_dir dir)
{
	memset(&c->http1, 0, sizeof(c->http1));
	c->http1.req_dir = dir;
	c->http1.half[dir].trial = true;
	c->http1.deaf = c->late;
	c->http1.heard = c->passed[!dir];
	c->http1.why = INCOMPLETE_MIDSTREAM;
}

static void data(struct conn *c, enum ks_dir dir, struct slice in, uint64_t ts_ns)
{
	struct http1 *h1 = &c->http1;
	struct cursor cur = { .c = c,
			      .h = &h1->half[dir],
			      .response = dir != h1->req_dir,
			      .whole = in,
			      .in = in,
			      .ts_ns = ts_ns };

	if (cur.response && h1->deaf) {
		h1->heard = true;
		h1->heard_ns = ts_ns;
		return;
	}
	if (!cur.response)
		confirm(c);
	if (!cur.response && cur.h->state != H_START && head_may_be_request(in, true))
		close_refused(c);
	if (cur.h->state == H_RESYNC) {
		if (!head_may_be_request(in, true))
			return;
		cur.h->state = H_START;
		cur.h->trial = true;
	}
	if (c->first)
		ex_touch(c->first);
	while (cur.in.len)
		step(&cur);
}

/* A hole in a body whose end is still known, or can still be found: the exchange goes on, marked. Behind a hole in
 * chunked coding the next record must begin with a chunk, as it does when each write is one chunk. */
static bool gap_in_body(struct cursor *cur, uint64_t *len, uint32_t why)
{
	struct half *h = cur->h;
	uint64_t take = *len;

	if (h->state == H_LEN && h->left < take)
		take = h->left;
	if (h->ex)
		ex_gap(h->ex, cur->response, take, why, cur->ts_ns);
	*len -= take;
	switch (h->state) {
	case H_CLOSE:
		return true;
	case H_LEN:
		h->left -= take;
		if (!h->left)
			message_end(cur);
		return take && !*len;
	case H_CHUNKED:
		h->holed |= !chunked_gap(&h->chunked, take);
		if (h->ex && h->holed)
			h->ex->doubt = true;
		return take && (!h->holed || (cur->response && cur->c->ex_cnt == 1));
	default:
		return false;
	}
}

static void gap(struct conn *c, enum ks_dir dir, uint64_t len, uint32_t why, uint64_t ts_ns)
{
	struct http1 *h1 = &c->http1;
	struct half *h = &h1->half[dir];
	bool response = dir != h1->req_dir;
	struct cursor cur = { .c = c, .h = h, .response = response, .ts_ns = ts_ns, .lost = true };

	if (response && h1->deaf) {
		h1->heard = true;
		return;
	}
	if (gap_in_body(&cur, &len, why))
		return;
	lose_track(c, why, response);
	if (!response)
		resync(c);
}

static void end(struct conn *c, uint32_t why, uint64_t ts_ns)
{
	struct half *resp = resp_half(c);
	struct cursor cur = { .c = c, .h = resp, .response = true, .ts_ns = ts_ns };

	if (resp->ex && resp->state == H_CLOSE && !why) {
		cur.ts_ns = resp->ex->x.resp_end_ns;
		message_end(&cur);
	}
	if (!why) {
		confirm(c);
		close_refused(c);
	}
	while (c->first)
		ex_done(c->first, why, ts_ns);
	buf_give(req_half(c));
	buf_give(resp);
}

const struct protocol protocol_http1 = {
	.detect = detect,
	.start = start,
	.data = data,
	.gap = gap,
	.end = end,
	.evict = evict,
	.forget = forget,
};
