/* SPDX-License-Identifier: Apache-2.0 */
/* What a type asks for is a row of a table. A search trusts a chain of headers, never a single one. Pure functions. */
#include "proto/h2frame.h"

#include "limits.h"

#define CHAIN_ENOUGH 16 /* frames in a row that leave no doubt */

enum { NO_STREAM, A_STREAM, ANY_STREAM };

static const struct {
	uint32_t min, max, multiple; /* of the payload's length; max 0: any */
	uint8_t stream;
	uint8_t flags; /* defined ones */
} types[H2_TYPES] = {
	/* RFC 9113 sections 6.1 to 6.10 */
	[H2_DATA] = { 0, 0, 1, A_STREAM, H2_END_STREAM | H2_PADDED },
	[H2_HEADERS] = { 0, 0, 1, A_STREAM,
			 H2_END_STREAM | H2_END_HEADERS | H2_PADDED | H2_HAS_PRIORITY },
	[H2_PRIORITY] = { 5, 5, 1, A_STREAM, 0 },
	[H2_RST_STREAM] = { 4, 4, 1, A_STREAM, 0 },
	[H2_SETTINGS] = { 0, 0, 6, NO_STREAM, H2_ACK },
	[H2_PUSH_PROMISE] = { 4, 0, 1, A_STREAM, H2_END_HEADERS | H2_PADDED },
	[H2_PING] = { 8, 8, 1, NO_STREAM, H2_ACK },
	[H2_GOAWAY] = { 8, 0, 1, NO_STREAM, 0 },
	[H2_WINDOW_UPDATE] = { 4, 4, 1, ANY_STREAM, 0 },
	[H2_CONTINUATION] = { 0, 0, 1, A_STREAM, H2_END_HEADERS },
};

struct h2_frame h2_frame_parse(const char *at)
{
	const unsigned char *b = (const unsigned char *)at;

	return (struct h2_frame){
		.len = (uint32_t)b[0] << 16 | (uint32_t)b[1] << 8 | b[2],
		.type = b[3],
		.flags = b[4],
		/* the reserved bit is ignored (section 4.1) */
		.stream =
			((uint32_t)b[5] << 24 | (uint32_t)b[6] << 16 | (uint32_t)b[7] << 8 | b[8]) &
			0x7fffffff,
	};
}

bool h2_frame_valid(const struct h2_frame *f)
{
	if (f->type >= H2_TYPES)
		return true;
	return f->len >= types[f->type].min &&
	       (!types[f->type].max || f->len <= types[f->type].max) &&
	       f->len % types[f->type].multiple == 0 &&
	       (types[f->type].stream == ANY_STREAM ||
		(types[f->type].stream == A_STREAM) == !!f->stream);
}

/* Would somebody send this? No flags without a meaning, no extension, no reserved bit. */
static bool plausible(const char *at, struct h2_frame *ret)
{
	*ret = h2_frame_parse(at);
	return ret->type < H2_TYPES && ret->len <= KS_H2_FRAME && !(at[5] & 0x80) &&
	       !(ret->flags & ~types[ret->type].flags) && h2_frame_valid(ret);
}

static bool chain(struct slice in, bool first, bool (*open)(const void *ctx, uint32_t stream),
		  const void *ctx)
{
	struct h2_frame f;
	bool data = false;

	for (size_t cnt = 0;; cnt++) {
		if (cnt == CHAIN_ENOUGH)
			return true;
		if (!in.len) /* frames and nothing else */
			return cnt > 1 || (cnt && first);
		if (in.len < H2_HEADER)
			return cnt > 2; /* a header that is cut */
		if (!plausible(in.ptr, &f))
			return false;
		data = f.type == H2_DATA && open(ctx, f.stream);
		if (in.len - H2_HEADER < f.len)
			return cnt > 1 || (cnt && data) || (first && data);
		in = slice_from(in, H2_HEADER + f.len);
	}
}

bool h2_frame_here(struct slice in, bool (*open)(const void *ctx, uint32_t stream), const void *ctx)
{
	return chain(in, true, open, ctx);
}

size_t h2_frame_find(struct slice in, bool (*open)(const void *ctx, uint32_t stream),
		     const void *ctx)
{
	for (size_t at = 0; at + H2_HEADER <= in.len; at++)
		if ((unsigned char)in.ptr[at] <= KS_H2_FRAME >> 16 &&
		    (unsigned char)in.ptr[at + 3] < H2_TYPES &&
		    chain(slice_from(in, at), !at, open, ctx))
			return at;
	return in.len;
}
