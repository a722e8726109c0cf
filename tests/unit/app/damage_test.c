/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every recording of tests/replay, damaged in every way that happens: cut at each byte, each n-th data record missing,
 * each single data record missing. A span of a damaged run equals one of the whole run (ids aside: they count the
 * exchanges that were seen) or says that it is incomplete. KS_DAMAGE_STEP=n looks at each n-th byte only.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/pipeline.h"
#include "app/record.h"
#include "export/jsonl.h"

#define LINES 4096

struct lines {
	char *at[LINES];
	size_t cnt;
};

static struct buf line;

/* The line without its ids. */
static char *body_of(const struct span *span)
{
	buf_reset(&line);
	jsonl_format(&line, span);
	const char *name = memmem(line.ptr, line.len, "\"name\"", 6);

	assert_non_null(name);
	return strndup(name, line.len - (size_t)(name - line.ptr));
}

static void on_span(void *ctx, const struct span *span)
{
	struct lines *l = ctx;

	assert_true(l->cnt < LINES);
	l->at[l->cnt++] = body_of(span);
}

static void lines_done(struct lines *l)
{
	while (l->cnt)
		free(l->at[--l->cnt]);
}

/* skip(n): whether the n-th data record (from 1) is missing. Returns how many data records there were. */
static uint64_t play(const void *mem, size_t len, uint64_t every, uint64_t only, struct lines *out)
{
	struct pipeline_cfg cfg = { .sink = { { out, on_span } }, .sink_cnt = 1 };
	enum recording_end end;
	struct recording r;
	struct pipeline *p;
	const struct ks_hdr *ev;
	uint64_t data = 0;

	if (recording_init(&r, mem, len))
		return 0;
	cfg.head = r.head;
	assert_int_equal(pipeline_new(&cfg, &p), 0);
	while ((ev = recording_next(&r, &end))) {
		data += ev->kind == KS_EV_DATA;
		if (ev->kind == KS_EV_DATA && ((every && data % every == 0) || data == only))
			continue;
		pipeline_push(p, ev, ev->len);
	}
	pipeline_free(p);
	return data;
}

static void compare(const char *path, const struct lines *whole, struct lines *got, const char *how,
		    size_t at)
{
	for (size_t i = 0; i < got->cnt; i++) {
		bool known = strstr(got->at[i], "\"kernspan.incomplete\"") != NULL;
		for (size_t j = 0; j < whole->cnt && !known; j++)
			known = strcmp(got->at[i], whole->at[j]) == 0;
		if (!known)
			fail_msg("%s: %s %zu gives a wrong span: %s", path, how, at, got->at[i]);
	}
	lines_done(got);
}

static size_t damage(const char *path, const uint8_t *mem, size_t len, size_t step)
{
	static struct lines whole, got;
	uint64_t cnt = play(mem, len, 0, 0, &whole);
	size_t spans = whole.cnt;

	for (size_t cut = sizeof(struct record_head); cut < len; cut += step) {
		play(mem, cut, 0, 0, &got);
		compare(path, &whole, &got, "a cut at byte", cut);
	}
	for (uint64_t n = 1; n <= cnt; n++) {
		play(mem, len, n, 0, &got);
		compare(path, &whole, &got, "dropping each data record number", n);
		play(mem, len, 0, n, &got);
		compare(path, &whole, &got, "dropping only data record", n);
	}
	lines_done(&whole);
	return spans;
}

static void fixtures(void **state)
{
	const char *step = getenv("KS_DAMAGE_STEP");
	glob_t g;

	(void)state;
	buf_init(&line, 1 << 20);
	if (glob("tests/replay/*/in.wire", 0, NULL, &g)) {
		print_message("no recordings here\n");
		return;
	}
	for (size_t i = 0; i < g.gl_pathc; i++) {
		struct stat st;
		int fd = open(g.gl_pathv[i], O_RDONLY);
		assert_true(fd >= 0 && fstat(fd, &st) == 0);
		uint8_t *mem = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		assert_true(mem != MAP_FAILED);
		size_t stride = step ? strtoul(step, NULL, 10) : 1 + (size_t)st.st_size / 4096;
		size_t spans = damage(g.gl_pathv[i], mem, (size_t)st.st_size, stride ? stride : 1);
		print_message("%s: %zu spans, %zu bytes, each %zu\n", g.gl_pathv[i], spans,
			      (size_t)st.st_size, stride);
		munmap(mem, (size_t)st.st_size);
		close(fd);
	}
	globfree(&g);
	buf_done(&line);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(fixtures) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
