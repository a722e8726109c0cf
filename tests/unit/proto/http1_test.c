/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1: every script gives the same exchanges however it is cut, and no wrong one whatever is lost. */
#include <zlib.h>
#include <zstd.h>

#include "base/drop.h"
#include "unit/proto/world.h"

#define WHOLE KS_CHUNK_CAP

struct script {
	const char *name;
	const struct step *steps;
	size_t cnt;
};

static const struct step keep_alive[] = {
	SENT("POST /r1 HTTP/1.1\r\nHost: api.example\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n"
	     "{\"model\":\"a\"}"),
	GOT("HTTP/1.1 200 OK\r\nX-Id: /r1\r\nContent-Length: 11\r\n\r\nhello world"),
	SENT("GET /r2 HTTP/1.1\r\nHost: api.example\r\n\r\n"),
	GOT("HTTP/1.1 404 Not Found\r\nX-Id: /r2\r\nContent-Length: 0\r\n\r\n"),
	SENT("POST /r3 HTTP/1.1\r\nHost: api.example\r\nContent-Length: 2\r\n\r\nab"),
	GOT("HTTP/1.1 200\r\nx-id:/r3\r\ncontent-length:\t3 \r\n\r\nxyz"),
};

static const struct step sse[] = {
	SENT("POST /s1 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4;ext=\"x\"\r\nabcd\r\nA\r\n0123456789\r\n"
	     "0\r\nTrailer: 1\r\n\r\n"),
	GOT("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"),
	GOT("HTTP/1.1 200 OK\r\nX-Id: /s1\r\nContent-Type: Text/Event-Stream; charset=utf-8\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n"),
	GOT("18\r\nevent: a\ndata: {\"n\":1}\n\n\r\n"),
	GOT("23;x=y\r\n: ping\n\ndata: {\"n\":2}\r\n\r\ndata: x\nda\r\n"),
	GOT("d\r\nta: y\nid: 7\n\n\r\n"),
	GOT("e\r\ndata: [DONE]\n\n\r\n0\r\nX: y\r\nZ: w\r\n\r\n"),
	SENT("GET /s2 HTTP/1.1\r\nHost: h\r\n\r\n"),
	GOT("HTTP/1.1 200 OK\r\nX-Id: /s2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
};

static const struct step pipelined[] = {
	SENT("GET /p1 HTTP/1.1\r\nHost: h\r\n\r\nPOST /p2 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
	     "GET /p3 HTTP/1.1\r\nHost: h\r\n\r\n"),
	GOT("HTTP/1.1 200 OK\r\nX-Id: /p1\r\nContent-Length: 1\r\n\r\n1HTTP/1.1 200 OK\r\nX-Id: /p2\r\n"
	    "Content-Length: 1\r\n\r\n2"),
	GOT("HTTP/1.1 200 OK\r\nX-Id: /p3\r\nContent-Length: 1\r\n\r\n3"),
	SENT("GET /p4 HTTP/1.1\r\nHost: h\r\n\r\n"),
	GOT("HTTP/1.1 200 OK\r\nX-Id: /p4\r\nContent-Length: 1\r\n\r\n4"),
};

static const struct step bodiless[] = {
	SENT("HEAD /b1 HTTP/1.1\r\nHost: h\r\n\r\n"),
	GOT("HTTP/1.1 200 OK\r\nX-Id: /b1\r\nContent-Length: 5000\r\n\r\n"),
	SENT("DELETE /b2 HTTP/1.1\r\nHost: h\r\n\r\n"),
	GOT("HTTP/1.1 204 No Content\r\nX-Id: /b2\r\n\r\n"),
	SENT("GET /b3 HTTP/1.1\r\nHost: h\r\n\r\n"),
	GOT("HTTP/1.1 304 Not Modified\r\nX-Id: /b3\r\nContent-Length: 77\r\n\r\n"),
	SENT("PUT /b4 HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"),
	GOT("HTTP/1.1 100 Continue\r\n\r\n"),
	SENT("body"),
	GOT("HTTP/1.1 201 Created\r\nX-Id: /b4\r\nContent-Length: 0\r\n\r\n"),
	SENT("PUT /b5 HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"),
	GOT("HTTP/1.1 413 Too Large\r\nX-Id: /b5\r\nContent-Length: 2\r\n\r\nno"),
	SENT("GET /b6 HTTP/1.1\r\nHost: h\r\n\r\n"),
	GOT("HTTP/1.1 200 OK\r\nX-Id: /b6\r\nConnection: close\r\n\r\nuntil the end"),
};

static const struct step old[] = {
	/* HTTP/1.0, bare LF, a folded line, an empty line before the request */
	SENT("\r\nGET http://user:pw@old.example/o1?a=1 HTTP/1.0\nHost: other\nX-Long: a\n  b\nAccept: */*\n\n"),
	GOT("HTTP/1.0 200 OK\nX-Id: /o1?a=1\nContent-Type: text/plain\n\nline\n\nline"),
};

static const struct step server[] = {
	GOT("POST /v1 HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nabcd"),
	SENT("HTTP/1.1 200 OK\r\nX-Id: /v1\r\nContent-Length: 2, 2\r\n\r\n"),
	SENT("ok"),
	GOT("GET /v2 HTTP/1.1\r\nHost: h\r\n\r\n"),
	SENT("HTTP/1.1 200 OK\r\nX-Id: /v2\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
};

#define SCRIPT(name) { #name, name, sizeof(name) / sizeof(name[0]) }
static const struct script scripts[] = {
	SCRIPT(keep_alive), SCRIPT(sse), SCRIPT(pipelined),
	SCRIPT(bodiless),   SCRIPT(old), SCRIPT(server),
};
#define SCRIPT_CNT (sizeof(scripts) / sizeof(scripts[0]))

static size_t script_len(const struct script *s)
{
	size_t len = 0;

	for (size_t i = 0; i < s->cnt; i++)
		len += s->steps[i].bytes.len;
	return len;
}

static bool same(const struct seen *a, const struct seen *b)
{
	return !strcmp(a->method, b->method) && !strcmp(a->target, b->target) &&
	       !strcmp(a->authority, b->authority) && !strcmp(a->id, b->id) &&
	       text_eq(&a->req, &b->req) && text_eq(&a->resp, &b->resp) && a->status == b->status &&
	       a->req_len == b->req_len && a->resp_len == b->resp_len;
}

static void test_whole(void **state)
{
	struct world *w = *state;
	const struct seen *x = w->seen;

	world_play(w, keep_alive, 6, WHOLE, 0, 0);
	assert_int_equal(w->cnt, 3);
	assert_string_equal(x[0].method, "POST");
	assert_string_equal(x[0].authority, "api.example");
	assert_memory_equal(x[0].req.at, "{\"model\":\"a\"}", 13);
	assert_memory_equal(x[0].resp.at, "hello world", 11);
	assert_int_equal(x[0].incomplete | x[1].incomplete | x[2].incomplete, 0);
	assert_true(x[0].first_on_conn && !x[1].first_on_conn);
	assert_int_equal(x[1].status, 404);
	/* sent: when the call began; received: when it returned */
	assert_int_equal(x[0].start_ns % 10, x[0].req_end_ns % 10);
	assert_int_equal(x[0].resp_start_ns - x[0].start_ns, 15);

	world_play(w, sse, 9, WHOLE, 0, 0);
	assert_int_equal(w->cnt, 2);
	assert_int_equal(x[0].req.len, 14);
	x = w->seen;
	assert_memory_equal(x[0].resp.at, "[a|{\"n\":1}][|{\"n\":2}][|x\ny][|[DONE]]",
			    x[0].resp.len);
	assert_int_equal(x[0].resp_len, 0x18 + 0x23 + 0xd + 0xe);

	world_play(w, pipelined, 5, WHOLE, 0, 0);
	assert_int_equal(w->cnt, 4);

	world_play(w, bodiless, 14, WHOLE, 0, 0);
	assert_int_equal(w->cnt, 6);
	assert_int_equal(x[5].resp.len, 13);
	assert_int_equal(x[5].incomplete, 0);
	assert_int_equal(x[4].incomplete, 0);

	world_play(w, old, 2, WHOLE, 0, 0);
	assert_int_equal(w->cnt, 1);
	assert_string_equal(x[0].target, "/o1?a=1");
	assert_string_equal(x[0].authority, "old.example");

	world_play(w, server, 5, WHOLE, 0, 0);
	assert_int_equal(w->cnt, 2);
	assert_int_equal(x[0].req_dir, KS_IN);
	assert_int_equal(x[1].resp_len, 1);
}

static void check_same(struct world *w, const struct seen *want, size_t cnt, const char *name)
{
	if (w->cnt != cnt)
		fail_msg("%s: %zu exchanges, not %zu", name, w->cnt, cnt);
	for (size_t i = 0; i < cnt; i++)
		if (!same(&w->seen[i], &want[i]) || w->seen[i].incomplete)
			fail_msg("%s: exchange %zu differs, incomplete %x", name, i,
				 w->seen[i].incomplete);
}

static void test_cuts(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < SCRIPT_CNT; i++) {
		const struct script *s = &scripts[i];
		size_t len = script_len(s), cnt;
		struct seen *want;

		world_play(w, s->steps, s->cnt, WHOLE, 0, 0);
		cnt = w->cnt;
		want = malloc(sizeof(w->seen));
		memcpy(want, w->seen, sizeof(w->seen));
		for (size_t size = 1; size < 40; size++) {
			world_play(w, s->steps, s->cnt, size, 0, 0);
			check_same(w, want, cnt, s->name);
		}
		for (size_t cut = 1; cut < len; cut++) {
			world_play(w, s->steps, s->cnt, WHOLE, cut, 0);
			check_same(w, want, cnt, s->name);
			for (size_t cut2 = cut + 1; cut2 < len; cut2 += 1 + (cut2 - cut) / 3) {
				world_play(w, s->steps, s->cnt, WHOLE, cut, cut2);
				check_same(w, want, cnt, s->name);
			}
		}
		free(want);
	}
}

/* What is not marked is whole and right; what is marked answers the right request. */
static void check_lossy(struct world *w, const struct seen *want, size_t cnt, const char *name)
{
	for (size_t i = 0; i < w->cnt; i++) {
		const struct seen *x = &w->seen[i];
		size_t k = 0;

		while (k < cnt && strcmp(want[k].target, x->target))
			k++;
		if (k == cnt)
			fail_msg("%s: a request %s that nobody made", name, x->target);
		if (!x->incomplete && !same(x, &want[k]))
			fail_msg("%s lose %zu each %zu: %s is wrong and not marked", name, w->lose,
				 w->lose_each, x->target);
		if (x->resp_head && strcmp(x->id, want[k].id))
			fail_msg("%s lose %zu each %zu: %s got the response of %s", name, w->lose,
				 w->lose_each, x->target, x->id);
	}
}

static void test_losses(void **state)
{
	static const size_t sizes[] = { 3, 7, 16, 50, WHOLE };
	struct world *w = *state;
	struct seen *want = malloc(sizeof(w->seen));
	size_t seen = 0, whole = 0;

	for (size_t i = 0; i < SCRIPT_CNT * 5; i++) {
		const struct script *s = &scripts[i / 5];
		size_t cnt, records, size = sizes[i % 5];

		world_play(w, s->steps, s->cnt, size, 0, 0);
		cnt = w->cnt;
		records = w->records;
		memcpy(want, w->seen, sizeof(w->seen));
		for (w->lose = 1; w->lose <= records; w->lose++) {
			world_play(w, s->steps, s->cnt, size, 0, 0);
			check_lossy(w, want, cnt, s->name);
			for (size_t k = 0; k < w->cnt; k++)
				whole += !w->seen[k].incomplete;
			seen += cnt;
		}
		w->lose = 0;
		for (w->lose_each = 2; w->lose_each < 12; w->lose_each++) {
			world_play(w, s->steps, s->cnt, size, 0, 0);
			check_lossy(w, want, cnt, s->name);
		}
		w->lose_each = 0;
	}
	free(want);
	print_message("one record lost: %zu of %zu exchanges whole\n", whole, seen);
	assert_true(whole * 2 > seen);
}

static void test_secrets(void **state)
{
	static const struct step steps[] = {
		SENT("POST /v1/m:g?alt=sse&key=SECRET1&x=1&%61pi_key=SECRET2&API-KEY=SECRET3 HTTP/1.1\r\nHost: h\r\n"
		     "Authorization: Bearer SECRET4\r\nX-API-Key: SECRET5\r\nCookie: a=SECRET6\r\nContent-Length: 0\r\n\r\n"),
		GOT("HTTP/1.1 200 OK\r\nSet-Cookie: SECRET7\r\nContent-Length: 0\r\n\r\n"),
	};
	struct world *w = *state;

	world_play(w, steps, 2, WHOLE, 0, 0);
	assert_string_equal(w->seen[0].target, "/v1/m:g?alt=sse&key=&x=1&%61pi_key=&API-KEY=");
	world_play(w, steps, 2, 5, 0, 0);
	assert_string_equal(w->seen[0].target, "/v1/m:g?alt=sse&key=&x=1&%61pi_key=&API-KEY=");
}

static size_t body_of(const char *coding, char *out, size_t cap, struct slice in)
{
	z_stream z = { .next_in = (Bytef *)in.ptr,
		       .avail_in = (uInt)in.len,
		       .next_out = (Bytef *)out,
		       .avail_out = (uInt)cap };
	int bits = strcmp(coding, "gzip") ? strcmp(coding, "raw") ? 15 : -15 : 31;

	if (!strcmp(coding, "zstd"))
		return ZSTD_compress(out, cap, in.ptr, in.len, 3);
	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return z.total_out;
}

static void coded(struct world *w, const char *header, struct slice body, const char *want)
{
	static const struct step request = SENT("GET /c HTTP/1.1\r\nHost: h\r\n\r\n");
	char head[256];
	struct step steps[] = { request, { KS_IN, { head, 0 } }, { KS_IN, body } };

	steps[1].bytes.len =
		(size_t)snprintf(head, sizeof(head),
				 "HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Type: %s\r\n"
				 "Content-Length: %zu\r\n\r\n",
				 header, *want == '[' ? "text/event-stream" : "text/plain",
				 body.len);
	for (size_t size = 1; size < 300; size += size < 20 ? 1 : 100) {
		world_play(w, steps, 3, size, 0, 0);
		assert_int_equal(w->seen[0].incomplete, 0);
		assert_int_equal(w->seen[0].resp.len, strlen(want));
		assert_memory_equal(w->seen[0].resp.at, want, strlen(want));
	}
	for (w->lose = 1; w->lose < 9;
	     w->lose++) { /* a hole: what was decoded is a prefix, and it is marked */
		world_play(w, steps, 3, 60, 0, 0);
		if (!w->cnt)
			continue;
		assert_true(w->seen[0].incomplete || w->seen[0].resp.len == strlen(want));
		assert_true(w->seen[0].resp.len <= strlen(want));
		assert_memory_equal(w->seen[0].resp.at, want, w->seen[0].resp.len);
	}
	w->lose = 0;
}

static const char brotli[] =
	"\x1b\x73\x00\x00\x04\x64\x6e\xa9\x3f\x53\x20\xd2\x8a\x73\xb3\x10\x14\xa7\x26\x9d\xb0\x01\x27\xe0\x81\x0c\x32"
	"\x6f\xb8\x49\xe0\x90\x03\xbb\x5d\x5a\xde\xb2\x47\x34\x9c\x8b\x10\xd0\xf0\xc7\x5c\xd9\xe7\x29\x2d\xef\xc6\x55"
	"\x85\x0d\x41\x22\x87\xaa\xd9\x17\x5e\x1b\x5e\x4e\x05\x3e";

static void test_codings(void **state)
{
	static const char text[] =
		"{\"id\":\"z\",\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":22},\"text\":"
		"\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}";
	struct slice in = { text, sizeof(text) - 1 },
		     events = SLICE("event: e\ndata: 1\n\ndata: 2\n\n");
	static char one[4096], two[4096];
	size_t len;

	len = body_of("gzip", one, sizeof(one), in);
	coded(*state, "gzip", (struct slice){ one, len }, text);
	coded(*state, "X-GZIP", (struct slice){ one, len }, text);
	coded(*state, "gzip, zstd",
	      (struct slice){ two, body_of("zstd", two, sizeof(two), (struct slice){ one, len }) },
	      text);
	coded(*state, "deflate", (struct slice){ one, body_of("zlib", one, sizeof(one), in) },
	      text);
	coded(*state, "identity, deflate",
	      (struct slice){ one, body_of("raw", one, sizeof(one), in) }, text);
	coded(*state, "zstd", (struct slice){ one, body_of("zstd", one, sizeof(one), in) }, text);
	coded(*state, "br", (struct slice){ brotli, sizeof(brotli) - 1 }, text);
	coded(*state, "gzip", (struct slice){ one, body_of("gzip", one, sizeof(one), events) },
	      "[e|1][|2]");
}

static int setup(void **state)
{
	*state = world_new();
	return 0;
}

static int teardown(void **state)
{
	world_free(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cuts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_losses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_secrets, setup, teardown),
		cmocka_unit_test_setup_teardown(test_codings, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
