/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exchanges come from a pool in order of use; each has its arena. Bodies are handed on as slices of the record, or of
 * the decoder's output buffer: a body of any length costs the same memory. Loop thread.
 */
#include "proto/exchange.h"

#include "base/drop.h"
#include "limits.h"
#include "proto/conn.h"

struct ex *ex_new(struct conn *c, uint64_t start_ns)
{
	struct proto *p = c->proto;
	struct ex *ex;

	while (!(ex = pool_take(p->exchanges))) {
		struct ex *old = pool_oldest(p->exchanges);

		drop(KS_DROP_exchanges_full, 1);
		old->conn->speaks->evict(old->conn, old);
	}
	arena_init(&ex->arena, p->arenas, KS_ARENA_CAP);
	ex->conn = c;
	ex->x.conn = c->info;
	ex->x.arena = &ex->arena;
	ex->x.seq = c->seq++;
	ex->x.first_on_conn = !ex->x.seq && !c->late;
	ex->x.req_start_ns = start_ns;
	ex->prev = c->last;
	*(c->last ? &c->last->next : &c->first) = ex;
	c->last = ex;
	c->ex_cnt++;
	return ex;
}

void ex_touch(struct ex *ex)
{
	pool_touch(ex->conn->proto->exchanges, ex);
}

static void inflate_drop(struct side *side)
{
	inflate_free(side->inflate);
	side->inflate = NULL;
}

/* Give a message, then see what the next stage thinks of the exchange. */
static void emit(struct ex *ex, struct message *msg)
{
	struct message_sink *sink = &ex->conn->proto->sink;

	if (ex->x.ignore && msg->kind != MSG_DONE)
		return;
	msg->x = &ex->x;
	sink->push(sink->ctx, msg);
	if (ex->x.wanted && ex->conn->verdict != KS_V_KEEP)
		conn_verdict(ex->conn, KS_V_KEEP);
}

void ex_head(struct ex *ex, bool response, const struct head *head, uint64_t ts_ns)
{
	struct side *side = &ex->side[response];

	side->head = true;
	side->events = response && head->events;
	side->lines = response && head->lines;
	if (head->clipped)
		ex->x.incomplete |= INCOMPLETE_LIMIT;
	emit(ex, &(struct message){ .kind = MSG_HEAD,
				    .response = response,
				    .ts_ns = ts_ns,
				    .method = head->method,
				    .target = head->target,
				    .authority = head->authority,
				    .status = head->status,
				    .version = head->version,
				    .tls = ex->x.conn->source != KS_SRC_SOCKET,
				    .headers = head->headers,
				    .header_cnt = head->header_cnt });
	if (ex->x.ignore || !head->codings.len)
		return;
	/* marked once there are bytes that cannot be read */
	side->dead = inflate_new(ex->conn->proto->inflaters, head->codings, &side->inflate) < 0;
}

static void event_out(void *ctx, struct slice event, struct slice data, uint8_t flags)
{
	struct ex *ex = ctx;

	emit(ex, &(struct message){ .kind = MSG_EVENT,
				    .response = true,
				    .ts_ns = ex->ts_ns,
				    .event = event,
				    .data = data,
				    .flags = flags });
}

static void decoded(struct ex *ex, bool response, struct slice data)
{
	if (ex->side[response].events)
		sse_push(&ex->sse, data, event_out, ex);
	else if (ex->side[response].lines)
		ndjson_push(&ex->ndjson, data, event_out, ex);
	else
		emit(ex, &(struct message){ .kind = MSG_BODY,
					    .response = response,
					    .ts_ns = ex->ts_ns,
					    .data = data });
}

static void request_out(void *ctx, struct slice data)
{
	decoded(ctx, false, data);
}

static void response_out(void *ctx, struct slice data)
{
	decoded(ctx, true, data);
}

void ex_body(struct ex *ex, bool response, struct slice data, uint64_t ts_ns)
{
	struct side *side = &ex->side[response];

	*(response ? &ex->x.resp_body_len : &ex->x.req_body_len) += data.len;
	if (ex->x.ignore) {
		inflate_drop(side);
		return;
	}
	if (side->dead) {
		ex->x.incomplete |= INCOMPLETE_BODY;
		return;
	}
	ex->ts_ns = ts_ns;
	if (!side->inflate) {
		decoded(ex, response, data);
	} else if (inflate_push(side->inflate, data, response ? response_out : request_out, ex) ==
		   INFLATE_BAD) {
		inflate_drop(side);
		side->dead = true;
		ex->x.incomplete |= INCOMPLETE_BODY;
	}
}

