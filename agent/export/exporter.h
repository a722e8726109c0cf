/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exporters: each formats a span at once on the loop thread and hands the bytes to its own worker through a bounded
 * queue; what the queue refuses is counted (drops.def). exporters.def is the list.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/slice.h"
#include "span/span.h"

enum exporter_id {
#define EXPORTER(id, name, help) EXPORTER_##id,
#include "export/exporters.def"
#undef EXPORTER
	EXPORTER_CNT,
};

/* Addresses of host for this port: at most n into out, returns how many, or -errno. Called on a worker thread, may
 * block; the sandboxed process cannot read resolv.conf. Numeric addresses and "localhost" are not asked for. */
typedef int exporter_resolve_fn(void *ctx, const char *host, uint16_t port, struct sockaddr_storage *out, size_t n);

struct exporter_cfg {
	const char *version;	     /* of kernspan, for User-Agent and scope; borrowed for ever */
	const char *(*env)(void *ctx, const char *name); /* OTEL_* variables; NULL: getenv() */
	void *env_ctx;
	exporter_resolve_fn *resolve; /* NULL: numeric addresses and localhost only */
	void *resolve_ctx;
	int fd;			     /* json: where to write; stays the caller's */
	bool wait;		     /* json: write on the calling thread, wait rather than drop (replay) */
};

struct exporter_ops;
struct exporter { /* first member of each exporter's own struct */
	const struct exporter_ops *ops;
};

struct exporter_ops {
	/* Check the configuration, load what must be loaded before the sandbox (certificates, libssl). No thread
	 * starts yet. On failure `why` says what is wrong and what to do. -ECANCELED: the environment turns it off
	 * (OTEL_SDK_DISABLED, OTEL_TRACES_EXPORTER); why says so. */
	int (*open)(const struct exporter_cfg *cfg, struct exporter **ret, char *why, size_t why_len);
	/* Start the worker; in the process that will export, before or after its sandbox. 0 or -errno. */
	int (*start)(struct exporter *e);
	/* json is the span as one JSON line (jsonl_format()), made once for everybody. */
	void (*put)(struct exporter *e, const struct span *span, struct slice json);
	void (*flush)(struct exporter *e); /* once per loop turn */
	/* Send what is queued until deadline_ns (CLOCK_MONOTONIC), count what is left, free. */
	void (*close)(struct exporter *e, uint64_t deadline_ns);
};

struct exporter_row {
	const char *name, *help;
	const struct exporter_ops *ops;
};
#define EXPORTER(id, name, help) extern const struct exporter_ops exporter_##name;
#include "export/exporters.def"
#undef EXPORTER
extern const struct exporter_row exporters[EXPORTER_CNT]; /* by enum exporter_id */
