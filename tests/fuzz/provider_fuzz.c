/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An exchange from lines: target, request body, then 'E' and one event's data a line, or 'B' and a response body. Whole
 * and in single bytes it must yield the same call (events in parts are scanned anew, whole ones may be compared with the
 * one before); with pieces lost it must do no harm.
 */
#include "unit/provider/fixture.h"

#define DUMP_MAX 16384

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
	struct provider_stage *stage;
	struct arena_pool *pool;
	char *out;
};

static void on_call(void *ctx, const struct ai_call *call)
{
	struct world *w = ctx;

	call_dump(call, w->out, DUMP_MAX);
}

static struct slice line_take(struct slice *in)
{
	const char *end = in->len ? memchr(in->ptr, '\n', in->len) : NULL;
	struct slice line = { in->ptr, end ? (size_t)(end - in->ptr) : in->len };

	*in = slice_from(*in, line.len + 1);
	return line;
}

struct feed {
	struct world *w;
	struct exchange x;
	size_t piece, lose, n;
};

static void push(struct feed *f, struct message m)
{
	m.x = &f->x;
	m.ts_ns = 1000000000;
	provider_push(f->w->stage, &m);
}

/* Data in pieces; long ones in memory of their own size, so that reading over the end shows. False: it was lost in part. */
static bool pieces(struct feed *f, struct message m, struct slice data)
{
	size_t step = f->piece ? f->piece : data.len;

	for (size_t at = 0; at < data.len; at += step) {
		size_t len = data.len - at < step ? data.len - at : step;
		char *copy = len > 1 ? malloc(len) : NULL;

		if (f->lose && ++f->n % f->lose == 0) {
			free(copy);
			f->x.incomplete |= INCOMPLETE_LOST;
			push(f, (struct message){ .kind = MSG_GAP, .response = m.response, .gap_len = len });
			if (m.kind == MSG_EVENT)
				return false;
			continue;
		}
		if (copy)
			memcpy(copy, data.ptr + at, len);
		m.data = (struct slice){ copy ? copy : data.ptr + at, len };
		m.flags = (at == 0 ? MSG_FIRST : 0) | (at + len == data.len ? MSG_LAST : 0);
		push(f, m);
		free(copy);
	}
	return true;
}

static void run(struct world *w, struct slice in, size_t piece, size_t lose)
{
	static const struct proc_info proc = { .tgid = 7 };
	static const struct conn_info conn = { .id = 1, .proc = &proc };
	struct slice target = line_take(&in), body = line_take(&in), line;
	struct arena arena;
	struct feed f = { .w = w, .x = { .conn = &conn, .arena = &arena, .req_dir = KS_OUT }, .piece = piece, .lose = lose };
	bool events = in.len && in.ptr[0] == 'E';

	w->out[0] = '\0';
	arena_init(&arena, w->pool, KS_ARENA_CAP);
	push(&f, (struct message){ .kind = MSG_HEAD, .method = SLICE("POST"), .target = target, .version = 11,
				   .authority = SLICE("localhost:80") });
	pieces(&f, (struct message){ .kind = MSG_BODY }, body);
	push(&f, (struct message){ .kind = MSG_END });
	push(&f, (struct message){ .kind = MSG_HEAD, .response = true, .status = 200 });
	in = slice_from(in, 1);
	if (!events)
		pieces(&f, (struct message){ .kind = MSG_BODY, .response = true }, in);
	while (events && in.len) {
		line = line_take(&in);
		pieces(&f, (struct message){ .kind = MSG_EVENT, .response = true }, line);
	}
	push(&f, (struct message){ .kind = MSG_END, .response = true });
	push(&f, (struct message){ .kind = MSG_DONE });
	arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char whole[DUMP_MAX], bytes[DUMP_MAX];
	static struct world w;
	struct slice in = { (const char *)data, size };

	if (!w.stage && (provider_new(&(struct provider_cfg){ 0 }, (struct call_sink){ &w, on_call }, &w.stage) ||
			 !(w.pool = arena_pool_new(KS_ARENA_BLOCK, 64))))
		abort();
	if (size == 0 || memchr(data, 0, size))
		return 0;
	w.out = whole;
	run(&w, in, 0, 0);
	w.out = bytes;
	run(&w, in, 1, 0);
	if (strcmp(whole, bytes) != 0) {
		fprintf(stderr, "whole:\n%s\nbytes:\n%s\n", whole, bytes);
		abort();
	}
	run(&w, in, 1 + size % 50, 3 + size % 7);
	run(&w, in, 0, 2);
	return 0;
}
