/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/2: every script gives the same exchanges however it is cut, and no wrong one whatever is lost. */
#include "unit/proto/h2wire.h"

#define WHOLE KS_CHUNK_CAP
#define OUT   KS_OUT
#define IN    KS_IN

/* One request at a time, fields from the table, bodies in several frames. */
static void script_plain(struct wire *w)
{
	wire_start(w);
	wire_headers(w, OUT, 1, REQUEST("POST", "/r1"), false);
	wire_data(w, OUT, 1, "{\"model\":", false);
	wire_data(w, OUT, 1, "\"a\"}", true);
	wire_headers(w, IN, 1, RESPONSE("200", "/r1") "content-length: 11\n", false);
	wire_data(w, IN, 1, "hello ", false);
	wire_frame(w, OUT, 0, H2_PING, 0, SLICE("12345678"));
	wire_data(w, IN, 1, "world", true);
	wire_headers(w, OUT, 3, REQUEST("GET", "/r2"), true);
	wire_headers(w, IN, 3, RESPONSE("404", "/r2"), true);
	wire_headers(w, OUT, 5, REQUEST("POST", "/r3"), false);
	wire_data(w, OUT, 5, "ab", true);
	wire_headers(w, IN, 5, RESPONSE("200", "/r3"), false);
	wire_data(w, IN, 5, "xyz", false);
	wire_data(w, IN, 5, "", true);
}

/* Streams that overlap, in records that hold several frames. */
static void script_mixed(struct wire *w)
{
	wire_start(w);
	w->join = true;
	wire_headers(w, OUT, 1, REQUEST("POST", "/m1") "x-one: 1\n", false);
	wire_headers(w, OUT, 3, REQUEST("POST", "/m2") "x-two: 2\n", false);
	wire_data(w, OUT, 3, "two", false);
	wire_data(w, OUT, 1, "one", true);
	wire_headers(w, OUT, 5, REQUEST("GET", "/m3"), true);
	wire_headers(w, IN, 3, ":status: 103\nlink: x\n", false);
	wire_headers(w, IN, 3, RESPONSE("200", "/m2") "content-type: text/event-stream\n", false);
	w->join = false;
	wire_data(w, OUT, 3, "TWO", true);
	w->join = true;
	wire_data(w, IN, 3, "event: a\ndata: {\"n\":1}\n\ndata: ", false);
	wire_headers(w, IN, 5, RESPONSE("200", "/m3"), false);
	wire_data(w, IN, 5, "3", false);
	wire_data(w, IN, 3, "2\n\n", false);
	wire_headers(w, IN, 1, RESPONSE("200", "/m1"), false);
	wire_data(w, IN, 5, "33", true);
	w->join = false;
	wire_data(w, IN, 1, "11", false);
	wire_frame(w, OUT, 3, H2_WINDOW_UPDATE, 0, SLICE("\0\0\1\0"));
	wire_data(w, IN, 3, "data: [DONE]\n\n", true);
	wire_data(w, IN, 1, "1", true);
}

/* What the format allows: padding, priority, continuation, trailers, pushes, extensions. */
static void script_odd(struct wire *w)
{
	wire_start(w);
	w->pad = 7;
	w->priority = true;
	w->fragment = 11;
	wire_headers(w, OUT, 1, REQUEST("POST", "/o1"), false);
	wire_data(w, OUT, 1, "padded", false);
	wire_headers(w, OUT, 1, "x-trailer: 1\n", true);
	wire_frame(w, OUT, 9, H2_PRIORITY, 0, SLICE("\0\0\0\1\4"));
	w->fragment = 0;
	wire_block_frames(w, IN, 1, H2_PUSH_PROMISE, false, SLICE("\0\0\0\2"),
			  REQUEST("GET", "/pushed"));
	w->fragment = 9;
	wire_headers(w, IN, 1, RESPONSE("200", "/o1") "x-more: yes\n", false);
	wire_headers(w, IN, 2, RESPONSE("200", "/pushed"), false);
	wire_data(w, IN, 2, "nobody asked", true);
	wire_frame(w, IN, 0, 0x10, 3, SLICE("an extension"));
	wire_data(w, IN, 1, "body", false);
	wire_data(w, IN, 1, "", false);
	wire_headers(w, IN, 1, "grpc-status: 0\nx-id: trailer\n", true);
	w->pad = 0;
	w->priority = false;
	wire_headers(w, OUT, 3, REQUEST("GET", "/o2"), true);
	wire_headers(w, IN, 3, RESPONSE("204", "/o2"), true);
}

