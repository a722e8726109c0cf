/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON scanner against a naive reading, whole and in pieces, cut, holed and repeated; and the text conversions. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>

#include "unit/base/json_ref.h"

static const struct json_path paths[] = {
	{ "id", 0, false },
	{ "model", 1, false },
	{ "choices[]", 2, false },
	{ "choices[].index", 3, false },
	{ "choices[].delta.content", 4, true },
	{ "choices[].delta.tool_calls[].function.name", 5, false },
	{ "choices[].finish_reason", 6, false },
	{ "usage.prompt_tokens", 7, false },
	{ "usage.completion_tokens_details.reasoning_tokens", 8, false },
	{ "usage", 9, false },
	{ "messages[]", 10, false },
	{ "meta.*", 11, false },
	{ "data[][][][][]", 12, false },
	{ "k\xc3\xa4y", 13, false },
	{ "stop[]", 14, false },
};
#define PATHS (sizeof(paths) / sizeof(paths[0]))

static struct json_paths *compiled;

static const char *const docs[] = {
	"{}", "[]", "{\"id\":\"x\"}", "  { \"id\" : \"x\" , \"model\" : null }  ", "\"top\"", "17 ",
	"{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4o\",\"choices\":[{\"index\":0,"
	"\"delta\":{\"content\":\"Hi\"},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}",
	"{\"choices\":[],\"usage\":{\"prompt_tokens\":8,\"completion_tokens\":2,\"completion_tokens_details\":"
	"{\"reasoning_tokens\":12}},\"x\":[[],{\"usage\":{\"prompt_tokens\":99}},\"]}\"]}",
	"{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"a\"}},{\"index\":1,"
	"\"function\":{\"name\":\"b\\\"c\\\\\"}}]}},{\"index\":1,\"finish_reason\":\"stop\"}]}",
	"{\"messages\":[{\"role\":\"user\",\"content\":\"a long text with \\\"quotes\\\" and \\\\ and { [ } ] in it, longer than one "
	"block of sixty-four bytes \\u0041\"},{\"role\":\"user\",\"content\":[{\"a\":[[[{}]]]}]},7,\"x\"],\"stop\":[\"a\",\"b\"]}",
	"{\"m\\u006fdel\":\"escaped key\",\"k\\u00e4y\":1,\"k\xc3\xa4y\":2,\"meta\":{\"a\":1,\"b\":[1,2],\"c\":{\"d\":1}}}",
	"{\"data\":[[[[[1,2],[3]],[[4]]]],1,[[[[5]]]]],\"id\":-1.5e3,\"id\":NaN,\"id\":true,\"id\":false}",
	"{\"skip\":{\"a\":\"\\\\\\\"}\",\"b\":[1,2,{\"c\":\"]\"}],\"long\":\"0123456789012345678901234567890123456789"
	"012345678901234567890123456789\\\\\\\\\\\\\\\"\\\\\",\"id\":1},\"id\":\"after\"}",
};
#define DOCS (sizeof(docs) / sizeof(docs[0]))

static struct slice tight(struct slice s, char **ret_buf)
{
	*ret_buf = malloc(s.len ? s.len : 1);
	memcpy(*ret_buf, s.ptr, s.len);
	return (struct slice){ *ret_buf, s.len };
}

/* Scan in pieces of the given length, each in memory of its own size so that reading over its end shows. */
static enum json_result scan(struct ref_log *log, struct slice doc, size_t piece)
{
	struct json_scan s;

	ref_clear(log);
	json_scan_init(&s, compiled, ref_value, log);
	for (size_t at = 0; at < doc.len; at += piece) {
		char *buf;
		struct slice part = { doc.ptr + at, doc.len - at < piece ? doc.len - at : piece };

		json_scan_feed(&s, tight(part, &buf));
		free(buf);
	}
	return json_scan_end(&s);
}

static void agree(struct slice doc)
{
	struct ref_log want = { 0 }, got = { 0 };

	ref_clear(&want);
	if (ref_scan(&want, paths, PATHS, doc)) {
		size_t sizes[] = { doc.len + 1, 1, 2, 3, 7, 16, 64, 65 };

		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			assert_int_equal(scan(&got, doc, sizes[i]), JSON_DONE);
			assert_string_equal(got.text, want.text);
		}
		for (size_t cut = 0; cut < doc.len; cut++) { /* what a cut document yields is a prefix */
			char *buf;
			struct slice part = tight((struct slice){ doc.ptr, cut }, &buf);

			scan(&got, part, cut + 1);
			assert_true(got.len <= want.len);
			assert_memory_equal(got.text, want.text, got.len);
			free(buf);
		}
	}
	free(want.text);
	free(got.text);
}

