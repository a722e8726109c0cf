/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A chained hash index over the slots of a fixed array: the array's owner keeps the entries, this keeps who shares
 * a bucket. Slot numbers are below the count given at hidx_init. Any thread; owns its two arrays.
 */
#pragma once

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#define HIDX_NONE UINT32_MAX

struct hidx {
	uint32_t *head; /* slot + 1, 0 = empty; mask + 1 of them */
	uint32_t *next;
	uint32_t mask;
};

/* slot_cnt: a power of two. 0 or -ENOMEM. */
static inline int hidx_init(struct hidx *x, uint32_t slot_cnt)
{
	x->mask = slot_cnt - 1;
	x->head = calloc(slot_cnt, sizeof(*x->head));
	x->next = calloc(slot_cnt, sizeof(*x->next));
	return x->head && x->next ? 0 : -ENOMEM;
}

static inline void hidx_done(struct hidx *x)
{
	free(x->head);
	free(x->next);
}

/* Finalizer of MurmurHash3: neighbours in key space land in different buckets. */
static inline uint32_t hidx_bucket(const struct hidx *x, uint64_t key)
{
	key ^= key >> 33;
	key *= 0xff51afd7ed558ccdULL;
	key ^= key >> 33;
	return (uint32_t)key & x->mask;
}

static inline uint32_t hidx_first(const struct hidx *x, uint64_t key)
{
	return x->head[hidx_bucket(x, key)] - 1;
}

static inline uint32_t hidx_next(const struct hidx *x, uint32_t slot)
{
	return x->next[slot] - 1;
}

static inline void hidx_add(struct hidx *x, uint64_t key, uint32_t slot)
{
	uint32_t *head = &x->head[hidx_bucket(x, key)];

	x->next[slot] = *head;
	*head = slot + 1;
}

static inline void hidx_del(struct hidx *x, uint64_t key, uint32_t slot)
{
	uint32_t *at = &x->head[hidx_bucket(x, key)];

	while (*at && *at != slot + 1)
		at = &x->next[*at - 1];
	if (*at)
		*at = x->next[slot];
}
