/* SPDX-License-Identifier: Apache-2.0 */
/* A growing byte buffer with a cap; used again, so that a warm one allocates nothing. One owner. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct buf {
	char *ptr;
	size_t len, room, cap;
	bool failed; /* something did not fit; the contents are cut */
};

void buf_init(struct buf *b, size_t cap);
void buf_done(struct buf *b);
void buf_reset(struct buf *b);
/* Room for len more bytes at ptr + len, or NULL (failed is set). The caller adds to len. */
char *buf_room(struct buf *b, size_t len);
void buf_put(struct buf *b, const void *data, size_t len);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* s with each maximal invalid UTF-8 sequence replaced by U+FFFD (Unicode 15, section 3.9). */
void buf_utf8(struct buf *b, struct slice s);

static inline void buf_str(struct buf *b, struct slice s)
{
	buf_put(b, s.ptr, s.len);
}

static inline struct slice buf_slice(const struct buf *b)
{
	return (struct slice){ b->ptr, b->len };
}

/* Length of the valid UTF-8 sequence at s (1 to 4), or 0; *ret_skip: bytes of the maximal invalid part. */
size_t utf8_len(struct slice s, size_t *ret_skip);
