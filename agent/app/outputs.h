/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where spans go: standard output (JSON lines or a live table), OTLP, the store. One span_sink that makes the JSON line
 * once and hands it to each. Loop thread; workers are behind the exporters' queues.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "app/config.h"
#include "export/exporter.h"
#include "span/span.h"

struct outputs;

struct outputs_cfg {
	enum config_output output; /* not OUT_AUTO */
	bool otlp;		   /* send by OTLP */
	const char *otlp_endpoint; /* base URL that overrides the OTEL_* variables; empty: none */
	bool replay;		   /* write in step, drop nothing */
	const char *version;
	exporter_resolve_fn *resolve;
	void *resolve_ctx;
};

/* Before the sandbox: check and load. 0 or -errno with one line in why. Borrows what cfg points to. */
int outputs_new(const struct outputs_cfg *cfg, struct outputs **ret, char *why, size_t why_len);
/* After the sandbox: open the store in this directory (NULL: none) and start the workers. */
int outputs_start(struct outputs *o, const char *store_dir, char *why, size_t why_len);
struct span_sink outputs_sink(struct outputs *o);
/* Once per loop turn. */
void outputs_flush(struct outputs *o);
/* Send what is queued until then, count what is left, free. NULL is fine. */
void outputs_free(struct outputs *o, uint64_t deadline_ns);
