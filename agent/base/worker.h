/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker thread for slow work behind a queue. Signals stay with the loop thread. The only file that creates threads.
 */
#pragma once

struct worker;

/* Run fn(ctx) in a thread of this name (at most 15 characters). 0 or -errno. */
int worker_start(const char *name, void (*fn)(void *ctx), void *ctx, struct worker **ret);
/* Wait until fn has returned, and free. NULL is fine. */
void worker_join(struct worker *w);
