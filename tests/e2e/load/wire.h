/* SPDX-License-Identifier: Apache-2.0 */
/* One connection of the load programs, plain or TLS 1.3, blocking. Each connection belongs to one thread. */
#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct wire {
	int fd;
	SSL *ssl; /* NULL: plain */
};

static inline void wire_init(struct wire *w, int fd, SSL_CTX *tls)
{
	int one = 1;

	w->fd = fd;
	w->ssl = NULL;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (tls) {
		w->ssl = SSL_new(tls);
		SSL_set_fd(w->ssl, fd);
	}
}

static inline void wire_done(struct wire *w)
{
	SSL_free(w->ssl);
	close(w->fd);
}

static inline bool wire_put(struct wire *w, const char *data, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t n = w->ssl ? SSL_write(w->ssl, data + at, (int)(len - at)) : write(w->fd, data + at, len - at);
		if (n <= 0)
			return false;
		at += (size_t)n;
	}
	return true;
}

/* Bytes read; 0 or less at the end. */
static inline ssize_t wire_get(struct wire *w, char *data, size_t len)
{
	return w->ssl ? SSL_read(w->ssl, data, (int)len) : read(w->fd, data, len);
}

static inline int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}
