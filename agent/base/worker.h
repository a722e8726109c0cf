/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker thread for slow work behind a queue. Signals stay with the loop thread. The only file that creates threads.
 */
#pragma once

#include <stdint.h>

struct worker;

/* Run fn(ctx) in a thread of this name (at most 15 characters). 0 or -errno. */
int worker_start(const char *name, void (*fn)(void *ctx), void *ctx, struct worker **ret);
/* Wait until fn has returned, and free. NULL is fine. */
void worker_join(struct worker *w);

/* CLOCK_MONOTONIC and CLOCK_REALTIME now, ns; for worker threads and app only, stages get their time as an argument. */
uint64_t worker_now_ns(void);
uint64_t worker_wall_ns(void);
