/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection in a test: a script of what each side sends is cut into event records, some are left out, and what
 * comes out of proto is written down, one `struct seen` for each exchange. Event parts are joined: "[name|data]".
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "flow/flow.h"
#include "proto/conn.h" /* to see that no buffer is left behind */

#define SEEN_MAX 256
#define TEXT_CAP 8192

struct text {
	char at[TEXT_CAP];
	size_t len;
};

struct seen {
	char method[16], target[256], authority[64], id[32];
	struct text req, resp; /* bodies, as far as they fit */
	uint64_t seq, req_len, resp_len, gap_len;
	int status;
	uint32_t incomplete;
	bool req_end, resp_head, resp_end, done, first_on_conn;
	bool ignored; /* it was taken back */
	enum ks_dir req_dir;
	uint64_t start_ns, req_end_ns, resp_start_ns, resp_end_ns;
};

struct step {
	enum ks_dir dir;
	struct slice bytes;
};
#define SENT(text) { KS_OUT, { text, sizeof(text) - 1 } }
#define GOT(text)  { KS_IN, { text, sizeof(text) - 1 } }

struct world {
	struct flow *flow;
	struct proto *proto;
	struct seen seen[SEEN_MAX];
	size_t cnt, done;
	uint64_t id, now, offset[KS_DIR_CNT];
	size_t records; /* sent since world_open() */
	/* which records are lost: the one with this number, or each n-th */
	size_t lose, lose_each;
	bool ignore_all, want_all;
	bool secrets; /* values with SECRET must not come */
	enum ks_verdict verdict;
};

static inline void text_add(struct text *t, struct slice s)
{
	size_t len = s.len < sizeof(t->at) - t->len ? s.len : sizeof(t->at) - t->len;

	if (len)
		memcpy(t->at + t->len, s.ptr, len);
	t->len += len;
}

static inline bool text_eq(const struct text *a, const struct text *b)
{
	return a->len == b->len && !memcmp(a->at, b->at, a->len);
}

static inline void str_set(char *to, size_t cap, struct slice s)
{
	snprintf(to, cap, "%.*s", (int)s.len, s.ptr ? s.ptr : "");
}

static inline void world_head(struct world *w, struct seen *seen, const struct message *m)
{
	const struct header *id = header_find(m->headers, m->header_cnt, SLICE("x-id"));

	for (size_t i = 0; w->secrets && i < m->header_cnt; i++)
		if (m->headers[i].value.len)

			assert_null(memmem(m->headers[i].value.ptr, m->headers[i].value.len,
					   "SECRET", 6));

	if (m->response) {
		assert_true(m->status >= 100);
		seen->resp_head = true;
		seen->status = m->status;
		str_set(seen->id, sizeof(seen->id), id ? id->value : SLICE_NONE);
		return;
	}
	str_set(seen->method, sizeof(seen->method), m->method);
	str_set(seen->target, sizeof(seen->target), m->target);
	str_set(seen->authority, sizeof(seen->authority), m->authority);
}

/* Also checks the order that message.h promises. */
static inline void world_message(void *ctx, const struct message *m)
{
	struct world *w = ctx;
	struct exchange *x = m->x;
	struct seen *seen = x->user;

	if (!seen) {
		assert_true(m->kind == MSG_HEAD && !m->response && w->cnt < SEEN_MAX);
		seen = x->user = &w->seen[w->cnt++];
		seen->seq = x->seq;
	}
	assert_false(seen->done);
	seen->ignored = x->ignore;
	x->ignore = w->ignore_all;
	x->wanted = w->want_all;
	switch (m->kind) {
	case MSG_HEAD:
		assert_false(m->response && seen->resp_head);
		world_head(w, seen, m);
		break;
	case MSG_BODY:
		assert_true(m->data.len);
		assert_false(m->response ? seen->resp_end || !seen->resp_head : seen->req_end);
		text_add(m->response ? &seen->resp : &seen->req, m->data);
		break;
	case MSG_EVENT:
		assert_true(m->response && seen->resp_head && !seen->resp_end);
		if (m->flags & MSG_FIRST) {
			text_add(&seen->resp, SLICE("["));
			text_add(&seen->resp, m->event);
			text_add(&seen->resp, SLICE("|"));
		}
		text_add(&seen->resp, m->data);
		if (m->flags & MSG_LAST)
			text_add(&seen->resp, SLICE("]"));
		break;
	case MSG_GAP:
		seen->gap_len += m->gap_len;
		break;
	case MSG_END:
		assert_false(m->response ? seen->resp_end : seen->req_end);
		*(m->response ? &seen->resp_end : &seen->req_end) = true;
		break;
	case MSG_DONE:
		assert_true(w->ignore_all || (seen->req_end && seen->resp_end == seen->resp_head));
		assert_true(w->ignore_all || seen->gap_len == x->gap_len);
		seen->done = true;
		seen->incomplete = x->incomplete;
		seen->req_len = x->req_body_len;
		seen->resp_len = x->resp_body_len;
		seen->first_on_conn = x->first_on_conn;
		seen->req_dir = x->req_dir;
		seen->start_ns = x->req_start_ns;
		seen->req_end_ns = x->req_end_ns;
		seen->resp_start_ns = x->resp_start_ns;
		seen->resp_end_ns = x->resp_end_ns;
		w->done++;
		break;
	}
}

