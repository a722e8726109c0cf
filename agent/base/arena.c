/* SPDX-License-Identifier: Apache-2.0 */
/* Arenas over a pool of blocks. A block is wiped when it goes back: what it gives next is zero. Loop thread. */
#include "base/arena.h"

#include <stdlib.h>

#include "base/pool.h"

struct arena_pool {
	struct pool *blocks;
	size_t len; /* of a block, its header included */
};

struct arena_block {
	struct arena_block *next;
	size_t used; /* header included; a multiple of 16 */
};

struct arena_pool *arena_pool_new(size_t block_len, size_t block_max)
{
	struct arena_pool *ap = calloc(1, sizeof(*ap));

	if (!ap)
		return NULL;
	ap->len = sizeof(struct arena_block) + ((block_len + 15) & ~(size_t)15);
	if (pool_new(ap->len, (uint32_t)block_max, &ap->blocks) < 0) {
		free(ap);
		return NULL;
	}
	return ap;
}

void arena_pool_free(struct arena_pool *pool)
{
	if (!pool)
		return;
	pool_free(pool->blocks);
	free(pool);
}

size_t arena_pool_bytes(const struct arena_pool *pool)
{
	return pool_cnt(pool->blocks) * pool->len;
}

void arena_init(struct arena *a, struct arena_pool *pool, size_t cap)
{
	*a = (struct arena){ .pool = pool, .cap = cap };
}

void arena_done(struct arena *a)
{
	struct arena_block *b = a->blocks;

	while (b) {
		struct arena_block *next = b->next;

		pool_give(a->pool->blocks, b, b->used);
		b = next;
	}
	arena_init(a, a->pool, a->cap);
}

void *arena_alloc(struct arena *a, size_t len)
{
	struct arena_block *b = a->blocks;
	size_t need = (len + 15) & ~(size_t)15;

	if (need < len || need > a->pool->len - sizeof(*b) || need > a->cap - a->used)
		goto full;
	if (!b || b->used + need > a->pool->len) {
		b = pool_take(a->pool->blocks);
		if (!b)
			goto full;
		b->next = a->blocks;
		b->used = sizeof(*b);
		a->blocks = b;
	}
	void *ret = (char *)b + b->used;

	b->used += need;
	a->used += need;
	return ret;
full:
	a->full = true;
	return NULL;
}

struct slice arena_dup(struct arena *a, struct slice s)
{
	char *copy = s.len ? arena_alloc(a, s.len) : NULL;

	if (!copy)
		return SLICE_NONE;
	memcpy(copy, s.ptr, s.len);
	return (struct slice){ copy, s.len };
}
