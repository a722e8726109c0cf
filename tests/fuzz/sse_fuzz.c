/* SPDX-License-Identifier: Apache-2.0 */
/* Server-sent events: the same events whether the stream comes whole, in single bytes, or cut where byte 0 says. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/message.h"
#include "proto/sse.h"

#define MUST(cond)               \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)

struct text {
	char *at;
	size_t len, cap;
	bool open;
};

static void add(struct text *t, const char *s, size_t len)
{
	MUST(t->len + len <= t->cap);
	if (len)
		memcpy(t->at + t->len, s, len);
	t->len += len;
}

static void take(void *ctx, struct slice event, struct slice data, uint8_t flags)
{
	struct text *t = ctx;

	if (flags & MSG_FIRST) {
		if (t->open)
			add(t, "\3", 1); /* cut off: only behind a gap, so never here */
		add(t, "\1", 1);
		add(t, event.ptr, event.len);
		add(t, "\2", 1);
	}
	MUST(flags & MSG_FIRST || t->open);
	add(t, data.ptr, data.len);
	t->open = !(flags & MSG_LAST);
	if (!t->open)
		add(t, "\4", 1);
}

static void run(struct text *t, const uint8_t *data, size_t len, size_t piece)
{
	struct sse s = { 0 };

	t->len = 0;
	t->open = false;
	for (size_t at = 0; at < len; at += piece) {
		size_t n = len - at < piece ? len - at : piece;
		char *copy = malloc(n);

		memcpy(copy, data + at, n);
		sse_push(&s, (struct slice){ copy, n }, take, t);
		free(copy);
	}
	sse_end(&s, take, t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct text a = { .cap = len * 140 + 16 }, b = { .cap = len * 140 + 16 };
	size_t piece = len ? data[0] + 1u : 1;
	struct sse gap = { 0 };

	a.at = malloc(a.cap);
	b.at = malloc(b.cap);
	run(&a, data, len, len ? len : 1);
	run(&b, data, len, 1);
	MUST(a.len == b.len && !memcmp(a.at, b.at, a.len));
	run(&b, data, len, piece);
	MUST(a.len == b.len && !memcmp(a.at, b.at, a.len));
	b.len = 0;
	sse_gap(&gap);
	sse_push(&gap, (struct slice){ (const char *)data, len }, take, &b);
	free(a.at);
	free(b.at);
	return 0;
}
