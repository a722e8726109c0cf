/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The OTEL_* variables of the OTLP exporter (OpenTelemetry specification, "OTLP Exporter Configuration"), read once at
 * start. Owned by the exporter; read-only after otlp_cfg_read().
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "export/buf.h"
#include "export/exporter.h"

struct otlp_cfg {
	bool https;
	bool gzip;
	char host[256]; /* without brackets */
	uint16_t port;
	char path[512];	/* begins with / */
	struct buf headers; /* "Name: value\r\n" lines */
	uint64_t timeout_ns;	   /* of one request */
	uint64_t delay_ns;	   /* how long a batch waits to fill */
	size_t batch_max;
	const char *ca, *client_cert, *client_key; /* file names or NULL; borrowed from the environment */
};

/* 0; -ECANCELED: turned off; -EINVAL, -EPROTONOSUPPORT: `why` names the variable and says what to do. */
int otlp_cfg_read(struct otlp_cfg *cfg, const struct exporter_cfg *env, char *why, size_t why_len);
void otlp_cfg_done(struct otlp_cfg *cfg);
