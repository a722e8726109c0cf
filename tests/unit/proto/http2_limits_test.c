/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/2: caps, judgements, full pools, tunnels, broken syntax. */
#include "base/drop.h"
#include "unit/proto/h2wire.h"

#define WHOLE KS_CHUNK_CAP
#define OUT   KS_OUT
#define IN    KS_IN

static struct wire wire;

static void play(struct world *w, size_t size)
{
	world_play(w, wire.steps, wire.cnt, size, 0, 0);
}

static void test_caps(void **state)
{
	struct world *w = *state;
	static char fields[20000], value[8000];
	uint64_t before;

	/* more streams than are followed: the oldest goes, its answer goes nowhere */
	before = drop_get(KS_DROP_h2_streams);
	wire_init(&wire, OUT);
	wire_start(&wire);
	wire.join = true;
	for (uint32_t i = 0; i <= KS_H2_STREAMS; i++)
		wire_headers(&wire, OUT, 2 * i + 1,
			     i ? ":method: GET\n:path: /b\n" : ":method: GET\n:path: /a\n", true);
	wire_headers(&wire, IN, 1, RESPONSE("200", "/a"), true);
	for (uint32_t i = 1; i <= KS_H2_STREAMS; i++)
		wire_headers(&wire, IN, 2 * i + 1, RESPONSE("200", "/b"), true);
	play(w, WHOLE);
	assert_int_equal(w->cnt, KS_H2_STREAMS + 1);
	assert_int_equal(w->seen[0].incomplete, INCOMPLETE_LIMIT | INCOMPLETE_NO_ANSWER);
	for (int i = 1; i <= KS_H2_STREAMS; i++) {
		assert_int_equal(w->seen[i].incomplete, 0);
		assert_string_equal(w->seen[i].id, "/b");
	}
	assert_int_equal(drop_get(KS_DROP_h2_streams) - before, 1);
	wire_done(&wire);

	/* a list of fields that is too long, by many references to one entry; the next is whole */
	memset(value, 'v', 3000);
	snprintf(fields, sizeof(fields), "%sx-big: %s\n", REQUEST("GET", "/big"), value);
	for (int i = 0; i < 22; i++)
		snprintf(fields + strlen(fields), sizeof(fields) - strlen(fields), "x-big: %s\n",
			 i < 4 ? value : "w");
	wire_init(&wire, OUT);
	wire_start(&wire);
	wire_headers(&wire, OUT, 1, fields, true);
	play(w, WHOLE);
	assert_int_equal(w->cnt, 1);
	assert_int_equal(w->seen[0].incomplete, INCOMPLETE_NO_ANSWER);
	for (int i = 0; i < 25; i++) /* 62: the big one */
		wire_frame(&wire, OUT, 3, i ? H2_CONTINUATION : H2_HEADERS,
			   i == 24 ? 4
			   : i	   ? 0
				   : 1,
			   i ? SLICE("\xbf\xbf\xbf\xbf") : SLICE("\x82\x87\x04\x02/c"));
	wire_headers(&wire, OUT, 5, REQUEST("GET", "/d"), true);
	play(w, WHOLE);
	play(w, 100);
	assert_int_equal(w->cnt, 3);
	assert_int_equal(w->seen[1].incomplete, INCOMPLETE_LIMIT | INCOMPLETE_NO_ANSWER);
	assert_string_equal(w->seen[2].target, "/d");
	assert_int_equal(w->seen[2].incomplete, INCOMPLETE_NO_ANSWER);
	wire_done(&wire);
}

/* A header block that is longer than the buffer is not decoded; what refers to it later is known to be unknown. */
static void test_long_block(void **state)
{
	struct world *w = *state;
	static char part[KS_CHUNK_CAP - H2_HEADER];
	struct wire *x = &wire;

	wire_init(x, OUT);
	wire_start(x);
	wire_headers(x, OUT, 1, REQUEST("GET", "/a"), true);
	wire_headers(x, IN, 1, RESPONSE("200", "/a"), true);
	world_open(w);
	for (size_t i = 0; i < x->cnt; i++)
		world_call(w, x->steps[i].dir, x->steps[i].bytes);
	for (int i = 0; i < 6; i++) {
		x->cnt = x->len = 0;
		wire_frame(x, OUT, 3, i ? H2_CONTINUATION : H2_HEADERS,
			   i == 5 ? H2_END_HEADERS : H2_END_STREAM * !i,
			   (struct slice){ part, sizeof(part) });
		world_call(w, OUT, x->steps[0].bytes);
	}
	x->cnt = x->len = 0;
	wire_headers(x, OUT, 5, REQUEST("GET", "/b"), true);
	wire_headers(x, IN, 5, RESPONSE("200", "/b"), true);
	wire_headers(x, OUT, 7, REQUEST("GET", "/c"), true);
	wire_headers(x, IN, 7, RESPONSE("200", "/c"), true);
	for (size_t i = 0; i < x->cnt; i++)
		world_call(w, x->steps[i].dir, x->steps[i].bytes);
	world_close(w);
	assert_int_equal(w->cnt, 3);
	assert_string_equal(w->seen[1].target, "/b");
	assert_string_equal(w->seen[1].authority, "");
	assert_int_equal(w->seen[1].incomplete, INCOMPLETE_LIMIT);
	assert_string_equal(w->seen[1].id, "/b");
	assert_string_equal(w->seen[2].target, "/c");
	wire_done(x);
}

