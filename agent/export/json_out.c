/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The json exporter: lines to a descriptor. Writing may block (a pager, a full pipe), so a worker does it; with
 * cfg.wait the caller's thread writes and nothing is dropped but what the descriptor refuses.
 */
#include <errno.h>
#include <linux/limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/drop.h"
#include "base/loop.h"
#include "base/queue.h"
#include "base/worker.h"
#include "export/buf.h"
#include "export/exporter.h"

#define OUT_LEN (64 * 1024)
#define FOREVER_NS (UINT64_MAX / 2)

struct json_out {
	struct exporter base;
	int fd;
	bool wait;
	bool regular; /* a file: writes do not wait for a reader */
	int err; /* the reader is gone (EPIPE): all further lines are counted, not tried */
	struct buf pending; /* wait: lines since the last flush */
	size_t pending_cnt;
	struct queue *queue;
	struct worker *worker;
};

static int json_open(const struct exporter_cfg *cfg, struct exporter **ret, char *why, size_t why_len)
{
	struct json_out *o = calloc(1, sizeof(*o));
	struct stat st;

	if (o && !cfg->wait)
		o->queue = queue_new(KS_QUEUE_SPANS, KS_QUEUE_BYTES);
	if (!o || (!cfg->wait && !o->queue)) {
		free(o);
		snprintf(why, why_len, "out of memory");
		return -ENOMEM;
	}
	o->base.ops = &exporter_json;
	o->fd = cfg->fd;
	o->wait = cfg->wait;
	o->regular = fstat(cfg->fd, &st) == 0 && S_ISREG(st.st_mode);
	buf_init(&o->pending, KS_QUEUE_BYTES);
	*ret = &o->base;
	return 0;
}

/* Wait for room. poll() promises PIPE_BUF bytes of room in a pipe, so that a write of that size does not block and the
 * deadline of close holds even if nobody reads. */
static int wait_room(struct json_out *o)
{
	struct pollfd p = { .fd = o->fd, .events = POLLOUT };

	while (poll(&p, 1, 100) == 0) {
		uint64_t deadline = o->wait ? 0 : queue_deadline(o->queue);

		if (deadline && clock_ns(CLOCK_MONOTONIC) >= deadline)
			return -ETIMEDOUT;
	}
	return 0;
}

/* 0, or -errno with *ret_done bytes written. */
static int write_all(struct json_out *o, struct slice s, uint64_t *ret_done)
{
	*ret_done = 0;
	while (s.len) {
		int err = o->regular ? 0 : wait_room(o);
		ssize_t n;

		if (err)
			return err;
		n = write(o->fd, s.ptr, o->regular || s.len < PIPE_BUF ? s.len : PIPE_BUF);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		if (n > 0) {
			s = slice_from(s, (size_t)n);
			*ret_done += (uint64_t)n;
		}
	}
	return 0;
}

static uint64_t lines(struct slice s)
{
	uint64_t cnt = 0;

	for (const char *at = s.ptr, *end = s.ptr + s.len; at && (at = memchr(at, '\n', (size_t)(end - at))); at++)
		cnt++;
	return cnt;
}

static void write_lines(struct json_out *o, struct slice s)
{
	uint64_t done = 0;
	int err = o->err;

	if (!s.len)
		return;
	if (!err)
		err = write_all(o, s, &done);
	if (!err)
		return;
	drop(KS_DROP_output_failed, lines(slice_from(s, done)));
	/* a disk may have room again, a pipe has no second reader */
	if (err != -ENOSPC && err != -EIO && err != -EDQUOT)
		o->err = err;
}

static void run(void *ctx)
{
	struct json_out *o = ctx;
	struct queue_block *b;
	struct buf out;

	buf_init(&out, OUT_LEN + KS_QUEUE_BYTES);
	while ((b = queue_take(o->queue, FOREVER_NS))) {
		while (b) {
			struct queue_block *next = queue_block_next(b);
			struct slice item;
			size_t at = 0;

			while (queue_next(b, &at, &item)) {
				buf_str(&out, item);
				if (out.len < OUT_LEN)
					continue;
				write_lines(o, buf_slice(&out));
				buf_reset(&out);
			}
			queue_give(o->queue, b);
			b = next;
		}
		write_lines(o, buf_slice(&out));
		buf_reset(&out);
	}
	buf_done(&out);
}

static int json_start(struct exporter *e)
{
	struct json_out *o = (struct json_out *)e;

	return o->wait ? 0 : worker_start("ks-json", run, o, &o->worker);
}

static void json_flush(struct exporter *e)
{
	struct json_out *o = (struct json_out *)e;

	if (!o->wait) {
		queue_flush(o->queue);
		return;
	}
	write_lines(o, buf_slice(&o->pending));
	buf_reset(&o->pending);
}

static void json_put(struct exporter *e, const struct span *span, struct slice json)
{
	struct json_out *o = (struct json_out *)e;

	(void)span;
	if (!o->wait) {
		if (queue_put(o->queue, json, SLICE_NONE))
			drop(KS_DROP_queue_full, 1);
		return;
	}
	buf_str(&o->pending, json);
	if (o->pending.len >= OUT_LEN)
		json_flush(e);
}

static void json_close(struct exporter *e, uint64_t deadline_ns)
{
	struct json_out *o = (struct json_out *)e;

	json_flush(e);
	if (!o->wait) {
		queue_close(o->queue, deadline_ns);
		worker_join(o->worker);
		queue_free(o->queue);
	}
	buf_done(&o->pending);
	free(o);
}

const struct exporter_ops exporter_json = {
	.open = json_open,
	.start = json_start,
	.put = json_put,
	.flush = json_flush,
	.close = json_close,
};
