/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content codings undone as the bytes pass: gzip, deflate, br, zstd, up to two of them on one body. Decoder state is
 * made on use, reused, and limited in number, in bytes (KS_INFLATE_MEM) and in growth (KS_INFLATE_RATIO). Loop thread.
 */
#pragma once

#include <stddef.h>

#include "base/slice.h"

struct inflaters; /* all decoders of one proto */
struct inflate;	  /* the decoder of one body */

/* -ENOMEM. */
int inflaters_new(struct inflaters **ret);
/* After inflate_free() of all. NULL is fine. */
void inflaters_free(struct inflaters *all);
/* Worst-case memory. */
size_t inflaters_bytes(void);

enum inflate_result {
	INFLATE_MORE, /* all input was taken */
	INFLATE_BAD, /* cannot be decoded, or grew too much, or no memory; counted. Free it, drop the rest */
};

#define INFLATE_CODINGS 2
/* The decoder for a list of codings in the order they were applied, as in Content-Encoding (RFC 9110 section 8.4):
 * "gzip", "br, zstd", ... 0 with *ret NULL: nothing to undo. -ENOTSUP: a coding we do not know, or too many;
 * counted. -ENOBUFS: too many bodies at once; counted. */
int inflate_new(struct inflaters *all, struct slice codings, struct inflate **ret);
/* NULL is fine. */
void inflate_free(struct inflate *f);
/* Decode in, call out with what it gives, at most 64 KiB at a time, borrowed. */
enum inflate_result inflate_push(struct inflate *f, struct slice in,
				 void (*out)(void *ctx, struct slice data), void *ctx);
