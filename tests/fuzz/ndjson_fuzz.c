/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of JSON: the same lines, which are those between LFs that are not empty, whether the body comes whole or in
 * pieces; and with a part lost no line is given that was not sent as such from its start or to its end. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/message.h"
#include "proto/ndjson.h"

#define MUST(cond)               \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)

struct text {
	char *at;
	size_t len;
	bool open;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take(void *ctx, struct slice event, struct slice data, uint8_t flags)
{
	struct text *t = ctx;

	MUST(!event.len && t->open == !(flags & MSG_FIRST));
	MUST(data.len || flags & MSG_LAST);
	if (data.len)
		memcpy(t->at + t->len, data.ptr, data.len);
	t->len += data.len;
	t->open = !(flags & MSG_LAST);
	if (!t->open)
		t->at[t->len++] = '\n';
}

/* lost: this piece does not come; SIZE_MAX none. */
static void run(struct text *t, const uint8_t *data, size_t size, size_t piece, size_t lost)
{
	struct ndjson s = { 0 };

	t->len = 0;
	t->open = false;
	for (size_t at = 0, n = 0; at < size; at += piece, n++) {
		size_t len = size - at < piece ? size - at : piece;
		char *copy = malloc(len);

		memcpy(copy, data + at, len);
		if (n != lost) {
			ndjson_push(&s, (struct slice){ copy, len }, take, t);
		} else {
			ndjson_gap(&s);
			t->open = false;
		}
		free(copy);
	}
	ndjson_end(&s, take, t);
	MUST(!t->open);
}

/* The same, by hand. */
static size_t lines(char *out, const uint8_t *data, size_t size)
{
	size_t len = 0, line = 0;

	for (size_t i = 0; i < size; i++) {
		if (data[i] != '\n') {
			out[len++] = (char)data[i];
			line++;
		} else if (line) {
			out[len++] = '\n';
			line = 0;
		}
	}
	if (line)
		out[len++] = '\n';
	return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *want = malloc(size + 1), *got = malloc(2 * size + 1);
	size_t len = lines(want, data, size);
	struct text t = { .at = got };

	for (size_t piece = 1; piece <= size; piece = piece * 3 + 1) {
		run(&t, data, size, piece, SIZE_MAX);
		MUST(t.len == len && !memcmp(got, want, len));
		run(&t, data, size, piece, size / piece / 2);
	}
	free(want);
	free(got);
	return 0;
}
