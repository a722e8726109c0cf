/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded queue of byte items between the loop thread (puts) and one worker thread (takes). Items gather in a block
 * that only the producer sees until flush; the lock is held for a few pointer writes, so the loop never waits for the
 * worker's work. The queue owns the blocks; a taken block belongs to the worker until it gives it back.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct queue;
struct queue_block; /* a run of items */

/* item_max, byte_max: most items and bytes waiting or being worked on. NULL: out of memory. */
struct queue *queue_new(size_t item_max, size_t byte_max);
/* Both sides are done with it. */
void queue_free(struct queue *q);

/* Loop thread. Copy an item that consists of a followed by b. 0, or -ENOBUFS: full or no memory (count it). */
int queue_put(struct queue *q, struct slice a, struct slice b);
/* Loop thread. Let the worker see what was put, and wake it. Once per loop turn. */
void queue_flush(struct queue *q);
/* Loop thread. Flush; no item will follow. deadline_ns (CLOCK_MONOTONIC) is for the worker: when to stop trying. */
void queue_close(struct queue *q, uint64_t deadline_ns);

/* Worker. Wait for items until until_ns (CLOCK_MONOTONIC); NULL when there are none by then, or the queue is closed
 * and empty. Blocks form a list. */
struct queue_block *queue_take(struct queue *q, uint64_t until_ns);
/* Worker. The next item after *at (0 first); false at the end of the block. */
bool queue_next(const struct queue_block *block, size_t *at, struct slice *ret_item);
struct queue_block *queue_block_next(struct queue_block *block);
/* Worker. Give one block back: its room is free again. */
void queue_give(struct queue *q, struct queue_block *block);
/* Worker. Wait until until_ns or until the queue is closed. True if it is closed. For back-off. */
bool queue_wait_closed(struct queue *q, uint64_t until_ns);
/* Worker. The deadline of queue_close(), 0 while open. Any thread. */
uint64_t queue_deadline(const struct queue *q);

/* Items and bytes waiting or being worked on; any thread. */
size_t queue_items(const struct queue *q);
size_t queue_bytes(const struct queue *q);
