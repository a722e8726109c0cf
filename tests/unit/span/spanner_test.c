/* SPDX-License-Identifier: Apache-2.0 */
/* From an AI call to a span: names, kinds, status, times, attributes, limits, resource. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/drop.h"
#include "span/spanner.h"

#define S(lit) SLICE(lit)
#define MS 1000000ull

static struct span seen; /* attrs stay valid until the next push */
static int pushed;
static struct proc_info proc;
static struct conn_info conn;

static void take(void *ctx, const struct span *span)
{
	(void)ctx;
	seen = *span;
	pushed++;
}

static const struct attr *find_in(const struct attr *at, size_t cnt, const char *key)
{
	const struct attr *found = NULL;

	for (size_t i = 0; i < cnt; i++)
		if (!strcmp(at[i].key, key)) {
			assert_null(found); /* a key appears once */
			found = &at[i];
		}
	return found;
}

static const struct attr *get(const char *key)
{
	return find_in(seen.attrs, seen.attr_cnt, key);
}

static void is_str(const char *key, const char *want)
{
	const struct attr *a = get(key);

	assert_non_null(a);
	assert_int_equal(a->type, ATTR_STR);
	assert_true(slice_eq(a->str, slice_str(want)));
}

static void is_int(const char *key, int64_t want)
{
	const struct attr *a = get(key);

	assert_non_null(a);
	assert_int_equal(a->type, ATTR_INT);
	assert_true(a->i == want);
}

static void is_double(const char *key, double want)
{
	const struct attr *a = get(key);

	assert_non_null(a);
	assert_int_equal(a->type, ATTR_DOUBLE);
	assert_true(fabs(a->d - want) < 1e-9);
}

static void is_strs(const char *key, size_t cnt, const char *first)
{
	const struct attr *a = get(key);

	assert_non_null(a);
	assert_int_equal(a->type, ATTR_STRS);
	assert_int_equal(a->strs.cnt, cnt);
	assert_true(slice_eq(a->strs.at[0], slice_str(first)));
}

static struct ai_call a_call(void)
{
	struct ai_call c = {
		.provider = "openai", .api_type = "chat_completions", .op = CALL_CHAT, .is_client = true,
		.model = S("gpt-4o"), .method = S("POST"), .path = S("/v1/chat/completions"),
		.host = S("api.openai.com"), .status = 200, .tls = true, .http_version = 11,
		.conn = &conn, .conn_id = 7, .seq = 1, .usage = CALL_USAGE_BODY,
		.temperature = NAN, .top_p = NAN, .frequency_penalty = NAN, .presence_penalty = NAN,
		.retry_after_s = NAN,
		.req_start_ns = 1000 * MS, .req_end_ns = 1001 * MS, .resp_start_ns = 1100 * MS,
		.resp_end_ns = 1500 * MS, .end_ns = 1500 * MS, .req_body_len = 10, .resp_body_len = 20,
	};
	int64_t *unset[] = {
		&c.max_tokens, &c.choice_count, &c.seed, &c.top_k, &c.dimensions, &c.messages, &c.tools,
		&c.input_tokens, &c.output_tokens, &c.total_tokens, &c.cache_read_tokens,
		&c.cache_creation_tokens, &c.reasoning_tokens, &c.input_audio_tokens, &c.output_audio_tokens,
		&c.accepted_prediction_tokens, &c.rejected_prediction_tokens, &c.cache_creation_5m_tokens,
		&c.cache_creation_1h_tokens, &c.processing_ms, &c.retry_count, &c.limit_requests,
		&c.limit_tokens, &c.remaining_requests, &c.remaining_tokens,
	};

	for (size_t i = 0; i < sizeof(unset) / sizeof(unset[0]); i++)
		*unset[i] = CALL_UNSET;
	return c;
}

static struct spanner *make(const char *resource_attributes)
{
	struct span_cfg cfg = {
		.seed = "0123456789abcde", .host_name = "node-1", .version = "1.2.3",
		.resource_attributes = resource_attributes,
	};
	struct spanner *s = NULL;