/* The traced process is the server. */
static void script_server(struct wire *w)
{
	w->client = IN;
	wire_frame(w, OUT, 0, H2_SETTINGS, 0,
		   SLICE("\0\3\0\0\0\x64")); /* before it read anything */
	wire_start(w);
	wire_headers(w, IN, 1, REQUEST("POST", "/v1"), false);
	wire_data(w, IN, 1, "question", true);
	wire_headers(w, OUT, 1, RESPONSE("200", "/v1"), false);
	wire_headers(w, IN, 3, REQUEST("POST", "/v2"), false);
	wire_data(w, OUT, 1, "answer", true);
	wire_data(w, IN, 3, "q", true);
	wire_headers(w, OUT, 3, RESPONSE("500", "/v2"), false);
	wire_data(w, OUT, 3, "a", true);
}

#define SCRIPT(name) { #name, script_##name }
static const struct script {
	const char *name;
	void (*write)(struct wire *w);
} scripts[] = { SCRIPT(plain), SCRIPT(mixed), SCRIPT(odd), SCRIPT(server) };
#define SCRIPT_CNT (sizeof(scripts) / sizeof(scripts[0]))

static struct wire wire;

static void play(struct world *w, size_t size, size_t cut1, size_t cut2)
{
	world_play(w, wire.steps, wire.cnt, size, cut1, cut2);
}

/* Write a script and see what it gives whole. The caller calls wire_done(). */
static size_t begin(struct world *w, const struct script *s, struct seen *ret_want)
{
	wire_init(&wire, OUT);
	s->write(&wire);
	play(w, WHOLE, 0, 0);
	memcpy(ret_want, w->seen, sizeof(w->seen));
	return w->cnt;
}

static bool same(const struct seen *a, const struct seen *b)
{
	return !strcmp(a->method, b->method) && !strcmp(a->target, b->target) &&
	       !strcmp(a->authority, b->authority) && !strcmp(a->id, b->id) &&
	       text_eq(&a->req, &b->req) && text_eq(&a->resp, &b->resp) && a->status == b->status &&
	       a->req_len == b->req_len && a->resp_len == b->resp_len;
}

static const struct seen *called(const struct seen *seen, size_t cnt, const char *target)
{
	for (size_t i = 0; i < cnt; i++)
		if (!strcmp(seen[i].target, target))
			return &seen[i];
	return NULL;
}

static void body_is(const struct text *t, const char *want)
{
	assert_int_equal(t->len, strlen(want));
	assert_memory_equal(t->at, want, t->len);
}

