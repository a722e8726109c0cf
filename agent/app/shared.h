/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page that both processes see: what user space counts, written by the agent, read by the warden for `stats`.
 * MAP_SHARED and anonymous, made before the fork. 64-bit words, relaxed; no word depends on another.
 */
#pragma once

#include <stdint.h>

#include "drops.h"

struct shared {
	uint64_t drops[KS_COUNTERS]; /* by enum ks_drop */
	uint64_t events, data_bytes, spans;
	uint64_t conns, exchanges;
	uint64_t queue_spans, queue_bytes; /* waiting for the collector */
	uint64_t exported, stored, printed;
	uint64_t ring_fill, ring_fill_max; /* bytes */
	uint64_t turns, busy_ns;
};

#define shared_set(s, member, v) __atomic_store_n(&(s)->member, (v), __ATOMIC_RELAXED)
#define shared_get(s, member)	 __atomic_load_n(&(s)->member, __ATOMIC_RELAXED)
