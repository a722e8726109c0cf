/* SPDX-License-Identifier: Apache-2.0 */
/* Protocol Buffers wire format (protobuf.dev, "Encoding"), the little that OTLP needs. Writes into a buf; pure. */
#pragma once

#include <stdbool.h>

#include "export/buf.h"

enum pb_wire { PB_VARINT = 0, PB_FIXED64 = 1, PB_LEN = 2, PB_FIXED32 = 5 };

void pb_varint(struct buf *b, uint64_t v);
void pb_tag(struct buf *b, unsigned int field, enum pb_wire wire);
void pb_uint(struct buf *b, unsigned int field, uint64_t v);
void pb_fixed64(struct buf *b, unsigned int field, uint64_t v);
void pb_fixed32(struct buf *b, unsigned int field, uint32_t v);
void pb_double(struct buf *b, unsigned int field, double v);
void pb_bytes(struct buf *b, unsigned int field, const void *data, size_t len);
/* A string field must be UTF-8: invalid bytes are replaced. */
void pb_string(struct buf *b, unsigned int field, struct slice s);
/* An embedded message: write its fields between begin and end. */
size_t pb_begin(struct buf *b, unsigned int field);
void pb_end(struct buf *b, size_t begin);

/* Reading. One field of a message; false at the end or at the first malformed byte (*ret_bad tells which). */
struct pb_field {
	unsigned int field;
	enum pb_wire wire;
	uint64_t value;	   /* VARINT, FIXED64, FIXED32 */
	struct slice data; /* LEN */
};
bool pb_next(struct slice *rest, struct pb_field *ret, bool *ret_bad);
