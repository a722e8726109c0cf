/* SPDX-License-Identifier: Apache-2.0 */
/* Caps and judgements: long bodies, bombs, full pools, verdicts, streams that are not HTTP/1, races, lost tracks. */
#include <malloc.h>
#include <unistd.h>
#include <zlib.h>

#include "base/drop.h"
#include "unit/proto/world.h"

#define CALL(w, dir, text) world_call(w, dir, SLICE(text))
#define GET(path)	   "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"
#define OK(id)		   "HTTP/1.1 200 OK\r\nX-Id: " id "\r\nContent-Length: 2\r\n\r\nok"

static size_t resident(void)
{
#ifdef __SANITIZE_ADDRESS__ /* keeps what is freed */
	return 0;
#else
	FILE *f = fopen("/proc/self/statm", "r");
	size_t all, res = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%zu %zu", &all, &res), 2);
	fclose(f);
	return res * (size_t)sysconf(_SC_PAGESIZE);
#endif
}

static void test_long_body(void **state)
{
	static char part[KS_CHUNK_CAP];
	struct world *w = *state;
	size_t before, heap;

	world_open(w);
	CALL(w, KS_OUT, "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 104857600\r\n\r\n");
	world_call(w, KS_OUT, (struct slice){ part, sizeof(part) });
	before = resident();
	heap = mallinfo2().uordblks;
	for (size_t left = 104857600 - sizeof(part); left; left -= sizeof(part))
		world_call(w, KS_OUT, (struct slice){ part, sizeof(part) });
	assert_int_equal(mallinfo2().uordblks, heap);
	assert_true(resident() < before + 256 * 1024);
	CALL(w, KS_IN, OK("/a"));
	world_close(w);
	assert_int_equal(w->seen[0].req_len, 104857600);
	assert_int_equal(w->seen[0].incomplete, 0);
}

static void test_idle_memory(void **state)
{
	struct world *w = *state;
	size_t before;

	memset(w->seen, 0, sizeof(w->seen)); /* the test's own pages */
	before = resident();
	for (int i = 0; i < 3; i++) {
		world_open(w);
		CALL(w, KS_OUT, GET("/a"));
		CALL(w, KS_IN, OK("/a"));
		world_close(w);
	}
	assert_true(resident() < before + 512 * 1024);
	assert_true(flow_bytes(&(struct flow_cfg){ 0 }) < 32u << 20);
	assert_true(proto_bytes(&(struct proto_cfg){ 0 }) < 256u << 20);
}

static void test_bomb(void **state)
{
	struct world *w = *state;
	size_t len = 64u << 20, cap = 1u << 20;
	char *zeros = calloc(1, len), *bomb = malloc(cap), head[128];
	z_stream z = { .next_in = (Bytef *)zeros,
		       .avail_in = (uInt)len,
		       .next_out = (Bytef *)bomb,
		       .avail_out = (uInt)cap };
	uint64_t before = drop_get(KS_DROP_ratio_cap);

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	world_open(w);
	CALL(w, KS_OUT, GET("/a"));
	snprintf(head, sizeof(head),
		 "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %lu\r\n\r\n",
		 z.total_out);
	world_call(w, KS_IN, slice_str(head));
	for (size_t at = 0; at < z.total_out; at += 1000)
		world_call(w, KS_IN,
			   (struct slice){ bomb + at,
					   z.total_out - at < 1000 ? z.total_out - at : 1000 });
	world_close(w);
	assert_int_equal(w->seen[0].incomplete, INCOMPLETE_BODY);
	assert_true(w->seen[0].resp_end);
	assert_int_equal(drop_get(KS_DROP_ratio_cap) - before, 1);
	free(zeros);
	free(bomb);
}

static void test_head_cap(void **state)
{
	struct world *w = *state;
	static char big[KS_CHUNK_CAP];

	memset(big, 'x', sizeof(big));
	world_open(w);
	CALL(w, KS_OUT, GET("/a"));
	CALL(w, KS_IN, OK("/a"));
	CALL(w, KS_OUT, "GET /b HTTP/1.1\r\nX: ");
	for (int i = 0; i < 6; i++)
		world_call(w, KS_OUT, (struct slice){ big, sizeof(big) });
	CALL(w, KS_OUT, "\r\n\r\n");
	CALL(w, KS_IN, OK("/b"));
	CALL(w, KS_OUT, GET("/c"));
	CALL(w, KS_IN, OK("/c"));
	world_close(w);
	assert_int_equal(w->cnt, 2);
	assert_string_equal(w->seen[1].target, "/c");
	assert_int_equal(w->seen[1].incomplete, 0);
}

