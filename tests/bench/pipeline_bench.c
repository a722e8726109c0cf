/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast the pipeline is, from ring record to finished span, with no kernel and no exporter: streams of chat
 * completion chunks as an inference server writes them, once with a record for each token and once with records of
 * 16 KiB as a reader sees them. Counts calls of the allocator while warm streams pass. Prints one JSON object.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app/pipeline.h"
#include "limits.h"

#define STREAMS 32
#define CALLS 8	      /* exchanges of one stream and round */
#define TOKENS 400    /* server-sent events of one response */
#define ROUNDS 9

/* glibc's own entry points; counting here sees every allocation of the program. */
extern void *__libc_malloc(size_t len);
extern void *__libc_calloc(size_t cnt, size_t len);
extern void *__libc_realloc(void *ptr, size_t len);
static uint64_t alloc_cnt;

void *malloc(size_t len)
{
	alloc_cnt++;
	return __libc_malloc(len);
}

void *calloc(size_t cnt, size_t len)
{
	alloc_cnt++;
	return __libc_calloc(cnt, len);
}

void *realloc(void *ptr, size_t len)
{
	alloc_cnt++;
	return __libc_realloc(ptr, len);
}

struct tape { /* event records one after another, 8-byte aligned */
	uint8_t *mem;
	size_t len, cap;
	uint64_t records, sse_bytes;
};

static uint64_t spans, whole_spans;

static void on_span(void *ctx, const struct span *span)
{
	bool incomplete = false;

	(void)ctx;
	for (size_t i = 0; i < span->attr_cnt; i++)
		incomplete |= strcmp(span->attrs[i].key, "kernspan.incomplete") == 0;
	spans++;
	whole_spans += !incomplete;
}

static void tape_data(struct tape *t, uint64_t id, enum ks_dir dir, uint64_t *off, const char *buf, size_t len)
{
	struct ks_ev_data *ev = (struct ks_ev_data *)(t->mem + t->len);
	size_t size = sizeof(*ev) + len;

	if (t->len + size + 8 > t->cap)
		abort();
	memset(ev, 0, sizeof(*ev));
	ev->h = (struct ks_hdr){ .kind = KS_EV_DATA, .len = (uint32_t)size, .ts_ns = 1000 * (t->records + 1),
				 .tgid = 1000, .tid = 1000, .proc_start_ns = 1, .id = id };
	ev->offset = *off;
	ev->enter_ns = ev->h.ts_ns - 500;
	ev->call_len = ev->cap_len = (uint32_t)len;
	ev->dir = (uint8_t)dir;
	ev->source = KS_SRC_OPENSSL;
	memcpy(ev->data, buf, len);
	*off += len;
	t->len += (size + 7) & ~(size_t)7;
	t->records++;
}

/* A response as the server writes it: head, an HTTP chunk for each event, the end. Returns its length. */
static size_t response(char *out, size_t cap, unsigned id, size_t *cut, size_t *cut_cnt, uint64_t *sse_bytes)
{
	size_t at = (size_t)snprintf(out, cap, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
				     "Transfer-Encoding: chunked\r\n\r\n");

	*cut_cnt = 0;
	cut[(*cut_cnt)++] = at;
	for (int i = 0; i <= TOKENS; i++) {
		char ev[512];
		int n = i < TOKENS ?
			snprintf(ev, sizeof(ev), "data: {\"id\":\"chatcmpl-%08x\",\"object\":\"chat.completion.chunk\","
				 "\"created\":1764000000,\"model\":\"gpt-4o-2024-08-06\",\"service_tier\":\"default\","
				 "\"system_fingerprint\":\"fp_44709d6fcb\",\"choices\":[{\"index\":0,\"delta\":"
				 "{\"content\":\" word%d\"},\"logprobs\":null,\"finish_reason\":null}],"
				 "\"usage\":null}\n\n", id, i * 7919 % 1000) :
			snprintf(ev, sizeof(ev), "data: {\"id\":\"chatcmpl-%08x\",\"choices\":[],\"usage\":"
				 "{\"prompt_tokens\":9,\"completion_tokens\":%d,\"total_tokens\":%d}}\n\ndata: [DONE]\n\n",
				 id, TOKENS, TOKENS + 9);

		*sse_bytes += (uint64_t)n;
		at += (size_t)snprintf(out + at, cap - at, "%x\r\n%s\r\n", (unsigned)n, ev);
		cut[(*cut_cnt)++] = at;
	}
	at += (size_t)snprintf(out + at, cap - at, "0\r\n\r\n");
	cut[(*cut_cnt)++] = at;
	return at;
}

