/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS for https endpoints, by the system's libssl, loaded when it is needed (it is not linked: most use plain HTTP to
 * a collector on the node). Certificate and host name are always verified. tls_new() before the sandbox; the rest on
 * the exporter's thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct tls;	 /* library and trust store */
struct tls_conn; /* one connection */

/* ca: PEM file, NULL: the system's. client_cert, client_key: PEM files or NULL. 0, or -errno and `why` says what to
 * do. */
int tls_new(const char *ca, const char *client_cert, const char *client_key, struct tls **ret, char *why,
	    size_t why_len);
void tls_free(struct tls *t);

/* Handshake on a connected non-blocking socket (stays the caller's) by until_ns (CLOCK_MONOTONIC). 0; -ETIMEDOUT;
 * -EPROTO: no agreement, or the certificate is not good for this host: *ret_why is a static text. */
int tls_connect(struct tls *t, int fd, const char *host, uint64_t until_ns, struct tls_conn **ret,
		const char **ret_why);
/* Bytes moved (0 at the end of input), or -errno. */
ssize_t tls_read(struct tls_conn *c, void *data, size_t len, uint64_t until_ns);
ssize_t tls_write(struct tls_conn *c, const void *data, size_t len, uint64_t until_ns);
void tls_close(struct tls_conn *c);
