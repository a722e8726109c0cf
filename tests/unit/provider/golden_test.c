/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every fixture of tests/provider/ decodes to its .want; in single bytes too; and with each n-th piece lost no line is
 * wrong, only missing, and the call says that it is incomplete. UPDATE=1 rewrites the .want files: look at the diff.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <glob.h>

#include "unit/provider/fixture.h"

#define DUMP_MAX 16384
#define CALLS_MAX 8

struct calls {
	char text[CALLS_MAX][DUMP_MAX];
	uint32_t incomplete[CALLS_MAX];
	size_t cnt;
};

static void on_call(void *ctx, const struct ai_call *call)
{
	struct calls *c = ctx;

	assert_true(c->cnt < CALLS_MAX);
	call_dump(call, c->text[c->cnt], DUMP_MAX);
	c->incomplete[c->cnt++] = call->incomplete;
}

static void feed(const struct fixture *fx, struct calls *calls, size_t piece, size_t drop, size_t first)
{
	calls->cnt = 0;
	fixture_feed(fx, (struct call_sink){ calls, on_call }, piece, drop, first);
}

static void want_read(const char *path, char *text, size_t cap)
{
	FILE *f = fopen(path, "r");
	size_t len = f ? fread(text, 1, cap - 1, f) : 0;

	text[len] = '\0';
	if (f)
		fclose(f);
}

static void join(const struct calls *calls, char *out, size_t cap)
{
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < calls->cnt; i++)
		len += (size_t)snprintf(out + len, cap - len, "%s%s", i ? "--\n" : "", calls->text[i]);
}

/* Lines that a hole may change without being wrong: the count of what was seen, and what is known to be unknown. */
static bool may_differ(const char *line)
{
	static const char *const names[] = { "chunks=", "incomplete=", "usage=none", "usage=partial", "last_chunk_ns=", "req_end_ns=",
					     "resp_end_ns=", "end_ns=", "resp_start_ns=", "req_start_ns=", "tool=", "messages=",
					     "tools=" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(line, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

/* A name that only wants more evidence than is left: the default of the format. */
static bool is_default(const char *line)
{
	return strcmp(line, "provider=openai\n") == 0 || strcmp(line, "provider=anthropic\n") == 0 || strcmp(line, "error_type=_OTHER\n") == 0;
}

/* Counts that are called partial are what was seen last. */
static bool is_partial(const char *line)
{
	return strncmp(line, "output_tokens=", 14) == 0 || strncmp(line, "total_tokens=", 13) == 0 ||
	       strncmp(line, "reasoning_tokens=", 17) == 0;
}

static void no_wrong_line(const char *got, const char *want, const char *what)
{
	bool partial = strstr(got, "usage=partial\n");
	char line[1024];

	while (*got) {
		size_t len = strcspn(got, "\n") + 1;

		snprintf(line, sizeof(line), "%.*s", (int)len, got);
		if (!strstr(want, line) && !may_differ(line) && !is_default(line) &&
		    !(partial && is_partial(line)))
			fail_msg("%s: wrong line: %s", what, line);
		got += len;
	}
}

static void losses(const struct fixture *fx, const char *want, const char *path)
{
	static const size_t sizes[] = { 1, 7, 40, 200, 1000 };
	static struct calls calls;
	char what[512];

	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
		for (size_t drop = 2; drop < 40; drop = drop * 3 / 2 + 1)
			for (size_t first = 0; first < drop; first += 1 + drop / 7) {
				feed(fx, &calls, sizes[s], drop, first);
				snprintf(what, sizeof(what), "%s piece %zu drop %zu first %zu", path, sizes[s], drop, first);
				for (size_t i = 0; i < calls.cnt; i++) {
					no_wrong_line(calls.text[i], want, what);
					if (strcmp(calls.text[i], want) != 0 && !calls.incomplete[i])
						fail_msg("%s: not marked incomplete", what);
				}
			}
}

/* One hole of a few bytes at every place. */
static void each_hole(const struct fixture *fx, const char *want, const char *path)
{
	static struct calls calls;
	size_t total = 0;
	char what[512];

	for (size_t i = 0; i < fx->cnt; i++)
		total += fx->piece[i].len;
	for (size_t first = 0; first < total / 3; first++) {
		feed(fx, &calls, 3, 1000000, first);
		snprintf(what, sizeof(what), "%s hole at piece %zu", path, first);
		for (size_t i = 0; i < calls.cnt; i++)
			no_wrong_line(calls.text[i], want, what);
	}
}

static void one(const char *path)
{
	static char want_path[512], want[DUMP_MAX * 2], got[DUMP_MAX * 2];
	static struct fixture fx;
	static struct calls calls;
	static const size_t sizes[] = { 0, 1, 5, 64 };

	assert_int_equal(fixture_read(path, &fx), 0);
	snprintf(want_path, sizeof(want_path), "%.*s.want", (int)(strlen(path) - 5), path);
	want_read(want_path, want, sizeof(want));
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		feed(&fx, &calls, sizes[i], 0, 0);
		join(&calls, got, sizeof(got));
		if (i == 0 && getenv("UPDATE") && strcmp(want, got) != 0) {
			FILE *f = fopen(want_path, "w");

			fputs(got, f);
			fclose(f);
			memcpy(want, got, sizeof(want));
		}
		if (strcmp(want, got) != 0) {
			printf("--- %s in pieces of %zu: want\n%s--- got\n%s---\n", path, sizes[i], want, got);
			fail_msg("%s", path);
		}
	}
	losses(&fx, want, path);
	each_hole(&fx, want, path);
	fixture_done(&fx);
}

static void fixtures(void **state)
{
	const char *only = getenv("FIXTURE");
	glob_t g;

	(void)state;
	assert_int_equal(glob(only ? only : "tests/provider/*/*.http", 0, NULL, &g), 0);
	for (size_t i = 0; i < g.gl_pathc; i++)
		one(g.gl_pathv[i]);
	printf("%zu fixtures\n", g.gl_pathc);
	globfree(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(fixtures) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