	proc = (struct proc_info){
		.tgid = 42, .ppid = 41, .known = true, .comm = "python3", .exe = "/usr/bin/python3.11",
		.service = "shop", .container = "abc",
	};
	conn = (struct conn_info){
		.id = 7, .proc = &proc, .family = AF_INET, .lport = 5000, .rport = 443, .raddr = { 192, 0, 2, 9 },
		.laddr = { 10, 0, 0, 1 }, .source = KS_SRC_OPENSSL, .rung = KS_RUNG_NESTED,
		.connect_ns = 900 * MS, .established_ns = 920 * MS, .hs_start_ns = 921 * MS, .hs_end_ns = 950 * MS,
	};
	assert_int_equal(span_new(&cfg, (struct span_sink){ NULL, take }, &s), 0);
	span_tick(s, 500 * MS, 500 * MS + 1700000000000000000ull);
	return s;
}

static void client(void **state)
{
	struct spanner *s = make(NULL);
	struct ai_call c = a_call();

	(void)state;
	c.input_tokens = 12;
	c.output_tokens = 0;
	c.temperature = 0;
	c.finish[0] = S("stop");
	c.finish_cnt = 1;
	c.choice_count = 1;
	c.req_service_tier = S("auto");
	span_push(s, &c);
	assert_true(slice_eq(seen.name, S("chat gpt-4o")));
	assert_int_equal(seen.kind, SPAN_CLIENT);
	assert_int_equal(seen.status, SPAN_UNSET);
	assert_false(seen.has_parent);
	assert_int_equal(seen.trace_flags, 3);
	assert_true(seen.start_ns == 1700000000000000000ull + 1000 * MS);
	assert_true(seen.end_ns == 1700000000000000000ull + 1500 * MS);
	is_str("gen_ai.operation.name", "chat");
	is_str("gen_ai.provider.name", "openai");
	is_str("openai.api.type", "chat_completions");
	is_str("gen_ai.request.model", "gpt-4o");
	is_int("gen_ai.usage.input_tokens", 12);
	is_int("gen_ai.usage.output_tokens", 0);
	is_double("gen_ai.request.temperature", 0);
	is_strs("gen_ai.response.finish_reasons", 1, "stop");
	is_str("server.address", "api.openai.com");
	is_int("server.port", 443);
	is_str("network.peer.address", "192.0.2.9");
	is_int("network.peer.port", 443);
	is_str("url.path", "/v1/chat/completions");
	is_str("url.scheme", "https");
	is_str("kernspan.usage.source", "response");
	is_str("kernspan.capture.source", "openssl");
	is_str("kernspan.binding", "nested");
	is_int("http.response.status_code", 200);
	is_int("http.response.body.size", 20);
	assert_null(get("error.type"));
	assert_null(get("gen_ai.request.choice.count"));
	assert_null(get("gen_ai.request.stream"));
	assert_null(get("gen_ai.usage.reasoning.output_tokens"));
	assert_null(get("gen_ai.response.time_to_first_chunk"));
	assert_null(get("openai.request.service_tier"));
	assert_null(get("client.address"));
	assert_null(get("kernspan.incomplete"));
	assert_int_equal(seen.event_cnt, 0);
	span_free(s);
}

static void streamed(void **state)
{
	struct spanner *s = make(NULL);
	struct ai_call c = a_call();

	(void)state;
	c.stream = true;
	c.first_chunk_ns = 1250 * MS;
	c.first_content_ns = 1260 * MS;
	c.last_chunk_ns = 1360 * MS;
	c.chunks = 11;
	c.stream_done = true;
	c.usage = CALL_USAGE_NONE;
	c.first_on_conn = true;
	span_push(s, &c);
	is_double("gen_ai.response.time_to_first_chunk", 0.25);
	is_double("kernspan.time_to_first_content", 0.26);
	is_double("kernspan.time_per_output_chunk", 0.01);
	is_int("kernspan.stream.chunks", 11);
	is_str("kernspan.usage.source", "none");
	assert_null(get("gen_ai.usage.input_tokens"));
	assert_int_equal(seen.event_cnt, 2);
	assert_string_equal(seen.events[0].name, "kernspan.connect");
	assert_true(fabs(seen.events[0].attrs[0].d - 0.02) < 1e-9);
	assert_true(seen.events[1].wall_ns == 1700000000000000000ull + 950 * MS);
	c.gap_len = 5; /* a hole: chunks were not all counted */
	span_push(s, &c);
	assert_null(get("kernspan.time_per_output_chunk"));
	is_int("kernspan.gap.bytes", 5);
	span_free(s);
}

