/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One HTTP/1.1 client connection with deadlines, over TCP or TLS. Every socket call of the exporters is here. Worker
 * threads; deadlines are CLOCK_MONOTONIC ns.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "export/exporter.h"
#include "export/reply.h"
#include "export/tls.h"

struct net {
	/* set by the owner */
	const char *host;
	uint16_t port;
	struct tls *tls; /* NULL: plain */
	exporter_resolve_fn *resolve;
	void *resolve_ctx;
	/* own */
	int fd; /* -1: not connected */
	struct tls_conn *conn;
	const char *trouble; /* of the last failure, static text or NULL */
};

/* Wait until the socket can be read or written. 0, -ETIMEDOUT, -errno. */
int net_wait(int fd, bool write, uint64_t until_ns);
/* Send a request that consists of these slices and read the response into reply (reset first). Connects when there is
 * no connection; a kept one that turns out to be closed is opened again once. 0; -EBADMSG: the response is
 * broken or too large; else -errno: no response, `trouble` may say more. */
int net_request(struct net *n, const struct slice *parts, size_t part_cnt, struct reply *reply, uint64_t until_ns);
void net_close(struct net *n);