static void whole_and_pieces(void **state)
{
	(void)state;
	for (size_t i = 0; i < DOCS; i++)
		agree(slice_str(docs[i]));
}

static uint32_t seed = 1;

static uint32_t dice(uint32_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

static void grow(char **at, const char *end, int depth);

static void grow_string(char **at, const char *end)
{
	static const char *const bits[] = { "a", "\\\"", "\\\\", "{", "}", "[", "]", ",", ":", "\\u00e9", "\xc3\xa9", "usage", " ",
					    "\\n", "0123456789abcdef0123456789abcdef" };

	*(*at)++ = '"';
	for (uint32_t n = dice(8); n && end - *at > 100; n--)
		*at += sprintf(*at, "%s", bits[dice(sizeof(bits) / sizeof(bits[0]))]);
	*(*at)++ = '"';
}

static void grow_object(char **at, const char *end, int depth)
{
	static const char *const keys[] = { "id", "model", "choices", "index", "delta", "content", "tool_calls", "function", "name",
					    "finish_reason", "usage", "prompt_tokens", "messages", "meta", "data", "stop", "other",
					    "i\\u0064", "completion_tokens_details", "reasoning_tokens", "k\\u00e4y" };

	*(*at)++ = '{';
	for (uint32_t n = dice(6); n && end - *at > 200; n--) {
		*at += sprintf(*at, "\"%s\"%s:%s", keys[dice(sizeof(keys) / sizeof(keys[0]))], dice(9) ? "" : " ", dice(5) ? "" : "\n");
		grow(at, end, depth + 1);
		if (n > 1 && end - *at > 200)
			*(*at)++ = ',';
		else
			break;
	}
	*(*at)++ = '}';
}

static void grow(char **at, const char *end, int depth)
{
	static const char *const words[] = { "null", "true", "false", "0", "-12.5e+3", "42", "NaN" };
	uint32_t what = depth > 7 || end - *at < 300 ? 9 + dice(2) : dice(11);

	if (depth == 0 || what < 4) {
		grow_object(at, end, depth);
	} else if (what < 7) {
		*(*at)++ = '[';
		for (uint32_t n = dice(4), i = 0; i < n; i++) {
			if (i)
				*(*at)++ = ',';
			grow(at, end, depth + 1);
		}
		*(*at)++ = ']';
	} else if (what < 10) {
		grow_string(at, end);
	} else {
		*at += sprintf(*at, "%s", words[dice(7)]);
	}
}

static void random_documents(void **state)
{
	static char buf[16384];

	(void)state;
	for (int i = 0; i < 4000; i++) {
		char *at = buf;

		grow(&at, buf + 200 + dice(1500), 0);
		*at = '\0';
		agree((struct slice){ buf, (size_t)(at - buf) });
	}
}

/* The last value of each place, which is what an idempotent handler keeps. */
struct last {
	char text[PATHS][16][256];
	int type[PATHS][16];
	int each; /* reports of `each` paths */
};

static void last_value(void *ctx, const struct json_value *v)
{
	struct last *l = ctx;

	uint32_t at = v->index[0] + 4 * v->index[1];

	assert_int_equal(v->part, JSON_FIRST | JSON_LAST);
	if (v->index[0] > 3 || v->index[1] > 3)
		return;
	l->type[v->id][at] = (int)v->type;
	memset(l->text[v->id][at], 0, 256);
	snprintf(l->text[v->id][at], 256, "%.*s", (int)v->text.len, v->text.len ? v->text.ptr : "");
	l->each += paths[v->id].each;
}

static void no_value(void *ctx, const struct json_value *v)
{
	(void)ctx;
	(void)v;
}

static void feed_both(struct json_repeat *r, struct json_scan *s, struct last *a, struct last *b, struct slice doc, int *hits)
{
	struct json_scan plain;

	memset(b, 0, sizeof(*b));
	json_scan_init(&plain, compiled, last_value, b);
	assert_int_equal(json_scan_feed(&plain, doc), JSON_DONE);
	a->each = 0;
	if (json_repeat_match(r, doc, last_value, a)) {
		++*hits;
	} else {
		memset(a, 0, sizeof(*a));
		json_scan_reset(s);
		assert_int_equal(json_scan_feed(s, doc), JSON_DONE);
		json_repeat_learn(r, compiled, doc);
	}
	assert_memory_equal(a, b, sizeof(*a));
}

static const char *const shapes[] = {
	"{\"id\":\"c-%d\",\"model\":\"m\",\"choices\":[{\"index\":%d,\"delta\":{\"content\":\"%s\"},\"finish_reason\":null}],\"usage\":"
	"null,\"obfuscation\":\"%s\"}",
	"{\"id\":\"c-%d\",\"model\":\"m\",\"choices\":[{\"index\":%d,\"delta\":{\"content\":\"%s\"},\"finish_reason\":\"%s\"}],\"usage\":"
	"null}",
	"{\"id\":\"c-%d\",\"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":%d},\"x\":\"%s\",\"y\":[\"%s\"]}",
	"{\"id\":\"%d\",\"id\":\"7\",\"choices\":[{\"index\":%d,\"delta\":{\"content\":\"%s\"}},{\"index\":1,\"delta\":{\"content\":\"%s\"}}]}",
};

