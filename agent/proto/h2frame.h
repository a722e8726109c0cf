/* SPDX-License-Identifier: Apache-2.0 */
/* The frame header of HTTP/2 (RFC 9113 sections 4 and 6), and how to find one among bytes. Pure functions. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

enum h2_type {
	H2_DATA,
	H2_HEADERS,
	H2_PRIORITY,
	H2_RST_STREAM,
	H2_SETTINGS,
	H2_PUSH_PROMISE,
	H2_PING,
	H2_GOAWAY,
	H2_WINDOW_UPDATE,
	H2_CONTINUATION,
	H2_TYPES, /* others are extensions, to be ignored (section 5.5) */
};

enum h2_flag {
	H2_END_STREAM = 0x1,
	H2_ACK = 0x1,
	H2_END_HEADERS = 0x4,
	H2_PADDED = 0x8,
	H2_HAS_PRIORITY = 0x20,
};

#define H2_HEADER 9 /* bytes of a frame header */

struct h2_frame {
	uint32_t len; /* of the payload */
	uint8_t type; /* enum h2_type */
	uint8_t flags;
	uint32_t stream;
};

/* From H2_HEADER bytes. */
struct h2_frame h2_frame_parse(const char *at);
/* Does its length fit its type, and is it on a stream or on none as its type must be? */
bool h2_frame_valid(const struct h2_frame *f);
/* Does a frame begin here, the start of one record's bytes, as far as can be told: others follow it up to the end, or
 * it ends with the record, or it is the DATA of an open stream? */
bool h2_frame_here(struct slice in, bool (*open)(const void *ctx, uint32_t stream),
		   const void *ctx);
/* Where in one record's bytes a frame begins: there, or with others that follow it further on. in.len: nowhere. */
size_t h2_frame_find(struct slice in, bool (*open)(const void *ctx, uint32_t stream),
		     const void *ctx);
