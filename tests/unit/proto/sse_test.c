/* SPDX-License-Identifier: Apache-2.0 */
/* Server-sent events: WHATWG's rules, the cuts of a slice, when LAST comes, and gaps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/message.h"
#include "proto/sse.h"

static char out[1024];
static int parts;

static void take(void *ctx, struct slice event, struct slice data, uint8_t flags)
{
	size_t at = strlen(out);

	(void)ctx;
	parts++;
	snprintf(out + at, sizeof(out) - at, "%s%.*s%s%.*s%s", flags & MSG_FIRST ? "[" : "",
		 flags & MSG_FIRST ? (int)event.len : 0, event.ptr ? event.ptr : "",
		 flags & MSG_FIRST ? "|" : "", (int)data.len, data.ptr ? data.ptr : "",
		 flags & MSG_LAST ? "]" : "");
}

static void check(const char *in, const char *want)
{
	size_t len = strlen(in);

	for (size_t cut = 0; cut <= len; cut++) {
		struct sse s = { 0 };

		out[0] = '\0';
		sse_push(&s, (struct slice){ in, cut }, take, NULL);
		sse_push(&s, (struct slice){ in + cut, len - cut }, take, NULL);
		sse_end(&s, take, NULL);
		assert_string_equal(out, want);
	}
}

static void test_rules(void **state)
{
	(void)state;
	check("data: a\n\n", "[|a]");
	check("data:a\n\ndata:  b\n\n", "[|a][| b]");
	check("data: a\r\n\r\ndata: b\r\rdata: c\n\n", "[|a][|b][|c]");
	check("\xef\xbb\xbf"
	      "data: a\n\n",
	      "[|a]");
	check("\xef\xbb"
	      "data: a\n\ndata: b\n\n",
	      "[|b]");
	check("event: n\ndata: a\n\ndata: b\n\n", "[n|a][|b]");
	check("event: n\n\ndata: b\n\n", "[|b]"); /* no data, no event */
	check("event: n\nevent: m\nid: 3\nretry: 9\ndata: a\n\n", "[m|a]");
	check("data: a\ndata\ndata:\ndata: b\n\n", "[|a\n\n\nb]");
	check("data\n\n", "[|]");
	check("data:\nevent: late\n\n", "[|]");
	check(": comment\n\n:\n\ndatax: no\nfoo\n\ndata: [DONE]\n\n", "[|[DONE]]");
	check("data: a\nid: 1\n\n", "[|a]");
	check("data: a\n", "[|a]"); /* the stream ends without the blank line */
	check("data: a", "[|a");
	check("data: {\"x\":\"a\\nb\"}\n\n\n\n", "[|{\"x\":\"a\\nb\"}]");
}

static void test_parts(void **state)
{
	struct sse s = { 0 };

	(void)state;
	parts = 0;
	out[0] = '\0';
	sse_push(&s, SLICE("data: one\n\ndata: two\r\n\r\n"), take, NULL);
	assert_int_equal(parts, 2); /* whole events are one part each */
	sse_push(&s, SLICE("data: three\n"), take, NULL);
	assert_int_equal(parts, 3); /* not held back until the blank line */
	sse_push(&s, SLICE("\n"), take, NULL);
	assert_int_equal(parts, 4);
	assert_string_equal(out, "[|one][|two][|three]");
}

static void test_name_cap(void **state)
{
	struct sse s = { 0 };
	char name[500];

	(void)state;
	out[0] = '\0';
	memset(name, 'n', sizeof(name));
	sse_push(&s, SLICE("event:"), take, NULL);
	sse_push(&s, (struct slice){ name, sizeof(name) }, take, NULL);
	sse_push(&s, SLICE("\ndata: a\n\n"), take, NULL);
	assert_int_equal(strlen(out), KS_SSE_NAME_CAP + 4);
}

static void test_gap(void **state)
{
	struct sse s = { 0 };

	(void)state;
	out[0] = '\0';
	sse_push(&s, SLICE("data: a"), take, NULL);
	sse_gap(&s);
	sse_push(&s, SLICE("bc\ndata: d\n\ndata: e\n\n"), take, NULL);
	assert_string_equal(out, "[|a[|e]");
	out[0] = '\0';
	sse_gap(&s);
	sse_push(&s, SLICE("event: x\ndata: d\n\n"), take,
		 NULL); /* a record that begins with an event */
	assert_string_equal(out, "[x|d]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_name_cap),
		cmocka_unit_test(test_gap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
