/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/2 as others write it: connections of Node's client and server, and of nghttp and nghttpd (padding, CONTINUATION,
 * trailers), as a proxy between them saw the bytes. They lie in the corpus of the fuzz target, in its format.
 */
#include "unit/proto/world.h"

#define STEPS 512

struct script {
	char bytes[128 * 1024];
	struct step steps[STEPS];
	size_t cnt;
};

static void load(struct script *s, const char *path)
{
	FILE *f = fopen(path, "rb");
	size_t len, want;

	assert_non_null(f);
	len = fread(s->bytes, 1, sizeof(s->bytes), f);
	assert_true(len > 1 && len < sizeof(s->bytes));
	fclose(f);
	s->cnt = 0;
	for (size_t at = 1; at + 2 <= len; at += want) { /* see http2_fuzz.c */
		uint8_t control = (uint8_t)s->bytes[at];

		want = (uint8_t)s->bytes[at + 1] * (control & 8 ? 16u : 1u);
		at += 2;
		assert_true(s->cnt < STEPS && at + want <= len);
		s->steps[s->cnt++] = (struct step){ control & 1, { s->bytes + at, want } };
	}
}

struct want {
	const char *target, *id;
	int status;
	uint32_t incomplete;
	size_t req_len, resp_len; /* resp_len: decoded, with the marks of events */
};

static const struct want node[] = {
	{ "/sse1", "/sse1", 200, 0, 15, 101 },
	{ "/gzip1", "/gzip1", 200, 0, 7, 425 },
	{ "/sse2", "/sse2", 200, 0, 3000, 101 },
	{ "/none1", "/none1", 404, 0, 0, 0 },
	{ "/trailers1", "/trailers1", 200, 0, 7, 24 },
	{ "/early1", "/early1", 200, 0, 0, 13 },
	{ "/sse3", "/sse3", 200, INCOMPLETE_CUT, 2, 23 }, /* the client left */
	{ "/gzip2", "/gzip2", 200, 0, 7, 425 },
};

static const struct want nghttp[] = {
	{ "/p1", "", 200, 0, 7, 7 },
	{ "/p3", "", 200, 0, 7, 7 },
	{ "/missing", "", 404, 0, 7, 147 },
};

static const struct real {
	const char *path;
	const struct want *want;
	size_t cnt;
} reals[] = {
	{ "tests/fuzz/corpus/http2/captured-node", node, sizeof(node) / sizeof(node[0]) },
	{ "tests/fuzz/corpus/http2/captured-nghttp", nghttp, sizeof(nghttp) / sizeof(nghttp[0]) },
};

static struct script script;

static void play(struct world *w, size_t size, size_t cut)
{
	world_play(w, script.steps, script.cnt, size, cut, 0);
}

static bool same(const struct seen *x, const struct want *want)
{
	return !strcmp(x->id, want->id) && x->status == want->status &&
	       x->incomplete == want->incomplete && x->req_len == want->req_len &&
	       x->resp.len == want->resp_len;
}

static void check_whole(struct world *w, const struct real *real)
{
	assert_int_equal(w->cnt, real->cnt);
	for (size_t i = 0; i < real->cnt; i++)
		if (strcmp(w->seen[i].target, real->want[i].target) ||
		    !same(&w->seen[i], &real->want[i]))
			fail_msg("%s: %s differs, incomplete %x", real->path, real->want[i].target,
				 w->seen[i].incomplete);
}

static void test_cuts(void **state)
{
	struct world *w = *state;

	for (size_t r = 0; r < 2; r++) {
		load(&script, reals[r].path);
		play(w, KS_CHUNK_CAP, 0);
		check_whole(w, &reals[r]);
		for (size_t size = 1; size < 40; size++) {
			play(w, size, 0);
			check_whole(w, &reals[r]);
		}
		for (size_t cut = 1; cut < 4400; cut += 1 + 16 * r) {
			play(w, KS_CHUNK_CAP, cut);
			check_whole(w, &reals[r]);
		}
	}
}

/* Nothing is mixed; what is not marked is whole. */
static void check_lossy(struct world *w, const struct real *real)
{
	for (size_t i = 0; i < w->cnt; i++) {
		const struct seen *x = &w->seen[i];
		const char *name = *x->target ? x->target : x->id;
		size_t k = 0;

		while (k < real->cnt && strcmp(real->want[k].target, name))
			k++;
		if (k == real->cnt) {
			assert_true(!*name && x->incomplete);
			continue;
		}
		assert_true(!*x->id || !strcmp(x->id, real->want[k].id));
		assert_true(!x->status || x->status == real->want[k].status);
		if (!x->incomplete && !same(x, &real->want[k]))
			fail_msg("lose %zu each %zu: %s: %x %d id %s req %zu resp %zu", w->lose,
				 w->lose_each, name, x->incomplete, x->status, x->id, x->req_len,
				 x->resp.len);
	}
}

static void test_losses(void **state)
{
	static const size_t sizes[] = { 10, 100, 1000, KS_CHUNK_CAP };
	struct world *w = *state;

	for (size_t r = 0; r < 2; r++)
		for (size_t k = 0; k < 4; k++) {
			load(&script, reals[r].path);
			play(w, sizes[k], 0);
			for (w->lose = w->records < 700 ? w->records : 700; w->lose; w->lose--) {
				play(w, sizes[k], 0);
				check_lossy(w, &reals[r]);
			}
			for (w->lose_each = 2; w->lose_each < 20; w->lose_each++) {
				play(w, sizes[k], 0);
				check_lossy(w, &reals[r]);
			}
			w->lose_each = 0;
		}
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_cuts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_losses, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
