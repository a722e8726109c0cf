/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One step is one decoder with its library's state; a body has one or two steps in a row. All library memory comes
 * from block_new(), so that a hostile window size ends in a refused allocation. Steps of zlib and zstd are kept for the
 * next body; brotli has no reset. Loop thread; owns the state and one output buffer for each level.
 */
#define ZSTD_STATIC_LINKING_ONLY /* ZSTD_customMem */
#include "proto/inflate.h"

#include <brotli/decode.h>
#include <errno.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "base/drop.h"
#include "base/pool.h"
#include "limits.h"

#define OUT_LEN		((size_t)64 * 1024)
#define IDLE_MAX	16 /* idle steps of one kind that keep their memory */
#define ZSTD_WINDOW_LOG 23 /* RFC 9659: a content coding's window is at most 8 MiB */

enum step_kind { STEP_gzip, STEP_deflate, STEP_brotli, STEP_zstd, STEP_CNT };

struct step {
	enum step_kind kind;
	struct inflaters *all;
	struct step *next; /* idle list */
	z_stream z;
	BrotliDecoderState *br;
	ZSTD_DCtx *zs;
	uint8_t head[2]; /* deflate: its first bytes tell zlib (RFC 1950) from raw (RFC 1951) */
	uint8_t head_len; /* zstd: 1 inside a frame */
	bool ready; /* deflate: told */
	bool ended; /* the coded data ended; what follows is ignored, or a further gzip member */
};

struct inflate {
	struct inflaters *all;
	struct step *step[INFLATE_CODINGS]; /* in the order they are undone */
	size_t cnt;
	uint64_t in_len, out_len;
	void (*out)(void *ctx, struct slice data);
	void *ctx;
};

struct inflaters {
	struct pool *bodies, *steps;
	size_t bytes; /* held by the libraries */
	struct step *idle[STEP_CNT];
	size_t idle_cnt[STEP_CNT];
	char out[INFLATE_CODINGS][OUT_LEN];
};

/* A block of library memory carries its length in front. */
static void *block_new(void *opaque, size_t len)
{
	struct inflaters *all = opaque;
	size_t *block;

	if (len > KS_INFLATE_MEM - all->bytes)
		return NULL;
	block = malloc(len + 16);
	if (!block)
		return NULL;
	*block = len;
	all->bytes += len;
	return (char *)block + 16;
}

static void block_free(void *opaque, void *ptr)
{
	struct inflaters *all = opaque;

	if (!ptr)
		return;
	ptr = (char *)ptr - 16;
	all->bytes -= *(size_t *)ptr;
	free(ptr);
}

static voidpf block_items(voidpf opaque, uInt items, uInt len)
{
	return block_new(opaque, (size_t)items * len);
}

#define STEPS (KS_INFLATERS * INFLATE_CODINGS + IDLE_MAX * STEP_CNT)

