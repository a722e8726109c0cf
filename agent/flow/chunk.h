/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The chunk: ordered bytes of one direction of one stream, gaps marked. Borrowed until the callback returns.
 * Loop thread.
 */
#pragma once

#include <stdint.h>

#include "base/origin.h"
#include "base/slice.h"

enum chunk_kind {
	CHUNK_DATA, /* data holds the next bytes */
	CHUNK_GAP, /* gap_len bytes are missing here (0: unknown how many); `why` says why (enum incomplete) */
	CHUNK_END, /* the stream is over, both directions; exactly once, also on eviction */
};

struct chunk {
	enum chunk_kind kind;
	enum ks_dir dir;
	uint64_t
		ts_ns; /* when the bytes were on this side of the wire: call entry for sent, return for received */
	uint64_t offset; /* of data[0] or of the gap */
	uint64_t gap_len;
	uint32_t why; /* GAP: reason; END: 0, or INCOMPLETE_CUT: without a CLOSE, _EVICTED, _STOPPED */
	struct slice data;
	const struct conn_info *conn;
	void **state; /* a slot of the next stage in this stream: NULL at first, freed by it at END */
};

struct chunk_sink {
	void *ctx;
	void (*push)(void *ctx, const struct chunk *chunk);
};
