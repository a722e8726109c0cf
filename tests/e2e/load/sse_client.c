/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Load client: N threads send streamed chat completions and time the first chunk on their own clock: from just before
 * the request is written to the return of the read that holds the first event. One JSON line a call on stdout.
 * usage: sse_client PORT THREADS CALLS [tls] [fresh]     fresh: a new connection for each call
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int port;
static bool fresh;
static SSL_CTX *tls;
static atomic_long calls_left;
static atomic_int failures;

struct peer {
	int fd;
	SSL *ssl;
};

struct seen { /* what the client saw of one answer */
	char id[64];
	long ttfc_ns;
	long chunks;
	bool done;
};

static long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

static void peer_close(struct peer *p)
{
	if (p->ssl) {
		SSL_shutdown(p->ssl);
		SSL_free(p->ssl);
	}
	if (p->fd >= 0)
		close(p->fd);
	*p = (struct peer){ .fd = -1 };
}

static bool peer_open(struct peer *p)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int one = 1;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	p->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(p->fd, (struct sockaddr *)&a, sizeof(a)))
		return false;
	setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (!tls)
		return true;
	p->ssl = SSL_new(tls);
	SSL_set_fd(p->ssl, p->fd);
	return SSL_connect(p->ssl) == 1;
}

static ssize_t peer_read(struct peer *p, char *buf, size_t len)
{
	return p->ssl ? SSL_read(p->ssl, buf, (int)len) : read(p->fd, buf, len);
}

static bool peer_write(struct peer *p, const char *buf, size_t len)
{
	return p->ssl ? SSL_write(p->ssl, buf, (int)len) == (int)len : write(p->fd, buf, len) == (ssize_t)len;
}

static void look(struct seen *s, const char *buf, long t0)
{
	for (const char *d = buf; (d = strstr(d, "data: ")); d += 6) {
		const char *id = strstr(d, "\"id\":\"");

		if (!s->ttfc_ns)
			s->ttfc_ns = now_ns() - t0;
		if (!s->id[0] && id)
			sscanf(id + 6, "%63[^\"]", s->id);
		if (strncmp(d + 6, "[DONE]", 6) == 0)
			s->done = true;
		else
			s->chunks++;
	}
}

static bool call(struct peer *p, struct seen *s)
{
	static const char body[] = "{\"model\":\"load-model\",\"stream\":true,\"stream_options\":{\"include_usage\":true},"
				   "\"messages\":[{\"role\":\"user\",\"content\":\"Say something.\"}]}";
	char req[512], buf[65536 + 16];
	size_t keep = 0;
	int n = snprintf(req, sizeof(req), "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost:%d\r\n"
			 "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", port, sizeof(body) - 1, body);
	long t0 = now_ns();

	if (!peer_write(p, req, (size_t)n))
		return false;
	for (;;) {
		ssize_t r = peer_read(p, buf + keep, 65536 - keep);
		size_t len = keep + (size_t)(r > 0 ? r : 0);
		char *tail;

		if (r <= 0)
			return false;
		buf[len] = 0;
		tail = strstr(buf, "\r\n0\r\n\r\n");
		if (!tail && len >= 5 && !memcmp(buf + len - 5, "0\r\n\r\n", 5) && s->done)
			tail = buf;
		/* keep an unfinished last line for the next read */
		keep = 0;
		if (!tail && buf[len - 1] != '\n') {
			char *nl = memrchr(buf, '\n', len);
			size_t at = nl ? (size_t)(nl + 1 - buf) : 0;
			char held = buf[at];

			buf[at] = 0;
			look(s, buf, t0);
			buf[at] = held;
			keep = len - at;
			memmove(buf, buf + at, keep);
			continue;
		}
		look(s, buf, t0);
		if (tail)
			return s->done;
	}
}

static void *run(void *arg)
{
	struct peer p = { .fd = -1 };

	(void)arg;
	while (atomic_fetch_sub(&calls_left, 1) > 0) {
		struct seen s = { .chunks = 0 };

		if ((p.fd < 0 && !peer_open(&p)) || !call(&p, &s)) {
			atomic_fetch_add(&failures, 1);
			peer_close(&p);
			continue;
		}
		printf("{\"id\":\"%s\",\"ttfc_ns\":%ld,\"chunks\":%ld}\n", s.id, s.ttfc_ns, s.chunks);
		if (fresh)
			peer_close(&p);
	}
	peer_close(&p);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t t[256];
	int threads;

	if (argc < 4) {
		fprintf(stderr, "usage: sse_client PORT THREADS CALLS [tls] [fresh]\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	port = atoi(argv[1]);
	threads = atoi(argv[2]) > 256 ? 256 : atoi(argv[2]);
	atomic_store(&calls_left, atol(argv[3]));
	for (int i = 4; i < argc; i++) {
		fresh |= strcmp(argv[i], "fresh") == 0;
		if (strcmp(argv[i], "tls") == 0)
			tls = SSL_CTX_new(TLS_client_method());
	}
	for (int i = 0; i < threads; i++)
		if (pthread_create(&t[i], NULL, run, NULL))
			return 1;
	for (int i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
	fflush(stdout);
	fprintf(stderr, "failures %d\n", atomic_load(&failures));
	return atomic_load(&failures) != 0;
}
