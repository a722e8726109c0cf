/* SPDX-License-Identifier: Apache-2.0 */
/* The queue between loop and worker: order, limits, closing; run it under TSan too (SANI=thread). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/queue.h"
#include "base/worker.h"

#define ITEMS 200000

struct taker {
	struct queue *queue;
	uint64_t items, wrong;
};

static void take_all(void *ctx)
{
	struct taker *t = ctx;
	struct queue_block *b, *next;

	while ((b = queue_take(t->queue, UINT64_MAX / 2)))
		for (; b; b = next) {
			struct slice item;
			size_t at = 0;

			while (queue_next(b, &at, &item)) {
				uint64_t number;

				memcpy(&number, item.ptr, sizeof(number));
				t->wrong += number != t->items++ || item.len != 8 + number % 100;
			}
			next = queue_block_next(b);
			queue_give(t->queue, b);
		}
}

static void order(void **state)
{
	struct taker t = { .queue = queue_new(1000, 1 << 20) };
	struct worker *w = NULL;
	char tail[100] = "";

	(void)state;
	assert_int_equal(worker_start("taker", take_all, &t, &w), 0);
	for (uint64_t i = 0; i < ITEMS;) {
		struct slice number = { (const char *)&i, sizeof(i) };

		if (queue_put(t.queue, number, (struct slice){ tail, i % 100 }) == 0)
			i++;
		else
			usleep(10);
		if (i % 7 == 0)
			queue_flush(t.queue);
	}
	queue_close(t.queue, 1);
	worker_join(w);
	assert_true(t.items == ITEMS);
	assert_true(t.wrong == 0);
	assert_int_equal(queue_items(t.queue), 0);
	assert_int_equal(queue_bytes(t.queue), 0);
	queue_free(t.queue);
}

static void limits(void **state)
{
	struct queue *q = queue_new(3, 1000);
	static char big[2000];
	struct queue_block *b;

	(void)state;
	assert_int_equal(queue_put(q, (struct slice){ big, 1000 }, SLICE_NONE), -ENOBUFS);
	assert_int_equal(queue_put(q, (struct slice){ big, 900 }, SLICE_NONE), 0);
	assert_int_equal(queue_put(q, (struct slice){ big, 100 }, SLICE_NONE), -ENOBUFS);
	assert_int_equal(queue_put(q, SLICE("a"), SLICE("b")), 0);
	assert_int_equal(queue_put(q, SLICE_NONE, SLICE_NONE), 0);
	assert_int_equal(queue_put(q, SLICE_NONE, SLICE_NONE), -ENOBUFS);
	assert_int_equal(queue_items(q), 3);
	assert_null(queue_take(q, clock_ns(CLOCK_MONOTONIC) + 1000000)); /* not flushed yet */
	queue_flush(q);
	b = queue_take(q, 0);
	assert_non_null(b);
	assert_int_equal(queue_put(q, SLICE_NONE, SLICE_NONE), -ENOBUFS); /* taken is not given back */
	queue_give(q, b);
	assert_int_equal(queue_put(q, SLICE_NONE, SLICE_NONE), 0);
	queue_close(q, 77);
	assert_true(queue_deadline(q) == 77);
	assert_true(queue_wait_closed(q, UINT64_MAX / 2));
	queue_free(q);
	q = queue_new(3, 1000000); /* an item larger than a block */
	assert_int_equal(queue_put(q, SLICE("x"), SLICE_NONE), 0);
	for (int i = 0; i < 2; i++) {
		char *huge = calloc(1, 200000);

		assert_int_equal(queue_put(q, (struct slice){ huge, 200000 }, SLICE_NONE), 0);
		free(huge);
	}
	queue_free(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(order), cmocka_unit_test(limits) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