static void test_full_pipeline(void **state)
{
	struct world *w = *state;

	world_open(w);
	for (int i = 0; i < KS_PIPELINE + 1; i++)
		CALL(w, KS_OUT, GET("/a"));
	CALL(w, KS_IN, OK("/a"));
	world_close(w);
	for (int i = 0; i < KS_PIPELINE; i++)
		assert_int_equal(w->seen[i].incomplete, INCOMPLETE_LIMIT | INCOMPLETE_NO_ANSWER);
	assert_true(w->seen[KS_PIPELINE].incomplete && !w->seen[KS_PIPELINE].resp_head);
}

/* Two connections, room for one exchange: the older one is given up, its late answer goes nowhere. */
static void test_full_pool(void **state)
{
	struct world *w = *state;
	struct proto *p;
	struct proto_cfg cfg = { .exchange_max = 1 };
	uint64_t id;

	assert_int_equal(proto_new(&cfg, (struct message_sink){ w, world_message }, &p), 0);
	proto_free(w->proto);
	w->proto = p;
	world_open(w);
	CALL(w, KS_OUT, GET("/a"));
	id = w->id++;
	w->offset[0] = w->offset[1] = 0;
	CALL(w, KS_OUT, GET("/b"));
	CALL(w, KS_IN, OK("/b"));
	w->id = id;
	w->offset[0] = sizeof(GET("/a")) - 1;
	w->offset[1] = 0;
	CALL(w, KS_IN, OK("/a"));
	CALL(w, KS_OUT, GET("/c"));
	CALL(w, KS_IN, OK("/c"));
	assert_int_equal(w->cnt, 3);
	assert_int_equal(w->seen[0].incomplete, INCOMPLETE_EVICTED | INCOMPLETE_NO_ANSWER);
	assert_string_equal(w->seen[1].id, "/b");
	assert_string_equal(w->seen[2].id, "/c");
	assert_int_equal(w->seen[1].incomplete | w->seen[2].incomplete, 0);
}

static void test_verdicts(void **state)
{
	struct world *w = *state;
	static char body[KS_SKIP_BYTES];
	char head[128];

	w->ignore_all = true;
	world_open(w);
	for (int i = 0; i < 200; i++) { /* small ones do not count */
		CALL(w, KS_OUT, GET("/health"));
		CALL(w, KS_IN, OK("/health"));
	}
	assert_int_equal(w->verdict, KS_V_NONE);
	w->cnt = w->done = 0;
	memset(w->seen, 0, sizeof(w->seen));
	CALL(w, KS_OUT, GET("/big"));
	snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n",
		 sizeof(body));
	world_call(w, KS_IN, slice_str(head));
	for (size_t at = 0; at < sizeof(body); at += KS_CHUNK_CAP)
		world_call(w, KS_IN, (struct slice){ body, KS_CHUNK_CAP });
	assert_int_equal(w->verdict, KS_V_SKIP);
	world_close(w);
	assert_int_equal(w->seen[0].resp.len, 0); /* nothing of it came */
	w->ignore_all = false;
	w->want_all = true;
	world_open(w);
	CALL(w, KS_OUT, GET("/ai"));
	assert_int_equal(w->verdict, KS_V_KEEP); /* at the head already */
	world_close(w);
	assert_int_equal(w->seen[0].incomplete, INCOMPLETE_NO_ANSWER);
	w->want_all = false;
	world_open(w);
	for (int i = 0; i < 5; i++)
		CALL(w, i & 1, "\x16\x03\x01 something else");
	assert_int_equal(w->verdict, KS_V_SKIP);
	world_close(w);
}

static void test_not_http1(void **state)
{
	struct world *w = *state;

	world_open(w);
	CALL(w, KS_OUT, "GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n");
	CALL(w, KS_IN, "HTTP/1.1 101 Switching Protocols\r\nX-Id: /ws\r\n\r\n\x81\x02hi");
	CALL(w, KS_OUT, GET("/not-http-any-more"));
	world_close(w);
	assert_int_equal(w->cnt, 1);
	assert_int_equal(w->seen[0].status, 101);
	assert_int_equal(w->seen[0].incomplete, 0);
}