int inflaters_new(struct inflaters **ret)
{
	struct inflaters *all = calloc(1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	if (pool_new(sizeof(struct inflate), KS_INFLATERS, &all->bodies) < 0 ||
	    pool_new(sizeof(struct step), STEPS, &all->steps) < 0) {
		inflaters_free(all);
		return -ENOMEM;
	}
	*ret = all;
	return 0;
}

static void step_free(struct step *s)
{
	if (s->kind == STEP_gzip || s->kind == STEP_deflate)
		inflateEnd(&s->z);
	if (s->br)
		BrotliDecoderDestroyInstance(s->br);
	ZSTD_freeDCtx(s->zs);
	pool_give(s->all->steps, s, sizeof(*s));
}

void inflaters_free(struct inflaters *all)
{
	if (!all)
		return;
	for (int k = 0; k < STEP_CNT; k++) {
		struct step *next;

		for (struct step *s = all->idle[k]; s; s = next) {
			next = s->next;
			step_free(s);
		}
	}
	pool_free(all->bodies);
	pool_free(all->steps);
	free(all);
}

size_t inflaters_bytes(void)
{
	return sizeof(struct inflaters) + KS_INFLATE_MEM +
	       pool_bytes(sizeof(struct inflate), KS_INFLATERS) +
	       pool_bytes(sizeof(struct step), STEPS);
}

/* Steps: give or take one */

static bool step_reset(struct step *s)
{
	s->ended = false;
	s->head_len = 0;
	s->ready = s->kind != STEP_deflate;
	switch (s->kind) {
	case STEP_gzip:
	case STEP_deflate:
		return inflateReset2(&s->z, 15 + (s->kind == STEP_gzip ? 16 : 0)) == Z_OK;
	case STEP_zstd:
		return !ZSTD_isError(ZSTD_DCtx_reset(s->zs, ZSTD_reset_session_only));
	default:
		if (s->br)
			BrotliDecoderDestroyInstance(s->br);
		s->br = BrotliDecoderCreateInstance(block_new, block_free, s->all);
		return s->br;
	}
}

static bool step_open(struct step *s)
{
	ZSTD_customMem mem = { block_new, block_free, s->all };

	switch (s->kind) {
	case STEP_gzip:
	case STEP_deflate:
		s->z.zalloc = block_items;
		s->z.zfree = block_free;
		s->z.opaque = s->all;
		return inflateInit2(&s->z, 15 + 16) == Z_OK;
	case STEP_zstd:
		s->zs = ZSTD_createDCtx_advanced(mem);
		return s->zs && !ZSTD_isError(ZSTD_DCtx_setParameter(s->zs, ZSTD_d_windowLogMax,
								     ZSTD_WINDOW_LOG));
	default:
		return true;
	}
}

static struct step *step_take(struct inflaters *all, enum step_kind kind)
{
	struct step *s = all->idle[kind];

	if (s) {
		all->idle[kind] = s->next;
		all->idle_cnt[kind]--;
	} else {
		s = pool_take(all->steps);
		if (!s)
			return NULL;
		s->all = all;
		s->kind = kind;
		if (!step_open(s)) {
			step_free(s);
			return NULL;
		}
	}
	if (step_reset(s))
		return s;
	step_free(s);
	return NULL;
}

static void step_give(struct step *s)
{
	struct inflaters *all = s->all;

	if (s->kind == STEP_brotli || all->idle_cnt[s->kind] >= IDLE_MAX) {
		step_free(s);
		return;
	}
	s->next = all->idle[s->kind];
	all->idle[s->kind] = s;
	all->idle_cnt[s->kind]++;
}

/* Steps: decode. Each takes input until it needs more, or the output is full. false: bad. */

struct cursor {
	const char *in;
	size_t in_len;
	char *out;
	size_t out_len, out_cap;
};

static bool zlib_step(struct step *s, struct cursor *c)
{
	int err;

	if (s->ended &&
	    c->in_len) { /* RFC 1952 section 2.2: members may follow; anything else is padding */
		if (s->kind != STEP_gzip || *c->in != 0x1f || inflateReset(&s->z) != Z_OK) {
			c->in_len = 0;
			return true;
		}
		s->ended = false;
	}
	s->z.next_in = (Bytef *)c->in;
	s->z.avail_in = (uInt)c->in_len;
	s->z.next_out = (Bytef *)c->out + c->out_len;
	s->z.avail_out = (uInt)(c->out_cap - c->out_len);
	err = inflate(&s->z, Z_SYNC_FLUSH);
	c->in = (const char *)s->z.next_in;
	c->in_len = s->z.avail_in;
	c->out_len = c->out_cap - s->z.avail_out;
	s->ended = err == Z_STREAM_END;
	return err == Z_OK || err == Z_STREAM_END || err == Z_BUF_ERROR;
}

/* RFC 9110 section 8.4.1.2: "deflate" is the zlib format, but some send the raw one. */
static bool deflate_step(struct step *s, struct cursor *c)
{
	while (!s->ready && c->in_len) {
		s->head[s->head_len++] = (unsigned char)*c->in++;
		c->in_len--;
		if (s->head_len < 2)
			continue;
		bool zlib = (s->head[0] & 15) == Z_DEFLATED &&
			    ((s->head[0] << 8) | s->head[1]) % 31 == 0;
		struct cursor h = *c;

		s->ready = true;
		h.in = (const char *)s->head;
		h.in_len = 2;
		if (inflateReset2(&s->z, zlib ? 15 : -15) != Z_OK || !zlib_step(s, &h))
			return false;
		c->out_len = h.out_len;
	}
	return !s->ready || zlib_step(s, c);
}

static bool brotli_step(struct step *s, struct cursor *c)
{
	size_t room = c->out_cap - c->out_len;
	uint8_t *out = (uint8_t *)c->out + c->out_len;
	const uint8_t *in = (const uint8_t *)c->in;
	BrotliDecoderResult err;

	if (s->ended) {
		c->in_len = 0;
		return true;
	}
	err = BrotliDecoderDecompressStream(s->br, &c->in_len, &in, &room, &out, NULL);
	c->in = (const char *)in;
	c->out_len = c->out_cap - room;
	s->ended = err == BROTLI_DECODER_RESULT_SUCCESS;
	return err != BROTLI_DECODER_RESULT_ERROR;
}

/* RFC 8878 section 3.1: a frame or a skippable frame. The library also reads the formats of before (first bytes 0x1e,
 * 0x22..0x27), and with decoders that allocate behind our cap. */
static bool zstd_frame(unsigned char first)
{
	return first == 0x28 || (first & 0xf0) == 0x50;
}

static bool zstd_step(struct step *s, struct cursor *c)
{
	ZSTD_inBuffer in = { c->in, c->in_len, 0 };
	ZSTD_outBuffer out = { c->out, c->out_cap, c->out_len };
	size_t err;

	if (!s->head_len && c->in_len && !zstd_frame((unsigned char)*c->in))
		return false;
	err = ZSTD_decompressStream(s->zs, &out, &in);
	if (!err || in.pos)
		s->head_len = err != 0; /* 0: the next byte begins a frame */
	c->in += in.pos;
	c->in_len -= in.pos;
	c->out_len = out.pos;
	return !ZSTD_isError(err);
}

static bool (*const step_fn[STEP_CNT])(struct step *s, struct cursor *c) = {
	[STEP_gzip] = zlib_step,
	[STEP_deflate] = deflate_step,
	[STEP_brotli] = brotli_step,
	[STEP_zstd] = zstd_step,
};

/* Bodies */

static bool level_push(struct inflate *f, size_t level, struct slice in)
{
	struct cursor c = {
		.in = in.ptr, .in_len = in.len, .out = f->all->out[level], .out_cap = OUT_LEN
	};
	bool full;

	do {
		c.out_len = 0;
		if (!step_fn[f->step[level]->kind](f->step[level], &c)) {
			drop(KS_DROP_bad_body, 1);
			return false;
		}
		full = c.out_len == c.out_cap;
		if (level + 1 < f->cnt) {
			if (c.out_len &&
			    !level_push(f, level + 1, (struct slice){ c.out, c.out_len }))
				return false;
			continue;
		}
		f->out_len += c.out_len;
		if (f->out_len > KS_INFLATE_SLACK && f->out_len / KS_INFLATE_RATIO > f->in_len) {
			drop(KS_DROP_ratio_cap, 1);
			return false;
		}
		if (c.out_len)
			f->out(f->ctx, (struct slice){ c.out, c.out_len });
	} while (c.in_len || full);
	return true;
}

enum inflate_result inflate_push(struct inflate *f, struct slice in,
				 void (*out)(void *ctx, struct slice data), void *ctx)
{
	f->in_len += in.len;
	f->out = out;
	f->ctx = ctx;
	return !in.len || level_push(f, 0, in) ? INFLATE_MORE : INFLATE_BAD;
}

void inflate_free(struct inflate *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->cnt; i++)
		step_give(f->step[i]);
	pool_give(f->all->bodies, f, sizeof(*f));
}