static void tape_calls(struct tape *t, uint64_t id, uint64_t off[2], bool token_records)
{
	static const char req[] = "POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\n"
				  "Content-Type: application/json\r\nContent-Length: 89\r\n\r\n"
				  "{\"model\":\"gpt-4o\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"Tell me a story\"}]}";
	static char out[TOKENS * 512];
	size_t cut[TOKENS + 4], cut_cnt;

	for (unsigned c = 0; c < CALLS; c++) {
		size_t len = response(out, sizeof(out), (unsigned)id * 1000 + c, cut, &cut_cnt, &t->sse_bytes), at = 0;

		tape_data(t, id, KS_OUT, &off[KS_OUT], req, sizeof(req) - 1);
		for (size_t i = 0; token_records && i < cut_cnt; at = cut[i++])
			tape_data(t, id, KS_IN, &off[KS_IN], out + at, cut[i] - at);
		for (; !token_records && at < len; at += KS_CHUNK_CAP)
			tape_data(t, id, KS_IN, &off[KS_IN], out + at, len - at < KS_CHUNK_CAP ? len - at : KS_CHUNK_CAP);
	}
}

static double play(struct pipeline *p, const struct tape *t)
{
	struct timespec a, b;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	for (size_t at = 0; at < t->len;) {
		const struct ks_hdr *ev = (const struct ks_hdr *)(t->mem + at);

		pipeline_push(p, ev, t->len - at);
		at += (ev->len + 7u) & ~7u;
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	return (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

struct figure {
	double sec[ROUNDS];
	uint64_t records, sse_bytes, allocs;
};

/* Rounds over streams that stay open; the first round warms them and is not counted. */
static void measure(struct pipeline *p, bool token_records, uint64_t first_id, struct figure *f)
{
	struct tape t = { .cap = 256u << 20 };
	uint64_t off[STREAMS][2] = { 0 };

	t.mem = __libc_malloc(t.cap);
	for (int r = -1; r < ROUNDS; r++) {
		uint64_t before;

		t.len = t.records = t.sse_bytes = 0;
		for (unsigned s = 0; s < STREAMS; s++)
			tape_calls(&t, first_id + s, off[s], token_records);
		before = alloc_cnt;
		double sec = play(p, &t);

		if (r < 0)
			continue;
		f->sec[r] = sec;
		f->allocs += alloc_cnt - before;
	}
	f->records = t.records;
	f->sse_bytes = t.sse_bytes;
	free(t.mem);
	qsort(f->sec, ROUNDS, sizeof(f->sec[0]), ascending);
}

int main(void)
{
	struct record_head head = { .version = "bench", .host = "bench" };
	struct pipeline_cfg cfg = { .head = &head, .sink = { { NULL, on_span } }, .sink_cnt = 1 };
	struct figure big = { 0 }, token = { 0 };
	struct pipeline *p;
	uint64_t want = 2ull * (ROUNDS + 1) * STREAMS * CALLS;

	if (pipeline_new(&cfg, &p))
		return 1;
	measure(p, false, 1, &big);
	measure(p, true, 1 + STREAMS, &token);
	pipeline_free(p);
	if (whole_spans != want) {
		fprintf(stderr, "pipeline_bench: %" PRIu64 " whole spans of %" PRIu64 ", %" PRIu64 " in all\n",
			whole_spans, want, spans);
		return 1;
	}
	printf("{\"rounds\":%d,\"bytes_per_s\":%.0f,\"bytes_min\":%.0f,\"bytes_max\":%.0f,"
	       "\"token_bytes_per_s\":%.0f,\"events_per_s\":%.0f,\"events_min\":%.0f,\"events_max\":%.0f,"
	       "\"allocs\":%" PRIu64 ",\"events\":%" PRIu64 "}\n",
	       ROUNDS, (double)big.sse_bytes / big.sec[ROUNDS / 2], (double)big.sse_bytes / big.sec[ROUNDS - 1],
	       (double)big.sse_bytes / big.sec[0], (double)token.sse_bytes / token.sec[ROUNDS / 2],
	       (double)token.records / token.sec[ROUNDS / 2], (double)token.records / token.sec[ROUNDS - 1],
	       (double)token.records / token.sec[0], big.allocs + token.allocs,
	       (big.records + token.records) * ROUNDS);
	return 0;
}
