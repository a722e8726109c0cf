/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fixed number of fixed-size entries in order of use. All memory is reserved at the start and touched only when an
 * entry is first taken, so that an idle agent stays small; nothing is allocated later. Owner: one thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct pool;

/* -ENOMEM. cap entries of len bytes each. */
int pool_new(size_t len, uint32_t cap, struct pool **ret);
void pool_free(struct pool *p);
/* Worst-case memory of such a pool. */
size_t pool_bytes(size_t len, uint32_t cap);

/* A zeroed entry, aligned to 16, most recently used; NULL when all are taken. */
void *pool_take(struct pool *p);
/* Give an entry back. Its first `dirty` bytes are wiped (they may be content); the rest must be zero. */
void pool_give(struct pool *p, void *entry, size_t dirty);
/* It was used just now. */
void pool_touch(struct pool *p, void *entry);
/* Out of the order of use, and so never the oldest; and back as the most recently used. */
void pool_pin(struct pool *p, void *entry);
void pool_unpin(struct pool *p, void *entry);
/* The least recently used entry that is taken and not pinned; NULL if none. */
void *pool_oldest(const struct pool *p);
/* Entries taken, and how many there are. */
uint32_t pool_cnt(const struct pool *p);
uint32_t pool_cap(const struct pool *p);
/* A number below cap that names the entry while it is taken. */
uint32_t pool_index(const struct pool *p, const void *entry);
void *pool_at(const struct pool *p, uint32_t index);
