/* SPDX-License-Identifier: Apache-2.0 */
/* Cuts a body at LF; a CR before it is white space to JSON. Loop thread. */
#include "proto/ndjson.h"

#include "proto/message.h"

static void part(struct ndjson *s, struct slice data, bool last, sse_fn fn, void *ctx)
{
	if (!data.len && !s->open)
		return;
	fn(ctx, SLICE_NONE, data, (s->open ? 0 : MSG_FIRST) | (last ? MSG_LAST : 0));
	s->open = !last;
}

void ndjson_push(struct ndjson *s, struct slice in, sse_fn fn, void *ctx)
{
	while (in.len) {
		const char *lf = memchr(in.ptr, '\n', in.len);
		size_t len = lf ? (size_t)(lf - in.ptr) : in.len;

		if (!s->lost)
			part(s, (struct slice){ in.ptr, len }, lf, fn, ctx);
		else if (lf)
			s->lost = false;
		in = slice_from(in, len + 1);
	}
}

void ndjson_gap(struct ndjson *s)
{
	*s = (struct ndjson){ .lost = true };
}

void ndjson_end(struct ndjson *s, sse_fn fn, void *ctx)
{
	if (s->open)
		part(s, SLICE_NONE, true, fn, ctx);
}
