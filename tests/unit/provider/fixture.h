/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fixtures of tests/provider/: an exchange as readable text (tests/provider/README.md has the format), fed through proto
 * and provider in pieces of a chosen size with chosen pieces lost; and an AI call as text.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/proto.h"
#include "provider/provider.h"

#define PIECES_MAX 256

struct piece {
	enum ks_dir dir; /* of the client */
	uint64_t ts_ns;
	char *data;
	size_t len;
};

struct fixture {
	struct piece piece[PIECES_MAX];
	size_t cnt;
	bool server;	 /* seen at the server */
	bool cut;
	uint64_t end_ns;
};

static inline void piece_add(struct fixture *fx, enum ks_dir dir, uint64_t ms, const char *p, size_t len)
{
	struct piece *at = &fx->piece[fx->cnt];

	if (fx->cnt == PIECES_MAX)
		return;
	fx->cnt++;
	*at = (struct piece){ .dir = dir, .ts_ns = 1000000000u + ms * 1000000u, .data = malloc(len + 1), .len = len };
	if (len)
		memcpy(at->data, p, len);
	fx->end_ns = at->ts_ns;
}

static inline void fixture_done(struct fixture *fx)
{
	for (size_t i = 0; i < fx->cnt; i++)
		free(fx->piece[i].data);
	fx->cnt = 0;
}

struct text {
	char buf[128 * 1024];
	size_t len;
};

static inline void text_add(struct text *t, const char *p, size_t len)
{
	if (t->len + len > sizeof(t->buf))
		return;
	memcpy(t->buf + t->len, p, len);
	t->len += len;
}

/* The message that is being read: its head, then the body piece by piece. */
struct reading {
	struct fixture *fx;
	enum ks_dir dir;
	uint64_t ms, head_ms;
	bool in_head, open, chunked, keep_newline, measured;
	struct text head, body;
	struct {
		uint64_t ms;
		size_t at, len;
	} part[PIECES_MAX];
	size_t parts, begun;
};

static inline void part_end(struct reading *r)
{
	if (r->body.len == r->begun || r->parts == PIECES_MAX)
		return;
	r->part[r->parts].ms = r->ms;
	r->part[r->parts].at = r->begun;
	r->part[r->parts++].len = r->body.len - r->begun;
	r->begun = r->body.len;
}

static inline void message_end(struct reading *r)
{
	char size[32];

	if (!r->open)
		return;
	if (!r->keep_newline && r->body.len && r->body.len > r->begun)
		r->body.len--;
	part_end(r);
	if (r->measured)
		text_add(&r->head, size, (size_t)sprintf(size, "Content-Length: %zu\r\n", r->body.len));
	text_add(&r->head, "\r\n", 2);
	piece_add(r->fx, r->dir, r->head_ms, r->head.buf, r->head.len);
	for (size_t i = 0; i < r->parts; i++) {
		static struct text t;

		t.len = 0;
		if (r->chunked)
			text_add(&t, size, (size_t)sprintf(size, "%zx\r\n", r->part[i].len));
		text_add(&t, r->body.buf + r->part[i].at, r->part[i].len);
		if (r->chunked)
			text_add(&t, "\r\n", 2);
		piece_add(r->fx, r->dir, r->part[i].ms, t.buf, t.len);
	}
	if (r->chunked && !r->fx->cut)
		piece_add(r->fx, r->dir, r->ms, "0\r\n\r\n", 5);
	r->open = false;
}

static inline void message_begin(struct reading *r, const char *line, size_t len)
{
	message_end(r);
	r->dir = line[0] == '>' ? KS_OUT : KS_IN;
	r->head_ms = r->ms;
	r->open = r->in_head = true;
	r->chunked = r->keep_newline = r->measured = false;
	r->head.len = r->body.len = r->parts = r->begun = 0;
	text_add(&r->head, line + 4, len - 4);
	text_add(&r->head, "\r\n", 2);
}

static inline void head_line(struct reading *r, const char *line, size_t len)
{
	struct slice s = { line, len };

	if (len == 0) {
		r->in_head = false;
		return;
	}
	if (slice_ieq(s, SLICE("Content-Length: *"))) {
		r->measured = true;
		return;
	}
	r->chunked |= slice_ieq(s, SLICE("Transfer-Encoding: chunked"));
	r->keep_newline |= slice_starts(s, SLICE("Content-Type: text/event-stream")) ||
			   slice_ieq(s, SLICE("Content-Type: application/x-ndjson"));
	text_add(&r->head, line, len);
	text_add(&r->head, "\r\n", 2);
}