static void errors(void **state)
{
	struct spanner *s = make(NULL);
	struct ai_call c = a_call();

	(void)state;
	c.status = 429;
	span_push(s, &c);
	assert_int_equal(seen.status, SPAN_ERROR);
	is_str("error.type", "429");
	c.error_type = S("rate_limit_exceeded");
	span_push(s, &c);
	is_str("error.type", "rate_limit_exceeded");
	c.error_type = S("The model said: no, I will not do this");
	span_push(s, &c);
	is_str("error.type", "429");
	c.is_client = false;
	span_push(s, &c);
	assert_int_equal(seen.status, SPAN_UNSET);
	assert_null(get("error.type"));
	c.status = 503;
	span_push(s, &c);
	assert_int_equal(seen.status, SPAN_ERROR);
	is_str("error.type", "503");
	c.status = 200;
	c.error_type = S("overloaded_error");
	span_push(s, &c);
	assert_int_equal(seen.status, SPAN_ERROR);
	is_str("error.type", "overloaded_error");
	c.error_type = SLICE_NONE;
	c.response_status = S("failed");
	span_push(s, &c);
	assert_int_equal(seen.status, SPAN_ERROR);
	is_str("error.type", "_OTHER");
	c = a_call();
	c.status = 0;
	c.resp_start_ns = c.resp_end_ns = 0;
	c.incomplete = INCOMPLETE_NO_ANSWER | INCOMPLETE_CUT;
	span_push(s, &c);
	assert_int_equal(seen.status, SPAN_UNSET);
	assert_null(get("http.response.status_code"));
	is_strs("kernspan.incomplete", 2, "cut");
	span_free(s);
}

static void server(void **state)
{
	struct spanner *s = make(NULL);
	struct ai_call c = a_call();

	(void)state;
	c.is_client = false;
	c.tls = false;
	c.host = SLICE_NONE;
	conn.lport = 8080;
	conn.rport = 40000;
	conn.family = AF_INET6;
	memset(conn.raddr, 0, 16);
	conn.raddr[10] = conn.raddr[11] = 0xff;
	conn.raddr[12] = 127;
	conn.raddr[15] = 1;
	memset(conn.laddr, 0, 16);
	conn.laddr[15] = 1;
	span_push(s, &c);
	assert_int_equal(seen.kind, SPAN_SERVER);
	is_str("client.address", "127.0.0.1");
	is_int("client.port", 40000);
	is_str("server.address", "::1");
	is_int("server.port", 8080);
	is_str("url.scheme", "http");
	c.host = S("svc");
	c.host_port = 8081;
	span_push(s, &c);
	is_str("server.address", "svc");
	is_int("server.port", 8081);
	conn.family = 0;
	span_push(s, &c);
	assert_null(get("network.peer.address"));
	span_free(s);
}

