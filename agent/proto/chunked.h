/* SPDX-License-Identifier: Apache-2.0 */
/* The chunked transfer coding (RFC 9112 section 7.1) as it passes: extensions and trailers are skipped. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct chunked {	/* zero is the initial state */
	uint8_t state;	/* enum chunked_state */
	uint8_t digits; /* of the size that is being read */
	bool strict;	/* behind a hole: the next size line has no extension */
	uint64_t left;	/* the size so far; then data bytes to come */
};

enum chunked_result {
	CHUNKED_MORE, /* all input was taken */
	CHUNKED_DATA, /* *ret_data are the next body bytes; call again with the rest */
	CHUNKED_END,  /* the body is complete; *in is what follows */
	CHUNKED_BAD,
};
/* Take the front of *in. */
enum chunked_result chunked_push(struct chunked *c, struct slice *in, struct slice *ret_data);
/* len bytes are missing here. true: they are body bytes of the chunk that is open, and nothing else. false: what
 * comes next must be the start of a chunk, or chunked_push() says it is bad. */
bool chunked_gap(struct chunked *c, uint64_t len);