static void repeats(void **state)
{
	static const char *const words[] = { "", "a", "ab", "\\\"", "a\\\\", "}", "\\u00e9\\n", "0123456789abcdef0123", "stop", "a\\\\\\\"" };
	struct json_repeat r;
	struct json_scan s;
	static struct last a, b;
	int hits = 0;

	(void)state;
	json_repeat_init(&r);
	json_scan_init(&s, compiled, last_value, &a);
	for (int i = 0; i < 20000; i++) {
		char doc[512];
		int len, id = dice(20) ? 7 : (int)dice(300), idx = dice(10) ? 0 : (int)dice(20) - 5;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		len = snprintf(doc, sizeof(doc), shapes[dice(30) ? 0 : dice(4)], id, idx, words[dice(10)], words[dice(10)]);
#pragma GCC diagnostic pop
		feed_both(&r, &s, &a, &b, (struct slice){ doc, (size_t)len }, &hits);
	}
	assert_true(hits > 15000);
}

/* Any single byte of a learned document changed: the match is right or refused. */
static void repeats_changed(void **state)
{
	static struct last a, b;
	struct json_repeat r;
	struct json_scan s;
	int hits = 0;

	(void)state;
	json_scan_init(&s, compiled, last_value, &a);
	for (size_t d = 6; d < DOCS; d++) {
		size_t len = strlen(docs[d]);

		for (size_t i = 0; i < len * 8; i++) {
			char doc[1024];
			struct json_scan probe;

			memcpy(doc, docs[d], len);
			doc[i / 8] = "0a\"\\,}{-"[i % 8];
			json_scan_init(&probe, compiled, no_value, NULL);
			json_repeat_init(&r);
			feed_both(&r, &s, &a, &b, (struct slice){ docs[d], len }, &hits);
			if (json_scan_feed(&probe, (struct slice){ doc, len }) == JSON_DONE)
				feed_both(&r, &s, &a, &b, (struct slice){ doc, len }, &hits);
		}
	}
	assert_true(hits > 500);
}

struct guess {
	int64_t usage; /* prompt_tokens, certain or of the last guess */
	unsigned int n;
};

static void guess_value(void *ctx, const struct json_value *v)
{
	struct guess *g = ctx;

	if (v->recovered > g->n) {
		g->n = v->recovered;
		g->usage = -1;
	}
	if (v->id == 7 && v->type == JSON_NUMBER)
		assert_true(json_int(v->text, &g->usage));
}

/* A hole anywhere: the usage is the true one, or the end says that nothing is certain, or it was not seen. */
static void holes(void **state)
{
	static const char doc[] =
		"{\"id\":\"x\",\"choices\":[{\"delta\":{\"content\":\"say \\\"usage\\\":{\\\"prompt_tokens\\\":66}\"},\"input\":{\"usage\":"
		"{\"prompt_tokens\":77},\"model\":\"m\"}}],\"usage\":{\"prompt_tokens\":8,\"x\":{\"usage\":{\"prompt_tokens\":55}}},"
		"\"model\":\"m\"}";
	size_t len = sizeof(doc) - 1, last = (size_t)(strstr(doc, "\"usage\":{\"prompt_tokens\":8") - doc);

	(void)state;
	for (size_t from = 0; from < len; from++)
		for (size_t to = from + 1; to <= len; to++) {
			struct guess g = { -1, 0 };
			struct json_scan s;
			bool certain;

			json_scan_init(&s, compiled, guess_value, &g);
			json_scan_feed(&s, (struct slice){ doc, from });
			certain = g.usage == 8;
			json_scan_gap(&s);
			for (size_t i = to; i < len; i++)
				json_scan_feed(&s, (struct slice){ doc + i, 1 });
			if (json_scan_end(&s) == JSON_DONE && !certain)
				assert_true(g.usage == 8 || g.usage == -1);
			if (to < last)
				assert_int_equal(g.usage, 8);
		}
}