static void test_broken(void **state)
{
	struct world *w = *state;

	wire_init(&wire, OUT);
	wire_start(&wire);
	wire_headers(&wire, OUT, 1, REQUEST("GET", "/a"), true);
	wire_frame(&wire, OUT, 0, H2_DATA, 0, SLICE("x")); /* on no stream */
	wire_headers(&wire, OUT, 3, REQUEST("GET", "/b"), true);
	wire_headers(&wire, IN, 1, RESPONSE("200", "/a"), true);
	wire_frame(&wire, IN, 3, H2_HEADERS, H2_END_HEADERS,
		   SLICE("\x88\xff\xff\xff\xff\xff\x7f")); /* no block */
	wire_data(&wire, IN, 3, "body", true);
	wire_headers(&wire, OUT, 5, REQUEST("GET", "/c"), true);
	wire_frame(&wire, IN, 5, H2_HEADERS, 0, SLICE("\x88")); /* and no CONTINUATION */
	wire_data(&wire, IN, 5, "body", true);
	play(w, WHOLE);
	assert_true(w->cnt >= 1);
	assert_string_equal(w->seen[0].id, "/a");
	for (size_t i = 1; i < w->cnt; i++)
		assert_true(w->seen[i].incomplete & INCOMPLETE_SYNTAX && !w->seen[i].resp_head);
	wire_done(&wire);
}

static void test_tunnel(void **state)
{
	struct world *w = *state;

	wire_init(&wire, OUT);
	wire_start(&wire);
	wire_headers(&wire, OUT, 1, ":method: CONNECT\n:authority: far.example:443\n", false);
	wire_headers(&wire, IN, 1, ":status: 200\n", false);
	wire_data(&wire, OUT, 1, "GET / HTTP/1.1\r\n\r\n", false);
	wire_data(&wire, IN, 1, "HTTP/1.1 200 OK\r\n\r\n", true);
	play(w, WHOLE);
	assert_int_equal(w->cnt, 1);
	assert_int_equal(w->seen[0].incomplete, 0);
	assert_int_equal(w->seen[0].req_len + w->seen[0].resp_len, 0);
	wire_done(&wire);
}

/* Verdicts: kept when wanted; skipped when none of many was, and none is open. */
static void test_verdicts(void **state)
{
	struct world *w = *state;
	static char body[KS_CHUNK_CAP - H2_HEADER];
	struct wire *x = &wire;

	for (int want = 0; want < 2; want++) {
		w->ignore_all = !want;
		w->want_all = want;
		wire_init(x, OUT);
		wire_start(x);
		world_open(w);
		for (size_t i = 0; i < x->cnt; i++)
			world_call(w, x->steps[i].dir, x->steps[i].bytes);
		for (uint32_t id = 1; id < 2 * KS_H2_SKIP_CALLS + 1; id += 2) {
			assert_int_equal(w->verdict, want && id > 1 ? KS_V_KEEP : KS_V_NONE);
			x->cnt = x->len = 0;
			wire_headers(x, OUT, id, REQUEST("GET", "/x"), true);
			wire_headers(x, IN, id, RESPONSE("200", "/x"), false);
			wire_frame(x, IN, id, H2_DATA, H2_END_STREAM,
				   (struct slice){ body, sizeof(body) });
			for (size_t i = 0; i < x->cnt; i++)
				world_call(w, x->steps[i].dir, x->steps[i].bytes);
		}
		assert_int_equal(w->verdict, want ? KS_V_KEEP : KS_V_SKIP);
		world_close(w);
		wire_done(x);
	}
	w->want_all = false;
}

/* Room for two exchanges: the one that was used least goes. */
static void test_full_pool(void **state)
{
	struct world *w = *state;
	struct proto *p;
	struct proto_cfg cfg = { .exchange_max = 2 };

	assert_int_equal(proto_new(&cfg, (struct message_sink){ w, world_message }, &p), 0);
	proto_free(w->proto);
	w->proto = p;
	wire_init(&wire, OUT);
	wire_start(&wire);
	wire_headers(&wire, OUT, 1, REQUEST("POST", "/a"), false);
	wire_headers(&wire, OUT, 3, REQUEST("POST", "/b"), false);
	wire_data(&wire, OUT, 1, "a", true);
	wire_headers(&wire, OUT, 5, REQUEST("GET", "/c"), true);
	wire_headers(&wire, IN, 3, RESPONSE("200", "/b"), true);
	wire_headers(&wire, IN, 5, RESPONSE("200", "/c"), true);
	wire_headers(&wire, IN, 1, RESPONSE("200", "/a"), true);
	play(w, WHOLE);
	assert_int_equal(w->cnt, 3);
	assert_int_equal(w->seen[0].incomplete | w->seen[2].incomplete, 0);
	assert_int_equal(w->seen[1].incomplete, INCOMPLETE_EVICTED | INCOMPLETE_NO_ANSWER);
	wire_done(&wire);
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
		TEST(caps),   TEST(long_block), TEST(broken),
		TEST(tunnel), TEST(verdicts),	TEST(full_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
