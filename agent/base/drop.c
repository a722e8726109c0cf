/* SPDX-License-Identifier: Apache-2.0 */
/* The counters of what user space loses. Relaxed atomics: the loop and the exporters count, others only read. */
#include "base/drop.h"

static uint64_t at_start[KS_COUNTERS];
static uint64_t *counters = at_start;

void drop_use(uint64_t *at)
{
	for (int i = 0; i < KS_DROP_CNT; i++)
		at[i] += counters[i];
	counters = at;
}

void drop(enum ks_drop why, uint64_t n)
{
	__atomic_fetch_add(&counters[why], n, __ATOMIC_RELAXED);
}

uint64_t drop_get(enum ks_drop why)
{
	return __atomic_load_n(&counters[why], __ATOMIC_RELAXED);
}
