/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The otlp exporter: spans are encoded on the loop thread, and batched, compressed and sent by a worker over HTTP/1.1.
 * What to retry and what to give up follows the OTLP specification ("OTLP/HTTP Response", "Failures").
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <zlib.h>

#include "base/drop.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/queue.h"
#include "base/worker.h"
#include "export/batch.h"
#include "export/exporter.h"
#include "export/net.h"
#include "export/otlp_cfg.h"

#define SECOND_NS 1000000000ull
#ifndef GIVE_UP_NS /* a test that includes this file is in a hurry */
#define BACKOFF_FIRST_NS SECOND_NS
#define BACKOFF_MAX_NS (30 * SECOND_NS)
#define GIVE_UP_NS (300 * SECOND_NS)
#endif
#define FOREVER_NS (UINT64_MAX / 2)

struct otlp_out {
	struct exporter base;
	struct otlp_cfg cfg;
	const char *version;
	struct queue *queue;
	struct worker *worker;
	struct buf item; /* loop thread */

	/* worker */
	struct net net;
	struct reply reply;
	struct batch batch;
	struct buf body, zipped;
	z_stream zip;
	bool zip_ready;
	bool down; /* the collector did not answer the last time: said once */
	uint32_t jitter;
};

static void otlp_free(struct otlp_out *o)
{
	if (o->zip_ready)
		deflateEnd(&o->zip);
	net_close(&o->net);
	tls_free(o->net.tls);
	queue_free(o->queue);
	batch_done(&o->batch);
	reply_done(&o->reply);
	buf_done(&o->item);
	buf_done(&o->body);
	buf_done(&o->zipped);
	otlp_cfg_done(&o->cfg);
	free(o);
}

