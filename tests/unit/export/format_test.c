/* SPDX-License-Identifier: Apache-2.0 */
/* Both formats of a span: the JSON line and the OTLP message, and UTF-8 repair. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "export/batch.h"
#include "export/jsonl.h"
#include "export/pb.h"

static const struct span base = {
	.trace_id = { 0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6, 0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36 },
	.span_id = { 0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7 },
	.kind = SPAN_CLIENT, .name = SLICE("chat gpt-4o"),
	.start_ns = 1700000000000000000, .end_ns = 1700000001000000000,
};

static void hex_is(const struct buf *b, const char *want)
{
	assert_int_equal(b->len * 2, strlen(want));
	for (size_t i = 0; i < b->len; i++) {
		char text[3];

		snprintf(text, sizeof(text), "%02x", (unsigned char)b->ptr[i]);
		assert_memory_equal(text, want + 2 * i, 2);
	}
}

/* The vector of reference/semconv.md section 11.2, checked there against the official classes. */
static void otlp_vector(void **state)
{
	struct attr service = { "service.name", ATTR_STR, { .str = SLICE("svc") } };
	struct attr attrs[] = {
		{ "gen_ai.operation.name", ATTR_STR, { .str = SLICE("chat") } },
		{ "gen_ai.usage.input_tokens", ATTR_INT, { .i = 12 } },
	};
	struct otlp_scope scope = { SLICE("agent"), SLICE("0.1") };
	struct span span = base;
	struct otlp_item item;
	struct buf resource, body, request;
	size_t group[1];

	(void)state;
	span.attrs = attrs;
	span.attr_cnt = 2;
	buf_init(&resource, 4096);
	buf_init(&body, 4096);
	buf_init(&request, 4096);
	otlp_resource(&resource, &service, 1);
	otlp_span(&body, &span);
	item = (struct otlp_item){ buf_slice(&resource), buf_slice(&body) };
	otlp_request(&request, &scope, &item, 1, group);
	hex_is(&request, "0aab010a170a150a0c736572766963652e6e616d6512050a03737663128f010a0c0a056167656e741203302e31"
			 "127f0a104bf92f3577b34da6a3ce929d0e0e4736120800f067aa0ba902b72a0b63686174206770742d346f3003"
			 "3900002a36fe9c97174100cac471fe9c97174a1f0a1567656e5f61692e6f7065726174696f6e2e6e616d6512"
			 "060a04636861744a1f0a1967656e5f61692e75736167652e696e7075745f746f6b656e731202180c");
	buf_done(&resource);
	buf_done(&body);
	buf_done(&request);
}

static void batch_groups(void **state)
{
	struct attr one = { "service.name", ATTR_STR, { .str = SLICE("one") } };
	struct attr two = { "service.name", ATTR_STR, { .str = SLICE("two") } };
	struct batch *b = malloc(sizeof(*b));
	struct otlp_scope scope = { SLICE("kernspan"), SLICE("1") };
	struct buf item, out;
	struct pb_field f;
	struct slice rest;
	int groups = 0;
	bool bad;

	(void)state;
	batch_init(b);
	buf_init(&item, 65536);
	buf_init(&out, 1 << 20);
	for (int i = 0; i < KS_BATCH_SPANS; i++) {
		struct span span = base;

		span.resource = i % 2 ? &one : &two;
		span.resource_cnt = 1;
		buf_reset(&item);
		batch_item(&item, &span);
		assert_true(batch_add(b, buf_slice(&item), 5));
	}
	assert_false(batch_add(b, buf_slice(&item), 5));
	batch_request(b, &scope, &out);
	assert_false(out.failed);
	for (rest = buf_slice(&out); pb_next(&rest, &f, &bad); groups++)
		assert_int_equal(f.field, 1);
	assert_false(bad);
	assert_int_equal(groups, 2);
	batch_done(b);
	free(b);
	buf_done(&item);
	buf_done(&out);
}

static void rejected(void **state)
{
	(void)state;
	assert_true(otlp_rejected(SLICE("")) == 0);
	assert_true(otlp_rejected(SLICE("\x0a\x00")) == 0);
	assert_true(otlp_rejected(SLICE("\x0a\x05\x08\x07\x12\x01x")) == 7);
	assert_true(otlp_rejected(SLICE("\x0a\x03\x08\xac\x02")) == 300);
	assert_true(otlp_rejected(SLICE("\x0a\x7f\x08")) == 0);
	assert_true(otlp_rejected(SLICE("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")) == 0);
}

static void utf8(void **state)
{
	/* Unicode 15, table 3-11: truncated and misplaced sequences */
	static const struct {
		struct slice in, out;
	} cases[] = {
		{ SLICE("plain"), SLICE("plain") },
		{ SLICE("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"), SLICE("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80") },
		{ SLICE("\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41"),
		  SLICE("\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\x41") },
		{ SLICE("\xc0\xaf"), SLICE("\xef\xbf\xbd\xef\xbf\xbd") },
		{ SLICE("\xed\xa0\x80"), SLICE("\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd") },
		{ SLICE("a\xf4\x90\x80\x80"), SLICE("a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd") },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf b;

		buf_init(&b, 100);
		buf_utf8(&b, cases[i].in);
		assert_true(slice_eq(buf_slice(&b), cases[i].out));
		buf_done(&b);
	}
}

static void json_line(void **state)
{
	struct slice reasons[] = { SLICE("stop"), SLICE("a\"\\\n\x01\xff\x7f") };
	struct attr took = { "kernspan.duration", ATTR_DOUBLE, { .d = 0.1 } };
	struct attr attrs[] = {
		{ "i", ATTR_INT, { .i = -5 } }, { "d", ATTR_DOUBLE, { .d = 1 } },
		{ "b", ATTR_BOOL, { .b = true } }, { "l", ATTR_STRS, { .strs = { reasons, 2 } } },
	};
	struct span_event event = { "kernspan.connect", 5, &took, 1 };
	struct span span = base;
	struct buf b;

	(void)state;
	span.attrs = attrs;
	span.attr_cnt = 4;
	span.events = &event;
	span.event_cnt = 1;
	span.has_parent = true;
	span.status = SPAN_ERROR;
	buf_init(&b, 4096);
	jsonl_format(&b, &span);
	assert_true(slice_eq(buf_slice(&b), SLICE(
		"{\"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\",\"span_id\":\"00f067aa0ba902b7\","
		"\"parent_span_id\":\"0000000000000000\",\"name\":\"chat gpt-4o\",\"kind\":\"CLIENT\","
		"\"start_time_unix_nano\":1700000000000000000,\"end_time_unix_nano\":1700000001000000000,"
		"\"status\":{\"code\":\"ERROR\",\"message\":\"\"},\"attributes\":{\"i\":-5,\"d\":1.0,\"b\":true,"
		"\"l\":[\"stop\",\"a\\\"\\\\\\n\\u0001\xef\xbf\xbd\\u007f\"]},\"events\":[{\"name\":\"kernspan.connect\","
		"\"time_unix_nano\":5,\"attributes\":{\"kernspan.duration\":0.1}}],\"resource\":{}}\n")));
	buf_reset(&b);
	span.has_parent = false;
	jsonl_format(&b, &span);
	assert_non_null(memmem(b.ptr, b.len, "\"parent_span_id\":\"\"", 19));
	buf_done(&b);
	buf_init(&b, 100);
	jsonl_format(&b, &span);
	assert_true(b.failed);
	buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(otlp_vector), cmocka_unit_test(batch_groups), cmocka_unit_test(rejected),
		cmocka_unit_test(utf8), cmocka_unit_test(json_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