void ex_gap(struct ex *ex, bool response, uint64_t len, uint32_t why, uint64_t ts_ns)
{
	struct side *side = &ex->side[response];

	ex->x.incomplete |= why;
	ex->x.gap_len += len;
	*(response ? &ex->x.resp_body_len : &ex->x.req_body_len) += len;
	if (side->inflate) { /* what follows cannot be decoded without what is missing */
		inflate_drop(side);
		side->dead = true;
		ex->x.incomplete |= INCOMPLETE_BODY;
	}
	if (side->events)
		sse_gap(&ex->sse);
	if (side->lines)
		ndjson_gap(&ex->ndjson);
	emit(ex, &(struct message){
			 .kind = MSG_GAP, .response = response, .ts_ns = ts_ns, .gap_len = len });
}

void ex_end(struct ex *ex, bool response, uint64_t ts_ns)
{
	struct side *side = &ex->side[response];

	if (!side->dead && !ex->x.ignore) {
		ex->ts_ns = ts_ns;
		if (side->events)
			sse_end(&ex->sse, event_out, ex);
		else if (side->lines)
			ndjson_end(&ex->ndjson, event_out, ex);
	}
	inflate_drop(side);
	side->end = true;
	emit(ex, &(struct message){ .kind = MSG_END, .response = response, .ts_ns = ts_ns });
}

/* Consecutive exchanges of no interest make a stream that is not worth copying, while no other is open. */
static void judge(struct conn *c, const struct exchange *x)
{
	bool blind = c->speaks->blind;

	if (!x->ignore || x->wanted) {
		c->foreign = 0;
		c->foreign_len = 0;
		return;
	}
	c->foreign++;
	c->foreign_len += x->req_body_len + x->resp_body_len;
	for (const struct ex *ex = c->first; ex && blind; ex = ex->next)
		if (!ex->x.ignore)
			return;
	if (c->foreign >= (blind ? KS_H2_SKIP_CALLS : KS_SKIP_CALLS) &&
	    c->foreign_len >= KS_SKIP_BYTES && c->verdict != KS_V_SKIP &&
	    !(blind && c->verdict == KS_V_KEEP))
		conn_verdict(c, KS_V_SKIP);
}

/* When something was not seen, or the exchange was given up, the moment that was noticed says nothing of its end. */
#define NOT_SEEN                                                                        \
	(INCOMPLETE_LOST | INCOMPLETE_SKIPPED | INCOMPLETE_CLIPPED | INCOMPLETE_FAULT | \
	 INCOMPLETE_MIDSTREAM)
static uint64_t last_seen(const struct exchange *x)
{
	uint64_t last = x->req_start_ns;

	if (x->req_end_ns > last)
		last = x->req_end_ns;
	return x->resp_end_ns > last ? x->resp_end_ns : last;
}

void ex_done(struct ex *ex, uint32_t why, uint64_t ts_ns)
{
	struct conn *c = ex->conn;

	ex->x.incomplete |= why;
	if (why || ex->x.incomplete & NOT_SEEN)
		ts_ns = last_seen(&ex->x);
	if (!ex->side[1].head)
		ex->x.incomplete |= INCOMPLETE_NO_ANSWER;
	for (int response = 0; response < 2; response++)
		if (ex->side[response].head && !ex->side[response].end) {
			ex->x.incomplete |= why ? why : INCOMPLETE_CUT;
			ex->side[response].dead = true; /* an event that is cut off does not end */
			ex_end(ex, response, ts_ns);
		}
	ex->x.ignore |= ex->doubt;
	emit(ex, &(struct message){ .kind = MSG_DONE, .response = true, .ts_ns = ts_ns });
	judge(c, &ex->x);
	*(ex->prev ? &ex->prev->next : &c->first) = ex->next;
	*(ex->next ? &ex->next->prev : &c->last) = ex->prev;
	c->ex_cnt--;
	arena_done(&ex->arena);
	pool_give(c->proto->exchanges, ex, sizeof(*ex));
}
