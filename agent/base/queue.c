/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks of items on a list under a lock that is held for pointer writes only. `open` is the producer's alone; blocks
 * on the list or taken belong to the worker's side. Limits are kept by two counters that both sides write.
 */
#include "base/queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BLOCK_LEN (64 * 1024)
#define ITEM_HEAD sizeof(uint32_t)

struct queue_block {
	struct queue_block *next;
	size_t len, room, items;
	char data[];
};

struct queue {
	size_t item_max, byte_max;
	size_t items, bytes; /* atomic */
	struct queue_block *open;

	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct queue_block *first, **tail;
	struct queue_block *spare; /* one block kept for the producer */
	bool closed;
	uint64_t deadline_ns; /* atomic */
};

struct queue *queue_new(size_t item_max, size_t byte_max)
{
	struct queue *q = calloc(1, sizeof(*q));
	pthread_condattr_t attr;

	if (!q)
		return NULL;
	q->item_max = item_max;
	q->byte_max = byte_max;
	q->tail = &q->first;
	pthread_mutex_init(&q->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&q->wake, &attr);
	pthread_condattr_destroy(&attr);
	return q;
}

void queue_free(struct queue *q)
{
	if (!q)
		return;
	for (struct queue_block *b = q->first, *next; b; b = next) {
		next = b->next;
		free(b);
	}
	free(q->open);
	free(q->spare);
	pthread_cond_destroy(&q->wake);
	pthread_mutex_destroy(&q->lock);
	free(q);
}

size_t queue_items(const struct queue *q)
{
	return __atomic_load_n(&q->items, __ATOMIC_RELAXED);
}

size_t queue_bytes(const struct queue *q)
{
	return __atomic_load_n(&q->bytes, __ATOMIC_RELAXED);
}

static void publish(struct queue *q)
{
	struct queue_block *b = q->open;

	if (!b || !b->items)
		return;
	q->open = NULL;
	pthread_mutex_lock(&q->lock);
	*q->tail = b;
	q->tail = &b->next;
	pthread_cond_signal(&q->wake);
	pthread_mutex_unlock(&q->lock);
}

static struct queue_block *block_with_room(struct queue *q, size_t need)
{
	struct queue_block *b = q->open;
	size_t room = need > BLOCK_LEN ? need : BLOCK_LEN;

	if (b && b->room - b->len >= need)
		return b;
	publish(q);
	if (q->open) /* empty, and too small for this item */
		free(q->open);
	pthread_mutex_lock(&q->lock);
	b = q->spare;
	q->spare = NULL;
	pthread_mutex_unlock(&q->lock);
	if (b && b->room < room) {
		free(b);
		b = NULL;
	}
	if (!b) {
		b = malloc(sizeof(*b) + room);
		if (b)
			b->room = room;
	}
	if (b) {
		b->next = NULL;
		b->len = b->items = 0;
	}
	q->open = b;
	return b;
}

int queue_put(struct queue *q, struct slice a, struct slice tail)
{
	uint32_t len = (uint32_t)(a.len + tail.len);
	size_t need = ITEM_HEAD + a.len + tail.len;
	struct queue_block *b;
	char *at;

	if (queue_items(q) >= q->item_max || need > q->byte_max || queue_bytes(q) > q->byte_max - need)
		return -ENOBUFS;
	b = block_with_room(q, need);
	if (!b)
		return -ENOBUFS;
	at = b->data + b->len;
	memcpy(at, &len, ITEM_HEAD);
	if (a.len)
		memcpy(at + ITEM_HEAD, a.ptr, a.len);
	if (tail.len)
		memcpy(at + ITEM_HEAD + a.len, tail.ptr, tail.len);
	b->len += need;
	b->items++;
	__atomic_fetch_add(&q->items, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&q->bytes, need, __ATOMIC_RELAXED);
	return 0;
}

void queue_flush(struct queue *q)
{
	publish(q);
}

void queue_close(struct queue *q, uint64_t deadline_ns)
{
	publish(q);
	pthread_mutex_lock(&q->lock);
	q->closed = true;
	__atomic_store_n(&q->deadline_ns, deadline_ns, __ATOMIC_RELAXED);
	pthread_cond_broadcast(&q->wake);
	pthread_mutex_unlock(&q->lock);
}

uint64_t queue_deadline(const struct queue *q)
{
	return __atomic_load_n(&q->deadline_ns, __ATOMIC_RELAXED);
}

/* Under the lock; false once until_ns has passed. */
static bool wait_until(struct queue *q, uint64_t until_ns)
{
	struct timespec ts = { (time_t)(until_ns / 1000000000u), (long)(until_ns % 1000000000u) };

	return pthread_cond_timedwait(&q->wake, &q->lock, &ts) == 0;
}

struct queue_block *queue_take(struct queue *q, uint64_t until_ns)
{
	struct queue_block *list;

	pthread_mutex_lock(&q->lock);
	while (!q->first && !q->closed && wait_until(q, until_ns))
		;
	list = q->first;
	q->first = NULL;
	q->tail = &q->first;
	pthread_mutex_unlock(&q->lock);
	return list;
}

bool queue_wait_closed(struct queue *q, uint64_t until_ns)
{
	bool closed;

	pthread_mutex_lock(&q->lock);
	while (!q->closed && wait_until(q, until_ns))
		;
	closed = q->closed;
	pthread_mutex_unlock(&q->lock);
	return closed;
}

bool queue_next(const struct queue_block *b, size_t *at, struct slice *ret_item)
{
	uint32_t len;

	if (*at >= b->len)
		return false;
	memcpy(&len, b->data + *at, ITEM_HEAD);
	*ret_item = (struct slice){ b->data + *at + ITEM_HEAD, len };
	*at += ITEM_HEAD + len;
	return true;
}

struct queue_block *queue_block_next(struct queue_block *b)
{
	return b->next;
}

void queue_give(struct queue *q, struct queue_block *b)
{
	__atomic_fetch_sub(&q->items, b->items, __ATOMIC_RELAXED);
	__atomic_fetch_sub(&q->bytes, b->len, __ATOMIC_RELAXED);
	pthread_mutex_lock(&q->lock);
	if (!q->spare && b->room == BLOCK_LEN) {
		q->spare = b;
		b = NULL;
	}
	pthread_mutex_unlock(&q->lock);
	free(b);
}
