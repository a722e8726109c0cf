/* SPDX-License-Identifier: Apache-2.0 */
/* The growing buffer and the UTF-8 repair that both text formats need. One owner. */
#include "export/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void buf_init(struct buf *b, size_t cap)
{
	*b = (struct buf){ .cap = cap };
}

void buf_done(struct buf *b)
{
	free(b->ptr);
	*b = (struct buf){ .cap = b->cap };
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	b->failed = false;
}

char *buf_room(struct buf *b, size_t len)
{
	size_t room = b->room ? b->room : 1024;
	char *ptr;

	if (len <= b->room - b->len && !b->failed)
		return b->ptr + b->len;
	if (b->failed || len > b->cap || b->len > b->cap - len)
		goto fail;
	while (room < b->len + len)
		room *= 2;
	if (room > b->cap)
		room = b->cap;
	ptr = realloc(b->ptr, room);
	if (!ptr)
		goto fail;
	b->ptr = ptr;
	b->room = room;
	return b->ptr + b->len;
fail:
	b->failed = true;
	return NULL;
}

void buf_put(struct buf *b, const void *data, size_t len)
{
	char *at = len ? buf_room(b, len) : NULL;

	if (!at)
		return;
	memcpy(at, data, len);
	b->len += len;
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	char text[128];
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (len >= 0 && (size_t)len < sizeof(text)) {
		buf_put(b, text, (size_t)len);
		return;
	}
	char *room = len < 0 ? NULL : buf_room(b, (size_t)len + 1);
	if (!room) {
		b->failed = true;
		return;
	}
	va_start(ap, fmt);
	vsnprintf(room, (size_t)len + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)len;
}

/* Unicode 15, table 3-7: the second byte has a range of its own after E0, ED, F0 and F4. */
size_t utf8_len(struct slice s, size_t *ret_skip)
{
	const unsigned char *p = (const unsigned char *)s.ptr;
	unsigned char low = 0x80, high = 0xbf;
	size_t need, i;

	if (p[0] < 0x80)
		return 1;
	*ret_skip = 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	need = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	for (i = 1; i < need; i++, low = 0x80, high = 0xbf)
		if (i >= s.len || p[i] < low || p[i] > high) {
			*ret_skip = i;
			return 0;
		}
	return need;
}

void buf_utf8(struct buf *b, struct slice s)
{
	size_t i = 0, start = 0, skip;

	while (i < s.len) {
		size_t len = utf8_len(slice_from(s, i), &skip);

		if (len) {
			i += len;
			continue;
		}
		buf_put(b, s.ptr + start, i - start);
		buf_str(b, SLICE("\xef\xbf\xbd"));
		i += skip;
		start = i;
	}
	buf_put(b, s.ptr + start, i - start);
}
