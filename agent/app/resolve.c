/* SPDX-License-Identifier: Apache-2.0 */
/* getaddrinfo(3) on a worker thread. The loop thread owns the struct; the worker writes only while `busy`. */
#include "app/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/ipc.h"
#include "base/worker.h"

struct resolver {
	char host[256];
	int ipc_fd;
	int busy;
	struct worker *worker;
};

const char *otlp_endpoint(const struct config *c)
{
	static const char *const names[] = { "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
					     "OTEL_EXPORTER_OTLP_ENDPOINT" };

	if (c->otlp_endpoint[0])
		return c->otlp_endpoint;
	for (int i = 0; i < 2; i++)
		if (getenv(names[i]) && *getenv(names[i]))
			return getenv(names[i]);
	return NULL;
}

bool url_host(const char *url, char *out, size_t len)
{
	const char *at = strstr(url, "://");

	at = at ? at + 3 : url;
	size_t auth = strcspn(at, "/?#");
	for (size_t i = auth; i > 0; i--) { /* user information, RFC 3986 section 3.2 */
		if (at[i - 1] == '@') {
			at += i;
			auth -= i;
			break;
		}
	}
	size_t n = at[0] == '[' ? strcspn(at + 1, "]") : strcspn(at, ":");
	at += at[0] == '[';
	n = n < auth ? n : auth;
	if (n == 0 || n >= len)
		return false;
	snprintf(out, len, "%.*s", (int)n, at);
	return true;
}

struct resolver *resolver_new(const struct config *c, int ipc_fd)
{
	struct resolver *r = calloc(1, sizeof(*r));
	const char *url = otlp_endpoint(c);

	if (r) {
		r->ipc_fd = ipc_fd;
		if (url)
			(void)url_host(url, r->host,
				       sizeof(r->host)); /* none: every request is refused */
	}
	return r;
}

void resolver_free(struct resolver *r)
{
	if (!r)
		return;
	worker_join(r->worker);
	free(r);
}

static void look_up(void *ctx)
{
	struct resolver *r = ctx;
	struct ipc_msg msg = { .magic = IPC_MAGIC, .kind = IPC_RESOLVED };
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG },
			*list = NULL;
	int err = getaddrinfo(r->host, NULL, &hints, &list);

	if (err)
		msg.err = err == EAI_AGAIN ? -EAGAIN : -ENOENT;
	for (struct addrinfo *a = list; a && msg.addr_cnt < IPC_ADDRS; a = a->ai_next)
		memcpy(&msg.addr[msg.addr_cnt++], a->ai_addr, a->ai_addrlen);
	if (list)
		freeaddrinfo(list);
	__atomic_store_n(&r->busy, 0, __ATOMIC_RELEASE);
	(void)ipc_send(r->ipc_fd, &msg, sizeof(msg)); /* gone: nobody waits */
}

void resolver_ask(struct resolver *r, const char *host)
{
	int err = 0;

	if (!r->host[0] || strcmp(r->host, host) != 0)
		err = -EPERM;
	else if (__atomic_load_n(&r->busy, __ATOMIC_ACQUIRE))
		err = -EBUSY;
	if (!err) {
		worker_join(r->worker);
		r->worker = NULL;
		r->busy = 1;
		err = worker_start("ks-resolve", look_up, r, &r->worker);
	}
	if (err) {
		r->busy = err == -EBUSY;
		(void)ipc_say(r->ipc_fd, IPC_RESOLVED, err, NULL);
	}
}