static void test_whole(void **state)
{
	struct world *w = *state;
	struct seen *x = malloc(sizeof(w->seen));

	assert_int_equal(begin(w, &scripts[0], x), 3);
	assert_string_equal(x[0].method, "POST");
	assert_string_equal(x[0].authority, "api.example");
	body_is(&x[0].req, "{\"model\":\"a\"}");
	body_is(&x[0].resp, "hello world");
	assert_int_equal(x[0].req_dir, OUT);
	assert_true(x[0].first_on_conn && !x[1].first_on_conn);
	assert_int_equal(x[1].status, 404);
	assert_int_equal(x[2].resp_len, 3);
	assert_int_equal(x[0].incomplete | x[1].incomplete | x[2].incomplete, 0);
	wire_done(&wire);

	assert_int_equal(begin(w, &scripts[1], x), 3);
	body_is(&x[0].req, "one");
	body_is(&x[0].resp, "111");
	body_is(&x[1].req, "twoTWO");
	body_is(&x[1].resp, "[a|{\"n\":1}][|2][|[DONE]]");
	body_is(&x[2].resp, "333");
	for (int i = 0; i < 3; i++)
		assert_string_equal(x[i].target, x[i].id);
	wire_done(&wire);

	assert_int_equal(begin(w, &scripts[2], x), 2);
	body_is(&x[0].req, "padded");
	body_is(&x[0].resp, "body");
	assert_int_equal(x[1].status, 204);
	assert_int_equal(x[0].incomplete | x[1].incomplete, 0);
	wire_done(&wire);

	assert_int_equal(begin(w, &scripts[3], x), 2);
	assert_int_equal(x[0].req_dir, IN);
	body_is(&x[1].req, "q");
	assert_true(x[0].first_on_conn);
	assert_int_equal(x[0].incomplete | x[1].incomplete, 0);
	wire_done(&wire);
	free(x);
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
	struct seen *want = malloc(sizeof(w->seen));

	for (size_t i = 0; i < SCRIPT_CNT; i++) {
		size_t cnt = begin(w, &scripts[i], want);

		for (size_t size = 1; size < 40; size++) {
			play(w, size, 0, 0);
			check_same(w, want, cnt, scripts[i].name);
		}
		for (size_t cut = 1; cut < wire.len; cut++) {
			for (size_t cut2 = cut; cut2 < wire.len; cut2 += 1 + (cut2 - cut) / 3) {
				play(w, WHOLE, cut, cut2);
				check_same(w, want, cnt, scripts[i].name);
			}
		}
		wire_done(&wire);
	}
	free(want);
}

/* What is not marked is whole and right; what is marked is a part of what was. */
static size_t check_lossy(struct world *w, const struct seen *want, size_t cnt, const char *name)
{
	size_t whole = 0;

	for (size_t i = 0; i < w->cnt; i++) {
		const struct seen *x = &w->seen[i],
				  *was = called(want, cnt, *x->target ? x->target : x->id);

		whole += !x->incomplete;
		if (!was && (*x->target || *x->id || !x->incomplete))
			fail_msg("%s lose %zu each %zu: %s was not asked", name, w->lose,
				 w->lose_each, x->target);
		if (!was)
			continue;
		if (!x->incomplete && !same(x, was))
			fail_msg("%s lose %zu each %zu: %s is wrong and not marked", name, w->lose,
				 w->lose_each, x->target);
		if ((*x->id && strcmp(x->id, was->id)) ||
		    (*x->method && strcmp(x->method, was->method)) ||
		    (x->status && x->status != was->status))
			fail_msg("%s lose %zu each %zu: %s is mixed with %s", name, w->lose,
				 w->lose_each, x->target, x->id);
	}
	return whole;
}

static void test_losses(void **state)
{
	static const size_t sizes[] = { 3, 7, 16, 50, WHOLE };
	struct world *w = *state;
	struct seen *want = malloc(sizeof(w->seen));
	size_t seen = 0, whole = 0;

	for (size_t i = 0; i < SCRIPT_CNT; i++) {
		size_t cnt = begin(w, &scripts[i], want);

		for (size_t k = 0; k < 5; k++) {
			size_t size = sizes[k], records;

			play(w, size, 0, 0);
			records = w->records;
			for (w->lose = 1; w->lose <= records; w->lose++) {
				play(w, size, 0, 0);
				whole += check_lossy(w, want, cnt, scripts[i].name);
				seen += cnt;
			}
			w->lose = 0;
			for (w->lose_each = 2; w->lose_each < 12; w->lose_each++) {
				play(w, size, 0, 0);
				check_lossy(w, want, cnt, scripts[i].name);
			}
			w->lose_each = 0;
		}
		wire_done(&wire);
	}
	free(want);
	print_message("one record lost: %zu of %zu exchanges whole\n", whole, seen);
	assert_true(whole * 5 > seen);
}

