/* SPDX-License-Identifier: Apache-2.0 */
/* The span sink of a run: exporters and the store behind one push. Loop thread; owns the exporters and the store. */
#include "app/outputs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/live.h"
#include "base/drop.h"
#include "base/log.h"
#include "export/jsonl.h"
#include "store/store.h"

#define LINE_CAP (1024 * 1024) /* one span as JSON; a span is far smaller (KS_SPAN_TEXT) */

struct outputs {
	struct outputs_cfg cfg;
	struct exporter *out;  /* standard output */
	struct exporter *otlp; /* NULL: off */
	struct store *store;   /* NULL: none */
	struct buf line, row;  /* the span as JSON; as a table line */
	bool color;
};

/* The flag and the file name the endpoint; everything else of OTLP comes from the OTEL_* variables. */
static const char *env_get(void *ctx, const char *name)
{
	const struct outputs *o = ctx;

	if (o->cfg.otlp_endpoint && o->cfg.otlp_endpoint[0]) {
		if (strcmp(name, "OTEL_EXPORTER_OTLP_ENDPOINT") == 0)
			return o->cfg.otlp_endpoint;
		if (strcmp(name, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == 0)
			return NULL;
	}
	return getenv(name);
}

static bool color_wanted(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no && *no) && !(term && strcmp(term, "dumb") == 0);
}

static int open_otlp(struct outputs *o, const struct exporter_cfg *cfg, char *why, size_t why_len)
{
	if (!o->cfg.otlp)
		return 0;
	int err = exporters[EXPORTER_OTLP].ops->open(cfg, &o->otlp, why, why_len);
	if (err != -ECANCELED)
		return err;
	log_info("otlp", "off: %s", why);
	return 0;
}

int outputs_new(const struct outputs_cfg *cfg, struct outputs **ret, char *why, size_t why_len)
{
	struct outputs *o = calloc(1, sizeof(*o));
	int err = 0;

	if (!o) {
		snprintf(why, why_len, "out of memory");
		return -ENOMEM;
	}
	o->cfg = *cfg;
	buf_init(&o->line, LINE_CAP);
	buf_init(&o->row, LINE_CAP);
	struct exporter_cfg ec = { .version = cfg->version,
				   .env = env_get,
				   .env_ctx = o,
				   .resolve = cfg->resolve,
				   .resolve_ctx = cfg->resolve_ctx,
				   .fd = STDOUT_FILENO,
				   .wait = cfg->replay };
	if (cfg->output != OUT_NONE)
		err = exporters[EXPORTER_JSON].ops->open(&ec, &o->out, why, why_len);
	if (!err)
		err = open_otlp(o, &ec, why, why_len);
	if (err) {
		outputs_free(o, 0);
		return err;
	}
	o->color = color_wanted();
	*ret = o;
	return 0;
}

static void store_warn(void *ctx, const char *line)
{
	(void)ctx;
	log_warn("store", "%s", line);
}

int outputs_start(struct outputs *o, const char *store_dir, char *why, size_t why_len)
{
	int err = 0;

	if (store_dir) {
		struct store_cfg sc = { .dir = store_dir, .warn = store_warn };
		err = store_new(&sc, &o->store, why, why_len);
		if (err)
			return err;
		err = store_start(o->store);
	}
	if (!err && o->out)
		err = o->out->ops->start(o->out);
	if (!err && o->otlp)
		err = o->otlp->ops->start(o->otlp);
	if (err) {
		snprintf(why, why_len, "cannot start a worker: %s", strerror(-err));
		return err;
	}
	if (o->cfg.output == OUT_TABLE) {
		buf_reset(&o->row);
		live_header(&o->row, o->color);
		o->out->ops->put(o->out, NULL, buf_slice(&o->row));
	}
	return 0;
}

static void push(void *ctx, const struct span *span)
{
	struct outputs *o = ctx;
	struct slice line;

	buf_reset(&o->line);
	jsonl_format(&o->line, span);
	if (o->line.failed) {
		drop(KS_DROP_span_attrs, 1);
		return;
	}
	line = buf_slice(&o->line);
	if (o->out && o->cfg.output == OUT_TABLE) {
		buf_reset(&o->row);
		live_line(&o->row, o->color, span);
		o->out->ops->put(o->out, span, buf_slice(&o->row));
	} else if (o->out) {
		o->out->ops->put(o->out, span, line);
	}
	if (o->otlp)
		o->otlp->ops->put(o->otlp, span, line);
	if (o->store)
		store_put(o->store, span, line);
}

struct span_sink outputs_sink(struct outputs *o)
{
	return (struct span_sink){ .ctx = o, .push = push };
}

void outputs_flush(struct outputs *o)
{
	if (o->out)
		o->out->ops->flush(o->out);
	if (o->otlp)
		o->otlp->ops->flush(o->otlp);
	if (o->store)
		store_flush(o->store);
}

void outputs_free(struct outputs *o, uint64_t deadline_ns)
{
	if (!o)
		return;
	if (o->out)
		o->out->ops->close(o->out, deadline_ns);
	store_close(o->store, deadline_ns);
	if (o->otlp)
		o->otlp->ops->close(o->otlp, deadline_ns);
	buf_done(&o->line);
	buf_done(&o->row);
	free(o);
}