static int otlp_open(const struct exporter_cfg *cfg, struct exporter **ret, char *why, size_t why_len)
{
	struct otlp_out *o = calloc(1, sizeof(*o));
	int err;

	if (!o)
		return -ENOMEM;
	o->base.ops = &exporter_otlp;
	o->version = cfg->version;
	o->net = (struct net){ .fd = -1, .resolve = cfg->resolve, .resolve_ctx = cfg->resolve_ctx };
	buf_init(&o->item, KS_QUEUE_BYTES);
	buf_init(&o->body, KS_REQUEST_BYTES);
	buf_init(&o->zipped, KS_REQUEST_BYTES);
	reply_init(&o->reply);
	batch_init(&o->batch);
	err = otlp_cfg_read(&o->cfg, cfg, why, why_len);
	if (!err && o->cfg.https)
		err = tls_new(o->cfg.ca, o->cfg.client_cert, o->cfg.client_key, &o->net.tls, why, why_len);
	if (!err) {
		o->queue = queue_new(KS_QUEUE_SPANS, KS_QUEUE_BYTES);
		/* windowBits 15 + 16: gzip (zlib.h); a low level, the agent must stay cheap */
		if (o->cfg.gzip)
			o->zip_ready = deflateInit2(&o->zip, 3, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK;
		if (!o->queue || (o->cfg.gzip && !o->zip_ready)) {
			snprintf(why, why_len, "out of memory");
			err = -ENOMEM;
		}
	}
	if (err) {
		otlp_free(o);
		return err;
	}
	o->net.host = o->cfg.host;
	o->net.port = o->cfg.port;
	o->jitter = (uint32_t)clock_ns(CLOCK_MONOTONIC) | 1;
	*ret = &o->base;
	return 0;
}

static bool zip_body(struct otlp_out *o)
{
	char *out;

	buf_reset(&o->zipped);
	deflateReset(&o->zip);
	out = buf_room(&o->zipped, deflateBound(&o->zip, o->body.len));
	if (!out)
		return false;
	o->zip.next_in = (unsigned char *)o->body.ptr;
	o->zip.avail_in = (unsigned int)o->body.len;
	o->zip.next_out = (unsigned char *)out;
	o->zip.avail_out = (unsigned int)(o->zipped.room - o->zipped.len);
	if (deflate(&o->zip, Z_FINISH) != Z_STREAM_END)
		return false;
	o->zipped.len = o->zip.total_out;
	return true;
}

static size_t head(const struct otlp_out *o, struct slice body, char *at, size_t room)
{
	bool v6 = strchr(o->cfg.host, ':');
	/* RFC 9110 section 7.2: no port when it is the scheme's */
	bool usual = o->cfg.port == (o->cfg.https ? 443 : 80);
	char port[8] = "";
	int len;

	if (!usual)
		snprintf(port, sizeof(port), ":%u", o->cfg.port);
	len = snprintf(at, room,
		       "POST %s HTTP/1.1\r\nHost: %s%s%s%s\r\nUser-Agent: kernspan/%s OTel-OTLP-Exporter-C/%s\r\n"
		       "Content-Type: application/x-protobuf\r\n%sContent-Length: %zu\r\n%.*s\r\n",
		       o->cfg.path, v6 ? "[" : "", o->cfg.host, v6 ? "]" : "", port, o->version, o->version,
		       o->cfg.gzip ? "Content-Encoding: gzip\r\n" : "", body.len, (int)o->cfg.headers.len,
		       o->cfg.headers.len ? o->cfg.headers.ptr : "");
	return len > 0 && (size_t)len < room ? (size_t)len : 0;
}

static void say_down(struct otlp_out *o, int err)
{
	if (o->down)
		return;
	o->down = true;
	if (err > 0)
		log_warn("otlp", "collector answers with status %d, retrying", err);
	else
		log_warn("otlp", "collector %s port %u cannot be reached, retrying: %s", o->cfg.host, o->cfg.port,
			 o->net.trouble ? o->net.trouble : strerror(-err));
}

/* One attempt. True: it is settled, well or badly. False: worth another; *ret_wait_ns is what the collector asks for,
 * 0 if nothing. */
static bool attempt(struct otlp_out *o, const struct slice *parts, uint64_t until_ns, uint64_t *ret_wait_ns)
{
	const struct reply *r = &o->reply;
	int err = net_request(&o->net, parts, 2, &o->reply, until_ns);
	int64_t wait;

	*ret_wait_ns = 0;
	if (err && err != -EBADMSG) {
		say_down(o, err);
		return false;
	}
	if (!err && r->status >= 200 && r->status < 300) {
		uint64_t rejected = otlp_rejected(buf_slice(&r->body));

		if (o->down)
			log_info("otlp", "collector is back");
		o->down = false;
		if (rejected) {
			drop(KS_DROP_export_rejected, rejected < o->batch.cnt ? rejected : o->batch.cnt);
			log_warn("otlp", "collector rejected %llu spans of a request", (unsigned long long)rejected);
		}
		return true;
	}
	if (!r->too_large && (r->status == 429 || (r->status >= 502 && r->status <= 504))) {
		say_down(o, r->status);
		wait = r->retry_after_s;
		if (wait < 0 && r->retry_after_at)
			wait = r->retry_after_at - (int64_t)time(NULL);
		if (wait > 0)
			*ret_wait_ns = (uint64_t)(wait > 86400 ? 86400 : wait) * SECOND_NS;
		return false;
	}
	drop(KS_DROP_export_rejected, o->batch.cnt);
	log_warn("otlp", "collector refused %zu spans, status %d%s", o->batch.cnt, r->status,
		 err ? ", response broken or too large" : "");
	return true;
}

/* xorshift32 (Marsaglia 2003): spread, not secrecy. From half of ns to all of it. */
static uint64_t with_jitter(struct otlp_out *o, uint64_t ns)
{
	o->jitter ^= o->jitter << 13;
	o->jitter ^= o->jitter >> 17;
	o->jitter ^= o->jitter << 5;
	return ns / 2 + ns / 2 * (o->jitter >> 16) / 65536;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void send_batch(struct otlp_out *o)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC), give_up = now + GIVE_UP_NS, backoff = BACKOFF_FIRST_NS;
	char text[KS_HEAD_CAP / 2];
	struct slice parts[2];
	uint64_t asked;

	parts[1] = buf_slice(o->cfg.gzip ? &o->zipped : &o->body);
	parts[0] = (struct slice){ text, head(o, parts[1], text, sizeof(text)) };
	for (;;) {
		uint64_t deadline = queue_deadline(o->queue), wait;

		if (deadline)
			give_up = earlier(give_up, deadline);
		if (now >= give_up)
			break;
		if (attempt(o, parts, earlier(now + o->cfg.timeout_ns, give_up), &asked))
			return;
		now = clock_ns(CLOCK_MONOTONIC);
		wait = asked ? asked : with_jitter(o, backoff);
		backoff = earlier(backoff * 2, BACKOFF_MAX_NS);
		if (now + wait >= give_up)
			break;
		if (!queue_deadline(o->queue))
			queue_wait_closed(o->queue, now + wait);
		else
			nanosleep(&(struct timespec){ (time_t)(wait / SECOND_NS), (long)(wait % SECOND_NS) }, NULL);
		now = clock_ns(CLOCK_MONOTONIC);
	}
	drop(KS_DROP_export_failed, o->batch.cnt);
	log_warn("otlp", "gave up on %zu spans", o->batch.cnt);
}

