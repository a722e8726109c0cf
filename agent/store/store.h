/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The embedded store: SQLite in WAL mode, spans as rows with the columns that `kernspan observe` filters on and the
 * span's JSON line. The loop thread puts, one writer thread writes (a transaction every 200 ms). It keeps the newest
 * rows within two limits. A store that cannot write counts (store_failed) and goes on; a corrupt file is moved aside.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "span/span.h"

#define STORE_FILE "spans.db"

struct store;

struct store_cfg {
	const char *dir;    /* exists, writable; as the sandboxed process sees it; borrowed */
	uint64_t row_max;   /* 0: KS_STORE_SPANS */
	uint64_t byte_max;  /* 0: KS_STORE_BYTES */
	/* Called on the writer thread, once for each new kind of trouble: one line for the log. May be NULL. */
	void (*warn)(void *ctx, const char *line);
	void *warn_ctx;
};

/* Open or make the file. 0 or -errno with `why` filled; a corrupt file is not an error, it is moved aside. */
int store_new(const struct store_cfg *cfg, struct store **ret, char *why, size_t why_len);
/* Start the writer, in the process that will write. 0 or -errno. */
int store_start(struct store *s);
/* Loop thread. json: the span's line. Copied. A full queue is counted (queue_full). */
void store_put(struct store *s, const struct span *span, struct slice json);
/* Loop thread, once per turn. */
void store_flush(struct store *s);
/* Write what is queued until deadline_ns (CLOCK_MONOTONIC), count the rest, free. NULL is fine. */
void store_close(struct store *s, uint64_t deadline_ns);
