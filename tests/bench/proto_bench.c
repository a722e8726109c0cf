/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flow and proto alone, fed from memory: bytes and records a second on one core, for streamed answers of 200-byte
 * events one to a record, the same packed in full records, one body of known length, and HTTP/2 frames. Prints one line each.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "flow/flow.h"
#include "limits.h"
#include "proto/proto.h"

#define H2_CAP 8192

static uint64_t parts, bytes_out;

static void take(void *ctx, const struct message *m)
{
	(void)ctx;
	parts++;
	bytes_out += m->data.len;
}

static void pass(void *ctx, const struct chunk *c)
{
	proto_push(ctx, c);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct run {
	struct flow *flow;
	uint64_t offset[2], ts, records, bytes;
	struct ks_ev_data *e;
};

static void call(struct run *r, enum ks_dir dir, const char *at, size_t len)
{
	struct ks_ev_data *e = r->e;

	e->h = (struct ks_hdr){ KS_EV_DATA, 0, (uint32_t)(sizeof(*e) + len), ++r->ts, 5, 5, 7, 1 };
	e->offset = r->offset[dir];
	e->enter_ns = r->ts;
	e->dir = (uint8_t)dir;
	e->source = KS_SRC_OPENSSL;
	e->cap_len = e->call_len = (uint32_t)len;
	if (at)
		memcpy(e->data, at, len);
	r->offset[dir] += len;
	r->records++;
	r->bytes += len;
	(void)flow_push(r->flow, &e->h);
}

/* One answer of `events` events of 200 bytes, `pack` of them to a record, chunked; or a body, events == 0. */
static void answer(struct run *r, int events, int pack)
{
	static const char request[] =
		"POST /v1/chat/completions HTTP/1.1\r\nHost: api.example\r\nContent-Length: 2\r\n\r\n{}";
	static const char head[] =
		"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
	static const char body[] = "HTTP/1.1 200 OK\r\nContent-Length: 16384000\r\n\r\n";
	static char block[KS_CHUNK_CAP];
	size_t len = 0;

	for (int i = 0; i < pack; i++)
		len += (size_t)sprintf(
			block + len,
			"c8\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"%0*d\"}}]}\n\n\r\n",
			154, i);
	call(r, KS_OUT, request, sizeof(request) - 1);
	call(r, KS_IN, events ? head : body, (events ? sizeof(head) : sizeof(body)) - 1);
	memcpy(r->e->data, block, len);
	for (int i = 0; i < events; i += pack)
		call(r, KS_IN, NULL, len);
	for (int i = 0; !events && i < 1000; i++)
		call(r, KS_IN, NULL, KS_CHUNK_CAP);
	if (events)
		call(r, KS_IN, "0\r\n\r\n", 5);
}

/* The same over HTTP/2: one request, `frames` DATA frames of len bytes, `pack` of them to a record. */
static void answer_h2(struct run *r, int frames, size_t len, int pack)
{
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
	static uint32_t stream;
	char head[] = "\0\0\7\1\5\0\0\0\0\203\207\004\002/c\204", back[] = "\0\0\1\1\4\0\0\0\0\210";
	char end[] = "\0\0\0\0\1\0\0\0\0", frame[H2_CAP + 9];
	size_t at = 0;

	if (!r->offset[KS_OUT]) {
		stream = 1;
		call(r, KS_OUT, preface, sizeof(preface) - 1);
	}
	memset(frame, 'x', sizeof(frame));
	memcpy(frame, (char[]){ 0, (char)(len >> 8), (char)len, 0, 0 }, 5);
	for (int i = 0; i < 4; i++)
		head[5 + i] = back[5 + i] = frame[5 + i] = end[5 + i] =
			(char)(stream >> (24 - 8 * i));
	call(r, KS_OUT, head, 16);
	call(r, KS_IN, back, 10);
	for (int i = 0; i < pack; i++, at += len + 9)
		memcpy(r->e->data + at, frame, len + 9);
	for (int i = 0; i < frames; i += pack)
		call(r, KS_IN, NULL, at);
	call(r, KS_IN, end, 9);
	stream += 2;
}

static void bench(const char *name, int events, int pack, int rounds, size_t h2_len)
{
	struct run r = { .e = calloc(1, sizeof(*r.e) + KS_CHUNK_CAP) };
	struct proto *p = NULL;
	double start, took;

	if (!r.e ||
	    proto_new(&(struct proto_cfg){ 0 }, (struct message_sink){ NULL, take }, &p) < 0 ||
	    flow_new(&(struct flow_cfg){ 0 }, (struct chunk_sink){ p, pass }, &r.flow) < 0)
		exit(1);
	parts = bytes_out = 0;
	start = now();
	for (int i = 0; i < rounds; i++)
		if (h2_len)
			answer_h2(&r, events, h2_len, pack);
		else
			answer(&r, events, pack);
	took = now() - start;
	if (events && parts < (uint64_t)rounds * (uint64_t)(events + 5)) /* 2 heads, 2 ends, DONE */
		printf("%lu messages, fewer than were sent: ", parts);
	printf("%-16s %7.2f GB/s %7.2f M records/s %7.2f M messages/s\n", name,
	       (double)r.bytes / took / 1e9, (double)r.records / took / 1e6,
	       (double)parts / took / 1e6);
	flow_free(r.flow);
	proto_free(p);
	free(r.e);
}

int main(void)
{
	for (int i = 0; i < 3; i++) {
		bench("sse, 1 a record", 200, 1, 5000, 0);
		bench("sse, packed", 2000, 75, 500, 0);
		bench("body", 0, 0, 100, 0);
		bench("h2, 200 bytes", 2000, 70, 500, 200);
		bench("h2, 1 a record", 200, 1, 5000, 200);
		bench("h2, 8 KiB", 2000, 1, 100, H2_CAP);
	}
	return 0;
}