static void malformed(void **state)
{
	static const char *const bad[] = { "{,}", "{\"a\" 1}", "{\"stop\":[1 2]}", "{\"a\":}", "{\"stop\":[}", "{]", "\x01", "}",
					   "{\"a\":1,}", "{\"stop\":[1,]}", "{\"stop\":[1}}" };
	struct ref_log log = { 0 };
	struct json_scan s;
	char deep[5000];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(scan(&log, slice_str(bad[i]), 100), JSON_BAD);
	memset(deep, '[', sizeof(deep));
	assert_int_equal(scan(&log, (struct slice){ deep, sizeof(deep) }, 10000), JSON_BAD);
	assert_int_equal(scan(&log, (struct slice){ deep, sizeof(deep) }, 10), JSON_BAD);
	assert_int_equal(scan(&log, SLICE("\xef\xbb\xbf{\"id\":1}"), 1), JSON_DONE);
	assert_string_equal(log.text, "0 2 0,0,0,0 1\n");
	json_scan_init(&s, compiled, ref_value, &log);
	assert_int_equal(json_scan_feed(&s, SLICE("{} trailing garbage {")), JSON_DONE);
	assert_int_equal(json_scan_end(&s), JSON_DONE);
	free(log.text);
	assert_null(json_paths_new((struct json_path[]){ { "a..b", 1, false } }, 1));
	assert_null(json_paths_new((struct json_path[]){ { "a[1]", 1, false } }, 1));
	assert_null(json_paths_new((struct json_path[]){ { "a", 1, false }, { "a", 2, false } }, 2));
}

static void unescape(void **state)
{
	static const struct {
		const char *raw, *want;
	} cases[] = {
		{ "plain", "plain" },	      { "a\\n\\t\\\"\\\\\\/b", "a\n\t\"\\/b" }, { "\\u0041\\u00e9", "A\xc3\xa9" },
		{ "\\ud83d\\ude00", "\xf0\x9f\x98\x80" }, { "\\ud83d", "\xef\xbf\xbd" },	{ "\\ud83d\\u0041", "\xef\xbf\xbd" "A" },
		{ "\\udc00x", "\xef\xbf\xbdx" }, { "\\u12", "\xef\xbf\xbd" "12" },	{ "end\\", "end\xef\xbf\xbd" },
		{ "\\q", "\xef\xbf\xbd" },
	};
	char out[64];
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(json_unescape(slice_str(cases[i].raw), out, sizeof(out), &len));
		assert_int_equal(len, strlen(cases[i].want));
		assert_memory_equal(out, cases[i].want, len);
	}
	assert_false(json_unescape(SLICE("ab\xc3\xa9"), out, 3, &len));
	assert_int_equal(len, 2);
}

static void numbers(void **state)
{
	int64_t i = 0;
	double d = 0;

	(void)state;
	assert_true(json_int(SLICE("0"), &i) && i == 0);
	assert_true(json_int(SLICE("-17"), &i) && i == -17);
	assert_true(json_int(SLICE("9223372036854775807"), &i) && i == INT64_MAX);
	assert_false(json_int(SLICE("9223372036854775808"), &i));
	assert_true(json_int(SLICE("1e3"), &i) && i == 1000);
	assert_true(json_int(SLICE("5.0"), &i) && i == 5);
	assert_false(json_int(SLICE("5.5"), &i));
	assert_false(json_int(SLICE(""), &i));
	assert_false(json_int(SLICE("-"), &i));
	assert_false(json_int(SLICE("12x"), &i));
	assert_true(json_double(SLICE("0.7"), &d) && fabs(d - 0.7) < 1e-12);
	assert_false(json_double(SLICE("NaN"), &d));
	assert_false(json_double(SLICE("1e999"), &d));
	assert_false(json_double(SLICE("0x10"), &d));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_and_pieces), cmocka_unit_test(random_documents), cmocka_unit_test(repeats),
		cmocka_unit_test(repeats_changed),  cmocka_unit_test(holes),	      cmocka_unit_test(malformed),
		cmocka_unit_test(unescape),	      cmocka_unit_test(numbers),
	};
	int failed;

	compiled = json_paths_new(paths, PATHS);
	if (!compiled)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	json_paths_free(compiled);
	return failed;
}