static inline void fixture_line(struct reading *r, const char *line, size_t len)
{
	struct slice s = { line, len };

	if (slice_starts(s, SLICE(">>> ")) || slice_starts(s, SLICE("<<< "))) {
		message_begin(r, line, len);
	} else if (slice_eq(s, SLICE("@cut"))) {
		r->fx->cut = true;
	} else if (slice_eq(s, SLICE("@server"))) {
		r->fx->server = true;
	} else if (len > 1 && line[0] == '@' && line[1] >= '0' && line[1] <= '9') {
		if (r->open && !r->in_head)
			part_end(r);
		else
			r->head_ms = strtoull(line + 1, NULL, 10) % 1000000;
		r->ms = strtoull(line + 1, NULL, 10) % 1000000;
	} else if (r->open && r->in_head) {
		head_line(r, line, len);
	} else if (r->open) {
		text_add(&r->body, line, len);
		text_add(&r->body, "\n", 1);
	}
}

/* What does not fit is left out. */
static inline void fixture_parse(const char *file, size_t len, struct fixture *fx)
{
	static struct reading r;

	memset(fx, 0, sizeof(*fx));
	r.fx = fx;
	r.ms = 0;
	r.open = false;
	for (size_t at = 0; at < len;) {
		const char *end = memchr(file + at, '\n', len - at);
		size_t line = end ? (size_t)(end - file) - at : len - at;

		fixture_line(&r, file + at, line);
		at += line + 1;
	}
	message_end(&r);
}

/* 0, or -1: no such file. */
static inline int fixture_read(const char *path, struct fixture *fx)
{
	static char file[256 * 1024];
	FILE *f = fopen(path, "r");

	if (!f)
		return -1;
	fixture_parse(file, fread(file, 1, sizeof(file), f), fx);
	fclose(f);
	return 0;
}

static inline void on_message(void *ctx, const struct message *msg)
{
	provider_push(ctx, msg);
}

/* Feed the exchange. piece 0: as the fixture has it; else pieces of so many bytes. drop n: each n-th piece is lost, the
 * first lost one being number `first`; 0: none. */
static inline void fixture_feed(const struct fixture *fx, struct call_sink sink, size_t piece, size_t drop, size_t first)
{
	static const struct proc_info proc = { .tgid = 7, .known = true, .comm = "client" };
	struct conn_info conn = { .id = 1, .proc = &proc, .role = fx->server ? KS_ROLE_SERVER : KS_ROLE_CLIENT };
	struct provider_stage *stage;
	struct proto *proto;
	void *state = NULL;
	uint64_t offset[2] = { 0, 0 };
	size_t n = 0;

	if (provider_new(&(struct provider_cfg){ 0 }, sink, &stage))
		abort();
	if (proto_new(&(struct proto_cfg){ .conn_max = 4, .exchange_max = 4 },
		      (struct message_sink){ stage, on_message }, &proto))
		abort();
	for (size_t i = 0; i < fx->cnt; i++) {
		const struct piece *p = &fx->piece[i];
		enum ks_dir dir = fx->server ? !p->dir : p->dir;
		size_t step = piece ? piece : p->len;

		for (size_t at = 0; at < p->len; at += step, n++) {
			size_t len = p->len - at < step ? p->len - at : step;
			bool lost = drop && n >= first && (n - first) % drop == 0;
			char *copy = malloc(len);
			struct chunk c = { .kind = lost ? CHUNK_GAP : CHUNK_DATA,
					   .dir = dir,
					   .ts_ns = p->ts_ns,
					   .offset = offset[dir],
					   .gap_len = lost ? len : 0,
					   .why = lost ? INCOMPLETE_LOST : 0,
					   .conn = &conn,
					   .state = &state };

			memcpy(copy, p->data + at, len);
			if (!lost)
				c.data = (struct slice){ copy, len };
			proto_push(proto, &c);
			offset[dir] += len;
			free(copy);
		}
	}
	proto_push(proto, &(struct chunk){ .kind = CHUNK_END, .ts_ns = fx->end_ns, .conn = &conn, .state = &state });
	proto_free(proto);
	provider_free(stage);
}

/* One field of a call: "name=value\n" if it is set. */
static inline void dump_str(char **at, const char *end, const char *name, struct slice s)
{
	if (s.len)
		*at += snprintf(*at, (size_t)(end - *at), "%s=%.*s\n", name, (int)s.len, s.ptr);
}

static inline void dump_int(char **at, const char *end, const char *name, int64_t v, int64_t unset)
{
	if (v != unset)
		*at += snprintf(*at, (size_t)(end - *at), "%s=%lld\n", name, (long long)v);
}

