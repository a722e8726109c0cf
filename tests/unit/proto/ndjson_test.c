/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of JSON: the cuts of a slice, empty lines, a last line without LF, and gaps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "proto/message.h"
#include "proto/ndjson.h"

static char out[256];

static void take(void *ctx, struct slice event, struct slice data, uint8_t flags)
{
	size_t at = strlen(out);

	(void)ctx;
	assert_int_equal(event.len, 0);
	snprintf(out + at, sizeof(out) - at, "%s%.*s%s", flags & MSG_FIRST ? "[" : "", (int)data.len,
		 data.len ? data.ptr : "", flags & MSG_LAST ? "]" : "");
}

static void check(const char *in, const char *want)
{
	size_t len = strlen(in);

	for (size_t cut = 0; cut <= len; cut++) {
		struct ndjson s = { 0 };

		out[0] = '\0';
		ndjson_push(&s, (struct slice){ in, cut }, take, NULL);
		ndjson_push(&s, (struct slice){ in + cut, len - cut }, take, NULL);
		ndjson_end(&s, take, NULL);
		assert_string_equal(out, want);
	}
}

static void lines(void **state)
{
	(void)state;
	check("", "");
	check("{}\n", "[{}]");
	check("{\"a\":1}\n{\"b\":2}\n", "[{\"a\":1}][{\"b\":2}]");
	check("\n\n1\n\n2", "[1][2]");
	check("1\r\n2\r\n", "[1\r][2\r]");
}

static void gaps(void **state)
{
	struct ndjson s = { 0 };

	(void)state;
	out[0] = '\0';
	ndjson_push(&s, SLICE("1\n2"), take, NULL);
	ndjson_gap(&s);
	ndjson_push(&s, SLICE("3"), take, NULL);
	ndjson_push(&s, SLICE("4\n5\n6"), take, NULL);
	ndjson_gap(&s);
	ndjson_end(&s, take, NULL);
	assert_string_equal(out, "[1][2[5][6");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(lines), cmocka_unit_test(gaps) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
