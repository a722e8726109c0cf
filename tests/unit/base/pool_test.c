/* SPDX-License-Identifier: Apache-2.0 */
/* Pools, tables and arenas: capacity, order of use, eviction, pins, wiping. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/pool.h"
#include "base/table.h"

static bool all_zero(const void *at, size_t len)
{
	const char *p = at;

	for (size_t i = 0; i < len; i++)
		if (p[i])
			return false;
	return true;
}

static void test_pool(void **state)
{
	struct pool *p;
	char *a, *b, *c;

	(void)state;
	assert_int_equal(pool_new(100, 3, &p), 0);
	assert_null(pool_oldest(p));
	a = pool_take(p);
	b = pool_take(p);
	c = pool_take(p);
	assert_non_null(c);
	assert_null(pool_take(p));
	assert_int_equal((uintptr_t)b % 16, 0);
	assert_ptr_equal(pool_oldest(p), a);
	pool_touch(p, a);
	assert_ptr_equal(pool_oldest(p), b);
	pool_pin(p, b);
	pool_touch(p, b); /* stays pinned */
	assert_ptr_equal(pool_oldest(p), c);
	pool_unpin(p, b);
	pool_touch(p, c);
	assert_ptr_equal(pool_oldest(p), a);
	memset(b, 1, 100);
	pool_give(p, b, 100);
	assert_int_equal(pool_cnt(p), 2);
	assert_ptr_equal(pool_take(p), b);
	assert_true(all_zero(b, 100));
	assert_ptr_equal(pool_at(p, pool_index(p, b)), b);
	pool_free(p);
}

static void note(void *ctx, void *entry)
{
	*(uint64_t *)ctx = *(uint64_t *)entry;
}

static void test_table(void **state)
{
	uint64_t evicted = 0, *e;
	struct table_cfg cfg = { .len = 8, .cap = 100, .evict = note, .ctx = &evicted };
	struct table *t;

	(void)state;
	assert_int_equal(table_new(&cfg, &t), 0);
	for (uint64_t i = 1; i <= 100; i++) {
		e = table_add(t, i, i * 1000);
		*e = i;
	}
	assert_int_equal(evicted, 0);
	assert_null(table_find(t, 5, 5001, 0));
	e = table_find(t, 5, 5001, 1);
	assert_int_equal(*e, 5);
	assert_null(table_find(t, 5, 4998, 1));
	table_touch(t, table_find(t, 1, 1000, 0));
	table_pin(t, table_find(t, 2, 2000, 0));
	table_add(t, 101, 0);
	assert_int_equal(evicted, 3); /* 1 was used, 2 is pinned */
	assert_null(table_find(t, 3, 3000, 0));
	assert_non_null(table_find(t, 2, 2000, 0));
	table_del(t, table_find(t, 50, 50000, 0));
	assert_null(table_find(t, 50, 50000, 0));
	assert_int_equal(table_cnt(t), 99);
	for (uint64_t i = 0; i < 100000; i++) {
		assert_non_null(table_add(t, i * 64, 7));
		assert_non_null(table_find(t, i * 64, 0, 7));
	}
	assert_int_equal(table_cnt(t), 100);
	table_free(t);
}

static void test_all_pinned(void **state)
{
	struct table_cfg cfg = { .len = 8, .cap = 2 };
	struct table *t;

	(void)state;
	assert_int_equal(table_new(&cfg, &t), 0);
	table_pin(t, table_add(t, 1, 0));
	table_pin(t, table_add(t, 2, 0));
	assert_null(table_add(t, 3, 0));
	table_unpin(t, table_find(t, 1, 0, 0));
	assert_non_null(table_add(t, 3, 0));
	assert_null(table_find(t, 1, 0, 0));
	table_free(t);
}

static void test_arena(void **state)
{
	struct arena_pool *pool = arena_pool_new(1024, 4);
	struct arena a, b;
	struct slice s;
	char *p;

	(void)state;
	assert_non_null(pool);
	arena_init(&a, pool, 2500);
	arena_init(&b, pool, 1 << 20);
	assert_null(arena_alloc(&a, 1025)); /* larger than a block */
	assert_true(a.full);
	a.full = false;
	p = arena_alloc(&a, 1000);
	assert_int_equal((uintptr_t)p % 16, 0);
	assert_true(all_zero(p, 1000));
	memset(p, 1, 1000);
	s = arena_dup(&a, SLICE("hello"));
	assert_true(slice_eq(s, SLICE("hello")));
	assert_non_null(arena_alloc(&a, 1024));
	assert_null(arena_alloc(&a, 600)); /* cap */
	assert_int_equal(arena_dup(&a, (struct slice){ p, 900 }).len, 0);
	assert_true(arena_alloc(&b, 1024) && arena_alloc(&b, 1024));
	assert_null(arena_alloc(&b, 1024)); /* the pool is used up */
	assert_true(b.full);
	arena_done(&b);
	assert_false(b.full);
	arena_done(&a);
	assert_int_equal(arena_pool_bytes(pool), 0);
	for (int i = 0; i < 4; i++)
		assert_true(all_zero(arena_alloc(&b, 1024), 1024));
	arena_done(&b);
	arena_pool_free(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pool),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_all_pinned),
		cmocka_unit_test(test_arena),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