static void stream_midway(struct world *w)
{
	struct ks_ev_stream e = { .h = { .kind = KS_EV_OPEN,
					 .flags = KS_F_MIDSTREAM,
					 .len = sizeof(e),
					 .tgid = 7,
					 .proc_start_ns = 70 },
				  .source = KS_SRC_OPENSSL };

	e.h.ts_ns = ++w->now;
	e.h.id = w->id;
	e.bytes[KS_OUT] = e.bytes[KS_IN] = 1000; /* moved before */
	assert_int_equal(flow_push(w->flow, &e.h), 0);
}

/* Watching begins at each of the records. */
static void test_midway(void **state)
{
	static const size_t sizes[] = { 5, 9, 30, WHOLE };
	struct world *w = *state;
	struct seen *want = malloc(sizeof(w->seen));
	size_t answers = 0;

	for (size_t i = 0; i < SCRIPT_CNT; i++) {
		size_t cnt = begin(w, &scripts[i], want);

		for (size_t from = 1; from < wire.cnt; from++)
			for (size_t k = 0; k < 4; k++) {
				world_open(w);
				w->id++;
				w->offset[0] = w->offset[1] = 1000;
				stream_midway(w);
				for (size_t s = from; s < wire.cnt; s++)
					for (struct slice in = wire.steps[s].bytes; in.len;
					     in = slice_from(in, sizes[k]))
						world_call(w, wire.steps[s].dir,
							   (struct slice){ in.ptr,
									   in.len < sizes[k]
										   ? in.len
										   : sizes[k] });
				world_stream(w, KS_EV_CLOSE);
				assert_int_equal(w->done, w->cnt);
				check_lossy(w, want, cnt, scripts[i].name);
				for (size_t x = 0; x < w->cnt; x++) {
					answers += w->seen[x].resp_head;
					if (w->seen[x].incomplete &&
					    !(w->seen[x].incomplete & INCOMPLETE_MIDSTREAM))
						fail_msg("%s from %zu size %zu: %s %x",
							 scripts[i].name, from, sizes[k],
							 w->seen[x].target, w->seen[x].incomplete);
				}
				w->id--; /* its stream is open still */
				world_stream(w, KS_EV_CLOSE);
				w->id++;
			}
		wire_done(&wire);
	}
	free(want);
	print_message("joined: %zu answers\n", answers);
	assert_true(answers);
}

static void test_resets(void **state)
{
	struct world *w = *state;

	wire_init(&wire, OUT);
	wire_start(&wire);
	wire_headers(&wire, OUT, 1, REQUEST("POST", "/gone"), true); /* the client leaves */
	wire_headers(&wire, IN, 1, RESPONSE("200", "/gone"), false);
	wire_data(&wire, IN, 1, "some", false);
	wire_frame(&wire, OUT, 1, H2_RST_STREAM, 0, SLICE("\0\0\0\x08"));
	wire_data(&wire, IN, 1, "late", false);
	wire_headers(&wire, OUT, 3, REQUEST("POST", "/refused"), true); /* the server refuses */
	wire_frame(&wire, IN, 3, H2_RST_STREAM, 0, SLICE("\0\0\0\x07"));
	wire_headers(&wire, OUT, 5, REQUEST("POST", "/enough"), false); /* it has read enough */
	wire_data(&wire, OUT, 5, "a part", false);
	wire_headers(&wire, IN, 5, RESPONSE("413", "/enough"), true);
	wire_frame(&wire, IN, 5, H2_RST_STREAM, 0, SLICE("\0\0\0\0"));
	wire_headers(&wire, OUT, 7, REQUEST("GET", "/last"),
		     true); /* it goes, but answers this one */
	wire_headers(&wire, OUT, 9, REQUEST("GET", "/never"), true);
	wire_frame(&wire, IN, 0, H2_GOAWAY, 0, SLICE("\0\0\0\7\0\0\0\0bye"));
	wire_headers(&wire, IN, 7, RESPONSE("200", "/last"), true);
	for (size_t size = 1; size < 60; size++) {
		const struct seen *x = w->seen;

		play(w, size, 0, 0);
		assert_int_equal(w->cnt, 5);
		assert_int_equal(x[0].incomplete, INCOMPLETE_CUT);
		body_is(&x[0].resp, "some");
		assert_int_equal(x[1].incomplete, INCOMPLETE_CUT | INCOMPLETE_NO_ANSWER);
		assert_int_equal(x[2].incomplete, 0);
		assert_int_equal(x[2].status, 413);
		assert_int_equal(x[3].incomplete, 0);
		assert_int_equal(x[4].incomplete, INCOMPLETE_CUT | INCOMPLETE_NO_ANSWER);
	}
	wire_done(&wire);
}