static inline void dump_double(char **at, const char *end, const char *name, double v)
{
	if (!isnan(v))
		*at += snprintf(*at, (size_t)(end - *at), "%s=%g\n", name, v);
}

/* Milliseconds since the fixture's beginning. */
static inline void dump_ms(char **at, const char *end, const char *name, uint64_t ns)
{
	if (ns)
		*at += snprintf(*at, (size_t)(end - *at), "%s=%llu\n", name, (unsigned long long)((ns - 1000000000u) / 1000000u));
}

static inline void dump_lists(char **at, const char *end, const struct ai_call *c)
{
	char name[32];

	for (size_t i = 0; i < c->stop_cnt; i++) {
		snprintf(name, sizeof(name), "stop[%zu]", i);
		dump_str(at, end, name, c->stops[i]);
	}
	for (size_t i = 0; i < c->finish_cnt; i++) {
		snprintf(name, sizeof(name), "finish[%zu]", i);
		dump_str(at, end, name, c->finish[i]);
	}
	for (size_t i = 0; i < c->tool_cnt; i++)
		*at += snprintf(*at, (size_t)(end - *at), "tool=%.*s %.*s\n", (int)c->tool[i].name.len,
				c->tool[i].name.len ? c->tool[i].name.ptr : "", (int)c->tool[i].id.len,
				c->tool[i].id.len ? c->tool[i].id.ptr : "");
}

static inline void dump_incomplete(char **at, const char *end, uint32_t why)
{
	static const char *const text[] = {
#define INCOMPLETE(name, text, why) text,
#include "base/incomplete.def"
#undef INCOMPLETE
	};

	for (int i = 0; i < INCOMPLETE_CNT; i++)
		if (why & 1u << i)
			*at += snprintf(*at, (size_t)(end - *at), "incomplete=%s\n", text[i]);
}

/* The call as lines, in the order of call.h; what is unset has no line. */
static inline void call_dump(const struct ai_call *c, char *out, size_t cap)
{
	static const char *const ops[] = { "chat", "text_completion", "embeddings", "generate_content" };
	static const char *const usages[] = { "none", "body", "partial" };
	char *at = out, *end = out + cap;

	*at = '\0';
	dump_str(&at, end, "provider", slice_str(c->provider));
	dump_str(&at, end, "api_type", slice_str(c->api_type));
	dump_str(&at, end, "op", slice_str(ops[c->op]));
	dump_int(&at, end, "stream", c->stream, 0);
#define S(f) dump_str(&at, end, #f, c->f);
#define I(f) dump_int(&at, end, #f, c->f, CALL_UNSET);
#define Z(f) dump_int(&at, end, #f, (int64_t)c->f, 0);
#define D(f) dump_double(&at, end, #f, c->f);
#define T(f) dump_ms(&at, end, #f, c->f);
	S(model) I(max_tokens) I(choice_count) I(seed) I(top_k) I(dimensions) D(temperature) D(top_p)
	D(frequency_penalty) D(presence_penalty)
	S(output_type) S(reasoning_level) S(encoding_format) S(previous_response_id) S(conversation_id) S(req_service_tier)
	I(messages) I(tools) S(response_id) S(response_model)
	dump_lists(&at, end, c);
	S(response_status) S(system_fingerprint) S(service_tier) Z(refusal)
	dump_str(&at, end, "usage", slice_str(usages[c->usage]));
	I(input_tokens) I(output_tokens) I(total_tokens) I(cache_read_tokens) I(cache_creation_tokens) I(reasoning_tokens)
	I(input_audio_tokens) I(output_audio_tokens) I(accepted_prediction_tokens) I(rejected_prediction_tokens)
	I(cache_creation_5m_tokens) I(cache_creation_1h_tokens)
	S(error_type) S(error_message) S(method) S(path) S(host) Z(host_port) Z(status) Z(http_version)
	S(user_agent) S(traceparent) S(tracestate) S(request_id) I(processing_ms) I(retry_count) D(retry_after_s)
	I(limit_requests) I(limit_tokens) I(remaining_requests) I(remaining_tokens)
	T(first_chunk_ns) T(first_content_ns) T(last_chunk_ns) Z(chunks) Z(stream_done)
	Z(is_client) T(req_start_ns) T(req_end_ns) T(resp_start_ns) T(resp_end_ns) T(end_ns)
#undef S
#undef I
#undef Z
#undef D
#undef T
	dump_incomplete(&at, end, c->incomplete);
}
