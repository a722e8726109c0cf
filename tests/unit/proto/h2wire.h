/* SPDX-License-Identifier: Apache-2.0 */
/* Both ends of an HTTP/2 connection as a test writes them: frames, header blocks by nghttp2's deflater, into a script. */
#pragma once

#include <nghttp2/nghttp2.h>

#include "proto/h2frame.h"
#include "unit/proto/world.h"

#define WIRE_STEPS 128
#define PREFACE	   "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

struct wire {
	struct step steps[WIRE_STEPS];
	size_t cnt;
	char bytes[64 * 1024];
	size_t len;
	enum ks_dir client; /* the direction of requests */
	bool join; /* what comes next goes into the same record, if the direction is the same */
	nghttp2_hd_deflater *tables[KS_DIR_CNT];
	/* of the header blocks to come */
	size_t fragment; /* most bytes of a frame, 0: one frame */
	uint8_t pad;
	bool priority;
};

static inline void wire_init(struct wire *w, enum ks_dir client)
{
	memset(w, 0, sizeof(*w));
	w->client = client;
	for (int dir = 0; dir < KS_DIR_CNT; dir++)
		assert_int_equal(nghttp2_hd_deflate_new(&w->tables[dir], 4096), 0);
}

static inline void wire_done(struct wire *w)
{
	for (int dir = 0; dir < KS_DIR_CNT; dir++)
		nghttp2_hd_deflate_del(w->tables[dir]);
}

static inline void wire_bytes(struct wire *w, enum ks_dir dir, const void *at, size_t len)
{
	struct step *last = w->cnt ? &w->steps[w->cnt - 1] : NULL;

	assert_true(w->len + len <= sizeof(w->bytes) && w->cnt < WIRE_STEPS);
	memcpy(w->bytes + w->len, at, len);
	if (w->join && last && last->dir == dir)
		last->bytes.len += len;
	else
		w->steps[w->cnt++] = (struct step){ dir, { w->bytes + w->len, len } };
	w->len += len;
}

static inline void wire_frame(struct wire *w, enum ks_dir dir, uint32_t stream, uint8_t type,
			      uint8_t flags, struct slice payload)
{
	uint8_t head[H2_HEADER] = { (uint8_t)(payload.len >> 16),
				    (uint8_t)(payload.len >> 8),
				    (uint8_t)payload.len,
				    type,
				    flags,
				    (uint8_t)(stream >> 24),
				    (uint8_t)(stream >> 16),
				    (uint8_t)(stream >> 8),
				    (uint8_t)stream };
	char all[KS_CHUNK_CAP];

	memcpy(all, head, sizeof(head));
	if (payload.len)
		memcpy(all + sizeof(head), payload.ptr, payload.len);
	wire_bytes(w, dir, all, sizeof(head) + payload.len);
}

/* front: fields before the payload proper. */
static inline void wire_padded(struct wire *w, enum ks_dir dir, uint32_t stream, uint8_t type,
			       uint8_t flags, struct slice front, struct slice in)
{
	char all[KS_CHUNK_CAP];
	size_t len = 0;

	if (w->pad) {
		flags |= H2_PADDED;
		all[len++] = (char)w->pad;
	}
	if (front.len)
		memcpy(all + len, front.ptr, front.len);
	len += front.len;
	if (in.len)
		memcpy(all + len, in.ptr, in.len);
	len += in.len;
	memset(all + len, 0, w->pad);
	wire_frame(w, dir, stream, type, flags, (struct slice){ all, len + w->pad });
}

static inline void wire_data(struct wire *w, enum ks_dir dir, uint32_t stream, const char *text,
			     bool end)
{
	wire_padded(w, dir, stream, H2_DATA, end ? H2_END_STREAM : 0, SLICE_NONE, slice_str(text));
}

/* fields: "name: value\n" ... */
static inline size_t wire_block(struct wire *w, enum ks_dir dir, const char *fields, char *out,
				size_t cap)
{
	nghttp2_nv nv[32];
	size_t cnt = 0;
	ssize_t len;

	while (*fields) {
		const char *colon = strchr(fields + 1, ':'), *lf = strchr(fields, '\n');

		nv[cnt++] = (nghttp2_nv){ (uint8_t *)fields, (uint8_t *)colon + 2,
					  (size_t)(colon - fields), (size_t)(lf - colon - 2), 0 };
		fields = lf + 1;
	}
	len = nghttp2_hd_deflate_hd(w->tables[dir], (uint8_t *)out, cap, nv, cnt);
	assert_true(len >= 0);
	return (size_t)len;
}

static inline void wire_block_frames(struct wire *w, enum ks_dir dir, uint32_t stream, uint8_t type,
				     bool end, struct slice front, const char *fields)
{
	char block[8192];
	struct slice in = { block, wire_block(w, dir, fields, block, sizeof(block)) };
	bool first = true;

	while (first || in.len) {
		size_t len = w->fragment && w->fragment < in.len ? w->fragment : in.len;
		uint8_t flags = len == in.len ? H2_END_HEADERS : 0;
		struct slice part = { in.ptr, len };

		if (!first)
			wire_frame(w, dir, stream, H2_CONTINUATION, flags, part);
		else
			wire_padded(w, dir, stream, type,
				    flags | (end ? H2_END_STREAM : 0) |
					    (type == H2_HEADERS && front.len ? H2_HAS_PRIORITY : 0),
				    front, part);
		first = false;
		in = slice_from(in, len);
	}
}

static inline void wire_headers(struct wire *w, enum ks_dir dir, uint32_t stream,
				const char *fields, bool end)
{
	wire_block_frames(w, dir, stream, H2_HEADERS, end,
			  w->priority ? SLICE("\0\0\0\0\x10") : SLICE_NONE, fields);
}

static inline void wire_start(struct wire *w)
{
	bool join = w->join;

	wire_bytes(w, w->client, PREFACE, sizeof(PREFACE) - 1);
	w->join = true;
	wire_frame(w, w->client, 0, H2_SETTINGS, 0, SLICE("\0\3\0\0\0\x64\0\4\0\1\0\0"));
	wire_frame(w, w->client, 0, H2_WINDOW_UPDATE, 0, SLICE("\0\1\0\0"));
	w->join = join;
	wire_frame(w, !w->client, 0, H2_SETTINGS, 0, SLICE("\0\3\0\0\0\x64"));
	wire_frame(w, w->client, 0, H2_SETTINGS, H2_ACK, SLICE_NONE);
	wire_frame(w, !w->client, 0, H2_SETTINGS, H2_ACK, SLICE_NONE);
}

#define REQUEST(method, path)                                                        \
	":method: " method "\n:scheme: https\n:authority: api.example\n:path: " path \
	"\nuser-agent: test/1.0\naccept: */*\nauthorization: Bearer SECRET\ncontent-type: application/json\n"
#define RESPONSE(status, id) \
	":status: " status "\nx-id: " id "\nserver: wire\ndate: Mon, 21 Oct 2013 20:13:21 GMT\n"