/* A hole inside a DATA frame costs its bytes and nothing else. */
static void test_hole_in_data(void **state)
{
	struct world *w = *state;

	wire_init(&wire, OUT);
	wire_start(&wire);
	wire_headers(&wire, OUT, 1, REQUEST("POST", "/h1"), true);
	wire_headers(&wire, IN, 1, RESPONSE("200", "/h1") "content-type: text/event-stream\n",
		     false);
	wire.pad = 3;
	wire_data(&wire, IN, 1, "data: 1\n\ndata: 2\n\ndata: 3\n\n", true);
	wire.pad = 0;
	wire_headers(&wire, OUT, 3, REQUEST("POST", "/h2"), true);
	wire_headers(&wire, IN, 3, RESPONSE("200", "/h2"), true);
	world_open(w);
	for (size_t i = 0; i < wire.cnt; i++) {
		struct slice in = wire.steps[i].bytes;

		if (i != 6) {
			world_call(w, wire.steps[i].dir, in);
			continue;
		}
		world_call(w, IN, (struct slice){ in.ptr, 10 + 9 + 3 });
		w->lose = w->records + 1;
		world_call(w, IN, (struct slice){ in.ptr + 22, 6 });
		world_call(w, IN, slice_from(in, 28));
	}
	world_close(w);
	assert_int_equal(w->cnt, 2);
	body_is(&w->seen[0].resp, "[|1][|3]");
	assert_int_equal(w->seen[0].incomplete, INCOMPLETE_LOST);
	assert_int_equal(w->seen[0].gap_len, 6);
	assert_int_equal(w->seen[0].resp_len, 27);
	assert_true(w->seen[0].resp_end);
	assert_int_equal(w->seen[1].incomplete, 0);
	assert_string_equal(w->seen[1].id, "/h2");
	w->lose = 0;
	wire_done(&wire);
}

static void test_secrets(void **state)
{
	struct world *w = *state;

	wire_init(&wire, OUT);
	wire_start(&wire);
	for (uint32_t id = 1; id < 6; id += 2)
		wire_headers(&wire, OUT, id,
			     REQUEST("GET",
				     "/a?key=SECRET&b=1") "x-api-key: SECRET\ncookie: SECRET\n",
			     true);
	wire_headers(&wire, IN, 1, RESPONSE("200", "/a") "set-cookie: SECRET\n", true);
	w->secrets = true;
	play(w, WHOLE, 0, 0);
	play(w, 3, 0, 0);
	assert_int_equal(w->cnt, 3);
	assert_string_equal(w->seen[2].target, "/a?key=&b=1");
	w->secrets = false;
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
		TEST(whole),  TEST(cuts),	  TEST(losses),	 TEST(midway),
		TEST(resets), TEST(hole_in_data), TEST(secrets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