static void test_tracks(void **state)
{
	struct world *w = *state;

	world_open(w); /* a server that times out speaks unasked */
	CALL(w, KS_OUT, GET("/a"));
	CALL(w, KS_IN, OK("/a"));
	CALL(w, KS_IN, "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n");
	CALL(w, KS_OUT, GET("/b"));
	CALL(w, KS_IN, OK("/b"));
	world_close(w);
	assert_int_equal(w->cnt, 2);
	assert_string_equal(w->seen[1].id, "/b");

	world_open(
		w); /* read and written in two threads: the answer is seen before the call that asked */
	CALL(w, KS_OUT, GET("/a"));
	CALL(w, KS_IN, OK("/a"));
	CALL(w, KS_IN, OK("/b"));
	w->now -= 30;
	CALL(w, KS_OUT, GET("/b"));
	w->now += 30;
	CALL(w, KS_OUT, GET("/c"));
	CALL(w, KS_IN, OK("/c"));
	world_close(w);
	for (size_t i = 0; i < w->cnt; i++)
		assert_true(!w->seen[i].resp_head || !strcmp(w->seen[i].id, w->seen[i].target));

	world_open(w); /* broken chunked coding */
	CALL(w, KS_OUT, GET("/a"));
	CALL(w, KS_IN,
	     "HTTP/1.1 200 OK\r\nX-Id: /a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n");
	CALL(w, KS_OUT, GET("/b"));
	CALL(w, KS_IN, OK("/b"));
	CALL(w, KS_OUT, "\x01\x02 nonsense\r\n\r\n");
	CALL(w, KS_IN, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
	CALL(w, KS_OUT, GET("/c"));
	CALL(w, KS_IN, OK("/c"));
	world_close(w);
	assert_int_equal(w->cnt, 3);
	assert_int_equal(w->seen[0].incomplete, INCOMPLETE_SYNTAX);
	assert_int_equal(w->seen[1].incomplete | w->seen[2].incomplete, 0);
}

#define CHUNKED(id)                    \
	"HTTP/1.1 200 OK\r\nX-Id: " id \
	"\r\nTransfer-Encoding: chunked\r\nContent-Type: text/event-stream\r\n\r\n"

/* Holes in chunked bodies: inside a chunk, of whole chunks, of the end. */
static void test_chunk_holes(void **state)
{
	struct world *w = *state;

	world_open(w);
	CALL(w, KS_OUT, GET("/a"));
	CALL(w, KS_IN, CHUNKED("/a") "12\r\ndata: 1\n");
	w->lose = w->records + 1;
	CALL(w, KS_IN, "\ndata");
	CALL(w, KS_IN, ": 2\n\n\r\n9\r\ndata: 3\n\n\r\n");
	w->lose = w->records + 1;
	CALL(w, KS_IN, "9\r\ndata: 4\n\n\r\n");
	CALL(w, KS_IN, "9\r\ndata: 5\n\n\r\n0\r\n\r\n");
	CALL(w, KS_OUT, GET("/b"));
	CALL(w, KS_IN, CHUNKED("/b") "9\r\ndata: 1\n\n\r\n");
	w->lose = w->records + 1;
	CALL(w, KS_IN, "0\r\n\r\n");
	CALL(w, KS_OUT, GET("/c"));
	CALL(w, KS_IN, OK("/c"));
	CALL(w, KS_OUT, GET("/d"));
	CALL(w, KS_IN, OK("/d"));
	world_close(w);
	assert_int_equal(w->cnt, 4);
	assert_memory_equal(w->seen[0].resp.at, "[|1[|3][|5]", 11);
	assert_int_equal(w->seen[0].incomplete, INCOMPLETE_LOST);
	assert_int_equal(w->seen[0].gap_len, 5 + 14);
	assert_int_equal(w->seen[1].incomplete, INCOMPLETE_LOST);
	assert_true(w->seen[2].incomplete);
	assert_int_equal(w->seen[3].incomplete, 0);
	assert_string_equal(w->seen[3].id, "/d");
}

/* The end of a response, the next request and the beginning of its response are lost at once: what comes behind the hole
 * looks like the rest of the first response. */
static void test_swallowed(void **state)
{
	struct world *w = *state;

	world_open(w);
	CALL(w, KS_OUT, GET("/a"));
	CALL(w, KS_IN, CHUNKED("/a") "9\r\ndata: 1\n\n\r\n");
	w->lose = w->records + 1;
	CALL(w, KS_OUT, GET("/b"));
	w->lose = w->records + 1;
	CALL(w, KS_IN, "0\r\n\r\n" CHUNKED("/b"));
	CALL(w, KS_IN, "9\r\ndata: 2\n\n\r\n0\r\n\r\n");
	assert_int_equal(w->done, 0); /* nobody knows yet */
	world_close(w);
	assert_int_equal(w->cnt, 1);
	assert_true(w->seen[0].ignored);
}

static void test_ends(void **state)
{
	struct world *w = *state;

	world_open(w);
	CALL(w, KS_OUT, GET("/a"));
	CALL(w, KS_IN, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel");
	world_close(w);
	assert_int_equal(w->seen[0].incomplete, INCOMPLETE_CUT);
	world_open(w);
	CALL(w, KS_OUT, GET("/a"));
	CALL(w, KS_IN,
	     "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: a\n\ndata: b");
	flow_free(w->flow);
	w->flow = NULL;
	assert_int_equal(w->seen[0].incomplete, INCOMPLETE_STOPPED);
	assert_memory_equal(w->seen[0].resp.at, "[|a][|b", 7);
	assert_int_equal(w->done, 1);
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

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(long_body),     TEST(idle_memory), TEST(bomb),	TEST(head_cap),
		TEST(full_pipeline), TEST(full_pool),	TEST(verdicts), TEST(not_http1),
		TEST(tracks),	     TEST(chunk_holes), TEST(swallowed), TEST(ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