static inline void world_verdict(void *ctx, uint64_t id, enum ks_verdict verdict)
{
	struct world *w = ctx;

	assert_int_equal(id, w->id);
	w->verdict = verdict;
}

static inline void world_chunk(void *ctx, const struct chunk *c)
{
	proto_push(((struct world *)ctx)->proto, c);
}

static inline struct world *world_new(void)
{
	struct world *w = calloc(1, sizeof(*w));
	struct flow_cfg fc = { 0 };
	struct proto_cfg pc = { .verdict = world_verdict, .verdict_ctx = w };

	assert_non_null(w);
	assert_int_equal(proto_new(&pc, (struct message_sink){ w, world_message }, &w->proto), 0);
	assert_int_equal(flow_new(&fc, (struct chunk_sink){ w, world_chunk }, &w->flow), 0);
	return w;
}

static inline void world_free(struct world *w)
{
	flow_free(w->flow);
	assert_int_equal(pool_cnt(w->proto->conns) + pool_cnt(w->proto->heads), 0);
	assert_int_equal(proto_exchanges(w->proto) + hpacks_used(w->proto->hpacks), 0);
	proto_free(w->proto);
	free(w);
}

static inline void world_stream(struct world *w, enum ks_event_kind kind)
{
	struct ks_ev_stream e = {
		.h = { .kind = (uint16_t)kind, .len = sizeof(e), .tgid = 7, .proc_start_ns = 70 },
		.source = KS_SRC_OPENSSL
	};

	e.h.ts_ns = ++w->now;
	e.h.id = w->id;
	e.bytes[KS_OUT] = w->offset[KS_OUT];
	e.bytes[KS_IN] = w->offset[KS_IN];
	assert_int_equal(flow_push(w->flow, &e.h), 0);
}

/* A new connection; what was seen before is forgotten. */
static inline void world_open(struct world *w)
{
	memset(w->seen, 0, sizeof(w->seen));
	w->cnt = w->done = w->records = 0;
	w->offset[0] = w->offset[1] = 0;
	w->verdict = KS_V_NONE;
	w->id++;
	world_stream(w, KS_EV_OPEN);
}

static inline void world_close(struct world *w)
{
	world_stream(w, KS_EV_CLOSE);
	assert_int_equal(w->done, w->cnt);
	assert_int_equal(flow_conns(w->flow), 0);
}

/* One call that moves these bytes; its record lies in a block of its exact size. */
static inline void world_call(struct world *w, enum ks_dir dir, struct slice bytes)
{
	struct ks_ev_data *e = malloc(sizeof(*e) + bytes.len);
	size_t number = w->records++;

	w->now += 10;
	*e = (struct ks_ev_data){ .h = { .kind = KS_EV_DATA,
					 .len = (uint32_t)(sizeof(*e) + bytes.len),
					 .ts_ns = w->now + 5,
					 .tgid = 7,
					 .proc_start_ns = 70,
					 .id = w->id },
				  .offset = w->offset[dir],
				  .enter_ns = w->now,
				  .call_len = (uint32_t)bytes.len,
				  .cap_len = (uint32_t)bytes.len,
				  .dir = (uint8_t)dir,
				  .source = KS_SRC_OPENSSL };
	memcpy(e->data, bytes.ptr, bytes.len);
	w->offset[dir] += bytes.len;
	if (number + 1 != w->lose && !(w->lose_each && number % w->lose_each == w->lose_each - 1))
		assert_int_equal(flow_push(w->flow, &e->h), 0);
	free(e);
}

/* A whole connection, each call cut into records of at most `size` bytes, and at two places of the whole script. */
static inline void world_play(struct world *w, const struct step *steps, size_t cnt, size_t size,
			      size_t cut1, size_t cut2)
{
	size_t pos = 0;

	world_open(w);
	for (size_t i = 0; i < cnt; i++) {
		struct slice in = steps[i].bytes;

		while (in.len) {
			size_t len = in.len < size ? in.len : size;

			if (cut1 > pos && cut1 < pos + len)
				len = cut1 - pos;
			else if (cut2 > pos && cut2 < pos + len)
				len = cut2 - pos;
			world_call(w, steps[i].dir, (struct slice){ in.ptr, len });
			in = slice_from(in, len);
			pos += len;
		}
	}
	world_close(w);
}
