/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bump arena with a cap: the memory of one exchange. Blocks come from and return to a shared pool of fixed
 * blocks, so that a warm agent allocates nothing. Contents are wiped when returned: they may be prompts. Loop thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct arena_pool; /* owns the blocks; free after every arena of it is done */

/* block_len: bytes of a block; block_max: most blocks in use at once. NULL: out of memory. */
struct arena_pool *arena_pool_new(size_t block_len, size_t block_max);
void arena_pool_free(struct arena_pool *pool);
/* Bytes held now, for `stats`. */
size_t arena_pool_bytes(const struct arena_pool *pool);

struct arena {
	struct arena_pool *pool;
	struct arena_block *blocks; /* newest first */
	size_t used, cap;	    /* bytes handed out, most that may be */
	bool full;		    /* an allocation was refused */
};

void arena_init(struct arena *a, struct arena_pool *pool, size_t cap);
/* Wipes and gives back all memory; the arena may be used again. */
void arena_done(struct arena *a);
/* Zeroed bytes, aligned to 16; NULL when cap or pool is exhausted (a->full is set). len <= block_len. */
void *arena_alloc(struct arena *a, size_t len);
/* A copy of s in the arena; an empty slice when it does not fit. */
struct slice arena_dup(struct arena *a, struct slice s);
