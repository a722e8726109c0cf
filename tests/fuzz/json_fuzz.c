/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON scanner on anything: pieces, holes, repeats; where the naive reading accepts, the values are the same. */
#include "unit/base/json_ref.h"

static const struct json_path paths[] = {
	{ "id", 0, false },
	{ "model", 1, false },
	{ "choices[].index", 2, false },
	{ "choices[].delta.content", 3, true },
	{ "choices[].delta.tool_calls[].function.name", 4, false },
	{ "usage.prompt_tokens", 5, false },
	{ "usage", 6, false },
	{ "messages[]", 7, false },
	{ "meta.*", 8, false },
	{ "a[][][][][]", 9, false },
};
#define PATHS (sizeof(paths) / sizeof(paths[0]))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void pieces(const struct json_paths *compiled, struct slice doc, size_t piece, size_t hole, struct ref_log *log)
{
	struct json_scan s;

	ref_clear(log);
	json_scan_init(&s, compiled, ref_value, log);
	for (size_t at = 0; at < doc.len; at += piece) {
		char *copy;
		size_t len = doc.len - at < piece ? doc.len - at : piece;

		if (hole && at / piece % hole == hole - 1) {
			json_scan_gap(&s);
			log->open = false;
			continue;
		}
		copy = malloc(len);
		memcpy(copy, doc.ptr + at, len);
		json_scan_feed(&s, (struct slice){ copy, len });
		free(copy);
	}
	json_scan_end(&s);
}

static void value_text(const struct json_value *v)
{
	char out[256];
	size_t len;
	int64_t i;
	double d;

	(void)json_unescape(v->text, out, sizeof(out), &len);
	(void)json_int(v->text, &i);
	(void)json_double(v->text, &d);
}

static void on_value(void *ctx, const struct json_value *v)
{
	value_text(v);
	ref_value(ctx, v);
}

/* The first half taught, the second matched: what is reported, the scan of the second half reports too. */
static void repeat(const struct json_paths *compiled, struct slice doc)
{
	size_t half = doc.len / 2;
	struct slice second = slice_from(doc, half);
	struct ref_log a = { 0 }, b = { 0 };
	struct json_repeat r;
	struct json_scan s;

	ref_clear(&a);
	ref_clear(&b);
	json_repeat_init(&r);
	json_scan_init(&s, compiled, on_value, &a);
	if (json_scan_feed(&s, (struct slice){ doc.ptr, half }) == JSON_DONE) {
		json_repeat_learn(&r, compiled, (struct slice){ doc.ptr, half });
		ref_clear(&a);
		if (json_repeat_match(&r, second, on_value, &a)) {
			json_scan_init(&s, compiled, on_value, &b);
			check(json_scan_feed(&s, second) == JSON_DONE);
			for (char *line = a.text; *line; line = strchr(line, '\n') + 1) {
				char *end = strchr(line, '\n');

				*end = '\0';
				check(strstr(b.text, line) != NULL || strlen(line) != (size_t)(end - line));
				*end = '\n';
			}
		}
	}
	free(a.text);
	free(b.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct json_paths *compiled;
	struct ref_log want = { 0 }, got = { 0 };
	struct slice doc = { (const char *)data, size };

	if (!compiled)
		compiled = json_paths_new(paths, PATHS);
	if (size == 0 || memchr(data, 0, size))
		return 0;
	ref_clear(&want);
	if (ref_scan(&want, paths, PATHS, doc)) {
		static const size_t sizes[] = { 1, 3, 64, 100000 };

		for (size_t i = 0; i < 4; i++) {
			pieces(compiled, doc, sizes[i], 0, &got);
			check(got.len == want.len && memcmp(got.text, want.text, want.len) == 0);
		}
	}
	pieces(compiled, doc, 1 + size / 7, 3, &got);
	pieces(compiled, doc, 1, 17, &got);
	repeat(compiled, doc);
	free(want.text);
	free(got.text);
	return 0;
}
