/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store's two sides: the loop packs a span into the queue, the writer thread takes what gathered in 200 ms and
 * writes it as one transaction. A row that cannot be written is counted and gone: nothing waits for a disk.
 */
#include "store/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/drop.h"
#include "base/loop.h"
#include "base/queue.h"
#include "base/worker.h"
#include "limits.h"
#include "store/db.h"

#define BATCH_NS 200000000ull
#define TRIM_ROWS 256	/* rows between two looks at the limits */
#define FOREVER_NS (UINT64_MAX / 2)

struct store {
	struct store_cfg cfg;
	struct queue *queue;
	struct worker *worker;
	char *item; /* loop thread: a packed row, without its JSON */

	/* writer */
	struct db db;
	uint64_t rows; /* since the last trim */
	enum db_result said; /* trouble that was said and has not gone away */
};

#define ITEM_MAX (sizeof(struct row) + ROW_TEXT_CNT * ROW_TEXT_CAP)

static void warn(struct store *s, enum db_result r)
{
	char line[256];

	if (r == s->said || !s->cfg.warn)
		return;
	s->said = r;
	snprintf(line, sizeof(line), "store: %s; spans are counted as store_failed, writing goes on when it can",
		 r == DB_FULL ? "the disk is full" :
		 r == DB_BUSY ? "another process holds the file" : db_error(&s->db));
	s->cfg.warn(s->cfg.warn_ctx, line);
}

int store_new(const struct store_cfg *cfg, struct store **ret, char *why, size_t why_len)
{
	struct store *s = calloc(1, sizeof(*s));
	enum db_result r;
	bool moved;

	if (!s)
		return -ENOMEM;
	s->cfg = *cfg;
	s->db.row_max = cfg->row_max ? cfg->row_max : KS_STORE_SPANS;
	s->db.byte_max = cfg->byte_max ? cfg->byte_max : KS_STORE_BYTES;
	s->item = malloc(ITEM_MAX);
	s->queue = queue_new(KS_QUEUE_SPANS, KS_QUEUE_BYTES);
	if (!s->item || !s->queue ||
	    (size_t)snprintf(s->db.path, sizeof(s->db.path), "%s/" STORE_FILE, cfg->dir) >= sizeof(s->db.path)) {
		snprintf(why, why_len, "out of memory, or the store's path is too long");
		store_close(s, 0);
		return -ENOMEM;
	}
	r = db_open(&s->db, &moved);
	if (r != DB_OK) {
		snprintf(why, why_len, "%s: %s", s->db.path, r == DB_FULL ? "the disk is full" : db_error(&s->db));
		store_close(s, 0);
		return r == DB_FULL ? -ENOSPC : r == DB_BUSY ? -EBUSY : -EIO;
	}
	if (moved && cfg->warn)
		cfg->warn(cfg->warn_ctx, "store: the file was corrupt or of another version; moved to " STORE_FILE
					 ".corrupt, a new one begins");
	*ret = s;
	return 0;
}

void store_put(struct store *s, const struct span *span, struct slice json)
{
	struct slice text[ROW_TEXT_CNT];
	char joined[ROW_TEXT_CAP], *at = s->item + sizeof(struct row);
	struct row row;

	row_make(span, &row, text, joined);
	memcpy(s->item, &row, sizeof(row));
	for (int i = 0; i < ROW_TEXT_CNT; i++) {
		if (text[i].len)
			memcpy(at, text[i].ptr, text[i].len);
		at += text[i].len;
	}
	if (slice_ends(json, SLICE("\n")))
		json.len--;
	if (queue_put(s->queue, (struct slice){ s->item, (size_t)(at - s->item) }, json))
		drop(KS_DROP_queue_full, 1);
}

void store_flush(struct store *s)
{
	queue_flush(s->queue);
}

static enum db_result write_list(struct store *s, struct queue_block *list, uint64_t *ret_rows)
{
	enum db_result r = DB_OK;
	bool moved;

	if (!s->db.handle) /* it could not be renewed the last time */
		r = db_open(&s->db, &moved);
	if (r == DB_OK)
		r = db_begin(&s->db);
	for (; list && r == DB_OK; list = queue_block_next(list)) {
		struct slice item;
		size_t at = 0;

		while (r == DB_OK && queue_next(list, &at, &item)) {
			struct row row;

			memcpy(&row, item.ptr, sizeof(row));
			r = db_insert(&s->db, &row, slice_from(item, sizeof(row)));
			++*ret_rows;
		}
	}
	if (r == DB_OK)
		r = db_commit(&s->db);
	if (r != DB_OK)
		db_rollback(&s->db);
	return r;
}

static uint64_t count(struct queue_block *list)
{
	uint64_t rows = 0;

	for (; list; list = queue_block_next(list)) {
		struct slice item;
		size_t at = 0;

		while (queue_next(list, &at, &item))
			rows++;
	}
	return rows;
}

static void write_batch(struct store *s, struct queue_block *list)
{
	uint64_t rows = 0;
	enum db_result r = write_list(s, list, &rows);

	if (r == DB_CORRUPT) {
		warn(s, r);
		rows = 0;
		r = db_renew(&s->db);
		if (r == DB_OK)
			r = write_list(s, list, &rows);
		else
			db_close(&s->db);
	}
	if (r != DB_OK) {
		warn(s, r);
		drop(KS_DROP_store_failed, count(list));
		return;
	}
	s->said = DB_OK;
	s->rows += rows;
	if (s->rows >= TRIM_ROWS) {
		s->rows = 0;
		r = db_trim(&s->db);
		if (r != DB_OK)
			warn(s, r);
	}
}

static void run(void *ctx)
{
	struct store *s = ctx;
	struct queue_block *list, *next;

	while ((list = queue_take(s->queue, FOREVER_NS))) {
		uint64_t deadline = queue_deadline(s->queue);

		if (deadline && clock_ns(CLOCK_MONOTONIC) >= deadline)
			drop(KS_DROP_store_failed, count(list));
		else
			write_batch(s, list);
		for (; list; list = next) {
			next = queue_block_next(list);
			queue_give(s->queue, list);
		}
		/* let the next transaction gather */
		queue_wait_closed(s->queue, clock_ns(CLOCK_MONOTONIC) + BATCH_NS);
	}
}

int store_start(struct store *s)
{
	return worker_start("ks-store", run, s, &s->worker);
}

void store_close(struct store *s, uint64_t deadline_ns)
{
	if (!s)
		return;
	if (s->queue)
		queue_close(s->queue, deadline_ns ? deadline_ns : 1);
	worker_join(s->worker);
	db_close(&s->db);
	queue_free(s->queue);
	free(s->item);
	free(s);
}
