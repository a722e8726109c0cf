/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chains of entry indexes behind twice as many buckets as entries. The hash takes the major key only, so that one
 * chain holds every minor key and a search with slack sees them all. Owner: one thread.
 */
#include "base/table.h"

#include <errno.h>
#include <stdlib.h>

#include "base/pool.h"

struct slot {
	uint64_t key, minor;
	uint32_t next; /* entry index + 1, 0 ends the chain */
	uint32_t pad[3];
};

struct table {
	struct pool *pool;
	uint32_t *buckets;
	uint32_t mask;
	size_t len;
	void (*evict)(void *ctx, void *entry);
	void *ctx;
};

static uint32_t bucket_cnt(uint32_t cap)
{
	uint32_t n = 16;

	while (n < cap * 2)
		n *= 2;
	return n;
}

size_t table_bytes(const struct table_cfg *cfg)
{
	return sizeof(struct table) + bucket_cnt(cfg->cap) * sizeof(uint32_t) +
	       pool_bytes(sizeof(struct slot) + cfg->len, cfg->cap);
}

int table_new(const struct table_cfg *cfg, struct table **ret)
{
	struct table *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->mask = bucket_cnt(cfg->cap) - 1;
	t->len = sizeof(struct slot) + cfg->len;
	t->evict = cfg->evict;
	t->ctx = cfg->ctx;
	t->buckets = calloc((size_t)t->mask + 1, sizeof(*t->buckets));
	if (!t->buckets || pool_new(t->len, cfg->cap, &t->pool) < 0) {
		free(t->buckets);
		free(t);
		return -ENOMEM;
	}
	*ret = t;
	return 0;
}

void table_free(struct table *t)
{
	if (!t)
		return;
	pool_free(t->pool);
	free(t->buckets);
	free(t);
}

static uint32_t *bucket(const struct table *t, uint64_t key)
{
	return &t->buckets[(key * 0x9e3779b97f4a7c15ull >> 32) & t->mask];
}

static struct slot *slot_of(void *entry)
{
	return (struct slot *)entry - 1;
}

void *table_find(const struct table *t, uint64_t key, uint64_t minor, uint64_t slack)
{
	uint32_t i = *bucket(t, key);

	while (i) {
		struct slot *s = pool_at(t->pool, i - 1);
		uint64_t apart = s->minor > minor ? s->minor - minor : minor - s->minor;

		if (s->key == key && apart <= slack)
			return s + 1;
		i = s->next;
	}
	return NULL;
}

void *table_add(struct table *t, uint64_t key, uint64_t minor)
{
	struct slot *s = pool_take(t->pool);
	uint32_t *head;

	while (!s) { /* the callback may have made room elsewhere, never less */
		struct slot *old = pool_oldest(t->pool);

		if (!old)
			return NULL;
		if (t->evict)
			t->evict(t->ctx, old + 1);
		table_del(t, old + 1);
		s = pool_take(t->pool);
	}
	head = bucket(t, key);
	s->key = key;
	s->minor = minor;
	s->next = *head;
	*head = pool_index(t->pool, s) + 1;
	return s + 1;
}

void table_del(struct table *t, void *entry)
{
	struct slot *s = slot_of(entry);
	uint32_t *link = bucket(t, s->key), self = pool_index(t->pool, s) + 1;

	while (*link != self)
		link = &((struct slot *)pool_at(t->pool, *link - 1))->next;
	*link = s->next;
	pool_give(t->pool, s, t->len);
}

void table_touch(struct table *t, void *entry)
{
	pool_touch(t->pool, slot_of(entry));
}

void table_pin(struct table *t, void *entry)
{
	pool_pin(t->pool, slot_of(entry));
}

void table_unpin(struct table *t, void *entry)
{
	pool_unpin(t->pool, slot_of(entry));
}

void *table_oldest(const struct table *t)
{
	struct slot *s = pool_oldest(t->pool);

	return s ? s + 1 : NULL;
}

uint32_t table_cnt(const struct table *t)
{
	return pool_cnt(t->pool);
}
