/* SPDX-License-Identifier: Apache-2.0 */
/* The protobuf writer and reader. Pure. */
#include "export/pb.h"

#include <endian.h>

#define VARINT_MAX 10

static size_t varint(uint64_t v, uint8_t at[VARINT_MAX])
{
	size_t len = 0;

	for (; v >= 0x80; v >>= 7)
		at[len++] = (uint8_t)(v | 0x80);
	at[len++] = (uint8_t)v;
	return len;
}

void pb_varint(struct buf *b, uint64_t v)
{
	uint8_t at[VARINT_MAX];

	buf_put(b, at, varint(v, at));
}

void pb_tag(struct buf *b, unsigned int field, enum pb_wire wire)
{
	pb_varint(b, (uint64_t)field << 3 | wire);
}

void pb_uint(struct buf *b, unsigned int field, uint64_t v)
{
	pb_tag(b, field, PB_VARINT);
	pb_varint(b, v);
}

void pb_fixed64(struct buf *b, unsigned int field, uint64_t v)
{
	v = htole64(v);
	pb_tag(b, field, PB_FIXED64);
	buf_put(b, &v, sizeof(v));
}

void pb_fixed32(struct buf *b, unsigned int field, uint32_t v)
{
	v = htole32(v);
	pb_tag(b, field, PB_FIXED32);
	buf_put(b, &v, sizeof(v));
}

void pb_double(struct buf *b, unsigned int field, double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	pb_fixed64(b, field, bits);
}

void pb_bytes(struct buf *b, unsigned int field, const void *data, size_t len)
{
	pb_tag(b, field, PB_LEN);
	pb_varint(b, len);
	buf_put(b, data, len);
}

void pb_string(struct buf *b, unsigned int field, struct slice s)
{
	size_t at = pb_begin(b, field);

	buf_utf8(b, s);
	pb_end(b, at);
}

size_t pb_begin(struct buf *b, unsigned int field)
{
	pb_tag(b, field, PB_LEN);
	return b->len;
}

/* Lengths are written in as few bytes as they need, so the message moves up by that much. */
void pb_end(struct buf *b, size_t begin)
{
	size_t len = b->len - begin, head;
	uint8_t at[VARINT_MAX];

	head = varint(len, at);
	if (b->failed || !buf_room(b, head))
		return;
	memmove(b->ptr + begin + head, b->ptr + begin, len);
	memcpy(b->ptr + begin, at, head);
	b->len += head;
}

static bool read_varint(struct slice *s, uint64_t *ret)
{
	uint64_t v = 0;

	for (size_t i = 0; i < s->len && i < VARINT_MAX; i++) {
		uint8_t c = (uint8_t)s->ptr[i];

		v |= (uint64_t)(c & 0x7f) << (7 * i);
		if (c & 0x80)
			continue;
		*s = slice_from(*s, i + 1);
		*ret = v;
		return true;
	}
	return false;
}

static bool read_fixed(struct slice *s, size_t len, uint64_t *ret)
{
	uint64_t v = 0;

	if (s->len < len)
		return false;
	memcpy(&v, s->ptr, len);
	*ret = le64toh(v);
	*s = slice_from(*s, len);
	return true;
}

bool pb_next(struct slice *rest, struct pb_field *ret, bool *ret_bad)
{
	uint64_t tag, len;

	*ret_bad = false;
	if (!rest->len)
		return false;
	*ret_bad = true;
	if (!read_varint(rest, &tag) || tag >> 3 == 0 || tag >> 32)
		return false;
	*ret = (struct pb_field){ .field = (unsigned int)(tag >> 3), .wire = (enum pb_wire)(tag & 7) };
	switch (tag & 7) {
	case PB_VARINT:
		*ret_bad = !read_varint(rest, &ret->value);
		break;
	case PB_FIXED64:
		*ret_bad = !read_fixed(rest, 8, &ret->value);
		break;
	case PB_FIXED32:
		*ret_bad = !read_fixed(rest, 4, &ret->value);
		break;
	case PB_LEN:
		if (!read_varint(rest, &len) || len > rest->len)
			return false;
		ret->data = (struct slice){ rest->ptr, len };
		*rest = slice_from(*rest, len);
		*ret_bad = false;
		break;
	default:
		return false;
	}
	return !*ret_bad;
}