static void parent(void **state)
{
	struct spanner *s = make(NULL);
	struct ai_call c = a_call();

	(void)state;
	c.traceparent = S("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
	c.tracestate = S("a=b");
	span_push(s, &c);
	assert_true(seen.has_parent);
	assert_false(seen.parent_remote);
	assert_int_equal(seen.trace_id[0], 0x4b);
	assert_int_equal(seen.parent_id[1], 0xf0);
	assert_int_equal(seen.trace_flags, 1);
	assert_true(slice_eq(seen.trace_state, S("a=b")));
	c.is_client = false;
	c.tracestate = S("A bad one");
	span_push(s, &c);
	assert_true(seen.parent_remote);
	assert_int_equal(seen.trace_state.len, 0);
	c.traceparent = S("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01");
	span_push(s, &c);
	assert_false(seen.has_parent);
	span_free(s);
}

static const struct attr *resource(const char *key)
{
	return find_in(seen.resource, seen.resource_cnt, key);
}

static void resources(void **state)
{
	struct spanner *s = make("deployment.environment.name=prod, k8s.node.name = a%20b ,service.name=mine");
	struct ai_call c = a_call();
	struct span_cfg bad = { .resource_attributes = "novalue" };
	struct spanner *none = NULL;

	(void)state;
	span_push(s, &c);
	assert_true(slice_eq(resource("service.name")->str, S("shop")));
	assert_true(slice_eq(resource("process.executable.name")->str, S("python3.11")));
	assert_true(slice_eq(resource("k8s.node.name")->str, S("a b")));
	assert_true(slice_eq(resource("deployment.environment.name")->str, S("prod")));
	assert_true(slice_eq(resource("host.name")->str, S("node-1")));
	assert_true(slice_eq(resource("container.id")->str, S("abc")));
	assert_true(resource("process.pid")->i == 42);
	assert_true(resource("process.parent_pid")->i == 41);
	memset(&proc, 0, sizeof(proc));
	proc.tgid = 5;
	span_push(s, &c);
	assert_true(slice_eq(resource("service.name")->str, S("unknown_service")));
	assert_null(resource("process.parent_pid"));
	assert_null(resource("process.executable.path"));
	strcpy(proc.comm, "node");
	span_push(s, &c);
	assert_true(slice_eq(resource("service.name")->str, S("unknown_service:node")));
	span_free(s);
	assert_int_equal(span_new(&bad, (struct span_sink){ NULL, take }, &none), -22);
	assert_null(none);
}

static void limits(void **state)
{
	static char big[KS_SPAN_TEXT];
	struct spanner *s = make(NULL);
	struct ai_call c = a_call();
	uint64_t before = drop_get(KS_DROP_span_attrs);

	(void)state;
	memset(big, 'x', sizeof(big));
	c.user_agent = (struct slice){ big, sizeof(big) };
	c.tool_cnt = KS_TOOL_CALLS;
	c.stop_cnt = KS_STOPS;
	for (int i = 0; i < KS_TOOL_CALLS; i++)
		c.tool[i] = (struct call_tool){ S("id"), S("name") };
	for (int i = 0; i < KS_STOPS; i++)
		c.stops[i] = S("stop");
	c.incomplete = ~0u;
	span_push(s, &c);
	assert_true(drop_get(KS_DROP_span_attrs) == before + 1);
	assert_null(get("user_agent.original"));
	is_int("kernspan.tool_call.count", KS_TOOL_CALLS);
	is_strs("kernspan.tool_call.ids", KS_TOOL_CALLS, "id");
	is_strs("kernspan.incomplete", INCOMPLETE_CNT, "lost");
	c.incomplete = 0;
	span_push(s, &c);
	is_strs("kernspan.incomplete", 1, "limit");
	span_free(s);
}

static void clock_offset(void **state)
{
	struct spanner *s = make(NULL);
	struct ai_call c = a_call();
	uint64_t wall = 1700000000000000000ull;

	(void)state;
	span_tick(s, 600 * MS, 600 * MS + wall + 8000); /* jitter: an eighth of it */
	span_push(s, &c);
	assert_true(seen.start_ns == wall + 1000 * MS + 1000);
	span_tick(s, 700 * MS, 700 * MS + wall + 3600000 * MS); /* the clock was set */
	span_push(s, &c);
	assert_true(seen.start_ns == wall + 1000 * MS + 3600000 * MS);
	assert_true(seen.end_ns - seen.start_ns == 500 * MS);
	span_free(s);
}

static void docs_fresh(void **state)
{
	char *text = NULL, have[64 * 1024];
	size_t len = 0, have_len;
	FILE *out = open_memstream(&text, &len), *in = fopen("docs/ATTRIBUTES.md", "r");

	(void)state;
	semconv_docs(out);
	fclose(out);
	if (!in) {
		free(text);
		skip(); /* not started at the root of the tree */
	}
	have_len = fread(have, 1, sizeof(have), in);
	fclose(in);
	assert_int_equal(have_len, len);
	assert_memory_equal(have, text, len);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(client), cmocka_unit_test(streamed), cmocka_unit_test(errors),
		cmocka_unit_test(server), cmocka_unit_test(parent), cmocka_unit_test(resources),
		cmocka_unit_test(limits), cmocka_unit_test(clock_offset), cmocka_unit_test(docs_fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
