/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash table of fixed capacity over a pool (base/pool.h): entries are found by two numbers, kept in order of use,
 * and never move. A full table gives up its least recently used entry, after telling its owner. Owner: one thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct table;

struct table_cfg {
	size_t len;   /* bytes of an entry */
	uint32_t cap; /* most entries */
	/* An entry is given up to make room. It goes after this returns; the callback may delete other entries, not
	 * this one. May be NULL. */
	void (*evict)(void *ctx, void *entry);
	void *ctx;
};

/* -ENOMEM. */
int table_new(const struct table_cfg *cfg, struct table **ret);
/* Entries that are left just vanish. NULL is fine. */
void table_free(struct table *t);
/* Worst-case memory of such a table. */
size_t table_bytes(const struct table_cfg *cfg);

/* The entry with this key and minor key (within slack of minor: slack 0 for exactly), NULL if there is none. */
void *table_find(const struct table *t, uint64_t key, uint64_t minor, uint64_t slack);
/* A zeroed entry that takes this key, most recently used. Evicts if the table is full; NULL when all are pinned. */
void *table_add(struct table *t, uint64_t key, uint64_t minor);
/* Without the evict callback. */
void table_del(struct table *t, void *entry);
void table_touch(struct table *t, void *entry);
/* A pinned entry is never evicted. Pins do not nest. */
void table_pin(struct table *t, void *entry);
void table_unpin(struct table *t, void *entry);
/* The least recently used entry that is not pinned; NULL if there is none. */
void *table_oldest(const struct table *t);
uint32_t table_cnt(const struct table *t);
