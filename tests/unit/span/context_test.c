/* SPDX-License-Identifier: Apache-2.0 */
/* W3C trace context parsing, id derivation, SipHash vectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "span/context.h"
#include "span/siphash.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"

static void siphash_vectors(void **state)
{
	/* the paper's appendix A, and the first vectors of the authors' reference code (bytes, little endian) */
	static const uint64_t want[] = {
		0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a, 0x85676696d7fb7e2d,
	};
	uint8_t key[16], data[15];

	(void)state;
	for (int i = 0; i < 16; i++)
		key[i] = (uint8_t)i;
	for (int i = 0; i < 15; i++)
		data[i] = (uint8_t)i;
	assert_true(siphash(key, data, 15) == 0xa129ca6149be45e5);
	for (size_t i = 0; i < 4; i++)
		assert_true(siphash(key, data, i) == want[i]);
}

static void traceparent_good(void **state)
{
	static const uint8_t parent[8] = { 0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7 };
	struct trace_parent p;

	(void)state;
	assert_true(traceparent_parse(SLICE("00-" TRACE "-" PARENT "-01"), &p));
	assert_int_equal(p.trace_id[0], 0x4b);
	assert_int_equal(p.trace_id[15], 0x36);
	assert_memory_equal(p.parent_id, parent, 8);
	assert_int_equal(p.flags, TRACE_SAMPLED);
	assert_true(traceparent_parse(SLICE("00-" TRACE "-" PARENT "-ff"), &p));
	assert_int_equal(p.flags, TRACE_SAMPLED | TRACE_RANDOM);
	assert_true(traceparent_parse(SLICE("cc-" TRACE "-" PARENT "-00"), &p));
	assert_true(traceparent_parse(SLICE("cc-" TRACE "-" PARENT "-00-what-comes-later"), &p));
	assert_int_equal(p.flags, 0);
}

static void traceparent_bad(void **state)
{
	static const char *const bad[] = {
		"",
		"00",
		"00-" TRACE "-" PARENT "-0",
		"00-" TRACE "-" PARENT "-01-",
		"00-" TRACE "-" PARENT "-01 ",
		"00-" TRACE "-" PARENT "-0G",
		"ff-" TRACE "-" PARENT "-01",
		"0x-" TRACE "-" PARENT "-01",
		"cc-" TRACE "-" PARENT "-01.what",
		"00_" TRACE "-" PARENT "-01",
		"00-" TRACE "_" PARENT "-01",
		"00-" TRACE "-" PARENT "_01",
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-" PARENT "-01",
		"00-00000000000000000000000000000000-" PARENT "-01",
		"00-" TRACE "-0000000000000000-01",
	};
	struct trace_parent p = { .flags = 77 };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(traceparent_parse(slice_str(bad[i]), &p));
	assert_int_equal(p.flags, 77);
}

static void tracestate(void **state)
{
	char many[512];
	size_t len = 0;

	(void)state;
	assert_true(tracestate_valid(SLICE("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE")));
	assert_true(tracestate_valid(SLICE("ot=th:8;rv:9b8233f7e3a151 , a=b\t,,")));
	assert_true(tracestate_valid(SLICE("fw529a3039@dt=FfAAAAABAAAA")));
	assert_true(tracestate_valid(SLICE("1a=x y")));
	assert_false(tracestate_valid(SLICE("")));
	assert_false(tracestate_valid(SLICE(" , ")));
	assert_false(tracestate_valid(SLICE("noequals")));
	assert_false(tracestate_valid(SLICE("=x")));
	assert_false(tracestate_valid(SLICE("a=")));
	assert_false(tracestate_valid(SLICE("A=x")));
	assert_false(tracestate_valid(SLICE("_a=x")));
	assert_false(tracestate_valid(SLICE("a=b=c")));
	assert_false(tracestate_valid(SLICE("a=\x01")));
	assert_false(tracestate_valid(SLICE("a=\xc3\xa9")));
	for (int i = 0; i < 33; i++) {
		memcpy(many + len, "aa=b,", 5);
		len += 5;
	}
	assert_true(tracestate_valid((struct slice){ many, 32 * 5 - 1 }));
	assert_false(tracestate_valid((struct slice){ many, 33 * 5 - 1 }));
}

static void ids(void **state)
{
	static const uint8_t seed[16] = "sixteen bytes!!";
	struct trace_ids a, b;

	(void)state;
	trace_ids_make(seed, 1, 2, true, &a);
	trace_ids_make(seed, 1, 2, true, &b);
	assert_memory_equal(&a, &b, sizeof(a));
	trace_ids_make(seed, 1, 2, false, &b);
	assert_memory_not_equal(&a, &b, sizeof(a));
	trace_ids_make(seed, 2, 1, true, &b);
	assert_memory_not_equal(a.trace_id, b.trace_id, 16);
	assert_memory_not_equal(a.span_id, b.span_id, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(siphash_vectors), cmocka_unit_test(traceparent_good),
		cmocka_unit_test(traceparent_bad), cmocka_unit_test(tracestate),
		cmocka_unit_test(ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
