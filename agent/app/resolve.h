/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one request that the agent process may make of the warden: the addresses of the configured OTLP endpoint. A
 * worker asks the resolver, so that the warden never waits. Warden.
 */
#pragma once

#include "app/config.h"

struct resolver;

/* The host is taken from the configuration, never from the request. NULL: out of memory. ipc_fd: where answers go. */
struct resolver *resolver_new(const struct config *c, int ipc_fd);
void resolver_free(struct resolver *r);
/* Answer with IPC_RESOLVED; a request for another host, or while one is under way, is refused. */
void resolver_ask(struct resolver *r, const char *host);
/* The configured endpoint URL, or NULL: OTLP was not asked for. */
const char *otlp_endpoint(const struct config *c);
/* The host of a URL into out; false if there is none. */
bool url_host(const char *url, char *out, size_t len);