static int coding_kind(struct slice name)
{
	static const struct {
		struct slice name;
		enum step_kind kind;
	} codings[] = {
#define CODING(text, decoder) { { text, sizeof(text) - 1 }, STEP_##decoder },
#include "proto/codings.def"
#undef CODING
	};

	for (size_t i = 0; i < sizeof(codings) / sizeof(codings[0]); i++)
		if (slice_ieq(name, codings[i].name))
			return codings[i].kind;
	return -ENOTSUP;
}

/* The codings of the list in the order they are to be undone; how many, or -ENOTSUP. */
static int coding_list(struct slice list, enum step_kind kinds[INFLATE_CODINGS])
{
	int cnt = 0;

	while (list.len) { /* from the back: the last one applied is the first undone */
		size_t at = list.len;

		while (at && list.ptr[at - 1] != ',')
			at--;
		struct slice name = slice_trim(slice_from(list, at));
		int kind = coding_kind(name);

		list.len = at ? at - 1 : 0;
		if (!name.len || slice_ieq(name, SLICE("identity")))
			continue;
		if (kind < 0 || cnt == INFLATE_CODINGS)
			return -ENOTSUP;
		kinds[cnt++] = (enum step_kind)kind;
	}
	return cnt;
}

int inflate_new(struct inflaters *all, struct slice codings, struct inflate **ret)
{
	enum step_kind kinds[INFLATE_CODINGS];
	int cnt = coding_list(codings, kinds);
	struct inflate *f;

	if (cnt <= 0) {
		if (!cnt)
			*ret = NULL;
		else
			drop(KS_DROP_bad_body, 1);
		return cnt;
	}
	f = pool_take(all->bodies);
	if (!f)
		goto full;
	f->all = all;
	for (int i = 0; i < cnt; i++) {
		f->step[i] = step_take(all, kinds[i]);
		if (!f->step[i]) {
			inflate_free(f);
			goto full;
		}
		f->cnt++;
	}
	*ret = f;
	return 0;
full:
	drop(KS_DROP_inflaters_full, 1);
	return -ENOBUFS;
}
