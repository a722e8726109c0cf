/* SPDX-License-Identifier: Apache-2.0 */
/* Which exchange is an AI call, and whose: by path, host and headers, before the body. Pure functions. */
#pragma once

#include "provider/decode.h"

/* "host:port", "[::1]:port": the parts; port 0 if none. */
void authority_split(struct slice authority, struct slice *ret_host, int *ret_port);
/* The target without query and, in absolute form, without scheme and authority (which goes to ret_authority). */
struct slice target_path(struct slice target, struct slice *ret_authority);
/* The name that hosts.def has for a host; NULL if it is unknown. */
const char *host_provider(struct slice host);
/* The route whose path suffix fits best; NULL if none does. */
const struct route *route_find(const struct route *routes, size_t cnt, struct slice path);
/* The request has a header that only this provider's clients send. */
bool headers_fit(const struct provider *p, const struct message *head);
/* For a path that says nothing: the route of the provider whose client sent the request; NULL if it has no mark of one.
 * The first row wins. */
const struct route *route_of_client(const struct route *routes, size_t cnt,
				    const struct message *head);
/* The content type says JSON. Many clients and servers say something else, or nothing. */
bool is_json(const struct message *head);
/* ".../deployments/{name}/..." of Azure: the name; empty if it is not such a path. */
struct slice deployment(struct slice path);
/* ".../models/{model}:{method}" of Google: the model; empty if there is no method. */
struct slice path_model(struct slice path);

/* Take what the headers of a request or a response say into the call. */
void request_headers(struct decode *d, const struct message *head);
void response_headers(struct decode *d, const struct message *head);