static void export_batch(struct otlp_out *o)
{
	struct otlp_scope scope = { SLICE("kernspan"), slice_str(o->version) };

	if (!o->batch.cnt)
		return;
	buf_reset(&o->body);
	batch_request(&o->batch, &scope, &o->body);
	if (o->body.failed || (o->cfg.gzip && !zip_body(o)))
		drop(KS_DROP_export_failed, o->batch.cnt);
	else
		send_batch(o);
	batch_reset(&o->batch);
}

static void run(void *ctx)
{
	struct otlp_out *o = ctx;
	struct queue_block *block;

	for (;;) {
		uint64_t now, until = o->batch.cnt ? o->batch.since_ns + o->cfg.delay_ns : FOREVER_NS;

		block = queue_take(o->queue, until);
		now = clock_ns(CLOCK_MONOTONIC);
		while (block) {
			struct queue_block *next = queue_block_next(block);
			struct slice item;
			size_t at = 0;

			while (queue_next(block, &at, &item)) {
				if (o->batch.cnt >= o->cfg.batch_max || !batch_add(&o->batch, item, now)) {
					export_batch(o);
					batch_add(&o->batch, item, clock_ns(CLOCK_MONOTONIC));
				}
			}
			queue_give(o->queue, block);
			block = next;
		}
		now = clock_ns(CLOCK_MONOTONIC);
		if (queue_deadline(o->queue) || o->batch.cnt >= o->cfg.batch_max ||
		    (o->batch.cnt && now >= o->batch.since_ns + o->cfg.delay_ns))
			export_batch(o);
		if (queue_deadline(o->queue) && !queue_items(o->queue))
			return;
	}
}

static int otlp_start(struct exporter *e)
{
	struct otlp_out *o = (struct otlp_out *)e;

	return worker_start("ks-otlp", run, o, &o->worker);
}

static void otlp_put(struct exporter *e, const struct span *span, struct slice json)
{
	struct otlp_out *o = (struct otlp_out *)e;

	(void)json;
	buf_reset(&o->item);
	batch_item(&o->item, span);
	if (o->item.failed || queue_put(o->queue, buf_slice(&o->item), SLICE_NONE))
		drop(KS_DROP_queue_full, 1);
}

static void otlp_flush(struct exporter *e)
{
	queue_flush(((struct otlp_out *)e)->queue);
}

static void otlp_close(struct exporter *e, uint64_t deadline_ns)
{
	struct otlp_out *o = (struct otlp_out *)e;

	queue_close(o->queue, deadline_ns ? deadline_ns : 1);
	worker_join(o->worker);
	otlp_free(o);
}

const struct exporter_ops exporter_otlp = {
	.open = otlp_open,
	.start = otlp_start,
	.put = otlp_put,
	.flush = otlp_flush,
	.close = otlp_close,
};
