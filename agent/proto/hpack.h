/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Header compression of HTTP/2 (RFC 7541), one direction of a connection, also when blocks before were lost: what
 * refers to table entries that nobody here saw is left out, and that is said. Table memory is limited for all
 * connections together (KS_HPACK_MEM). Loop thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct hpacks; /* all tables of one proto */
struct nghttp2_hd_inflater;

/* -ENOMEM. */
int hpacks_new(struct hpacks **ret);
/* After hpack_done() of all. NULL is fine. */
void hpacks_free(struct hpacks *all);
/* Bytes held by tables now, and at worst. */
size_t hpacks_used(const struct hpacks *all);
size_t hpacks_bytes(void);

struct hpack { /* zero is the initial state, the one of a connection's start */
	struct nghttp2_hd_inflater *inflater; /* made on use */
	uint32_t table;			      /* its size as last announced, 0: not announced */
};

void hpack_done(struct hpack *h);
/* Blocks were lost: no table entry is known any more. Those that come from now on are. */
void hpack_forget(struct hpack *h);

enum hpack_result {
	HPACK_WHOLE, /* every field was given */
	HPACK_HOLES, /* fields are missing whose name or value is not known */
	HPACK_BAD, /* it breaks the syntax, or there is no memory: fields may be missing, the table is forgotten */
};

/* The name and value of one field, borrowed for the call. */
typedef void (*hpack_fn)(void *ctx, struct slice name, struct slice value);
/* Decode a whole header block, the fragments of its frames joined (RFC 9113 section 4.3). */
enum hpack_result hpack_block(struct hpack *h, struct hpacks *all, struct slice block, hpack_fn fn,
			      void *ctx);
