/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Load server: answers every POST with a chat completion stream of N chunks, one write each, as an inference server
 * does, over TLS or plain TCP. One thread a connection. It stands in for a model only where a load or a clock is
 * measured; correctness is tested against servers that are not ours.
 * usage: sse_server PORT CHUNKS INTERVAL_US [CERT KEY]
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

static SSL_CTX *tls;
static int chunk_cnt;
static long interval_us;
static atomic_ulong next_id;

struct peer {
	int fd;
	SSL *ssl;
};

static ssize_t peer_read(struct peer *p, void *buf, size_t len)
{
	return p->ssl ? SSL_read(p->ssl, buf, (int)len) : read(p->fd, buf, len);
}

static bool peer_write(struct peer *p, const char *buf, size_t len)
{
	if (p->ssl)
		return SSL_write(p->ssl, buf, (int)len) > 0;
	for (size_t at = 0; at < len;) {
		ssize_t n = write(p->fd, buf + at, len - at);
		if (n <= 0)
			return false;
		at += (size_t)n;
	}
	return true;
}

static bool send_event(struct peer *p, const char *json)
{
	char out[1024];
	size_t len = strlen(json) + 8; /* "data: " and the blank line */
	int n = snprintf(out, sizeof(out), "%zx\r\ndata: %s\n\n\r\n", len, json);

	return peer_write(p, out, (size_t)n);
}

static bool send_chunk(struct peer *p, unsigned long id, int i)
{
	char json[512];

	snprintf(json, sizeof(json),
		 "{\"id\":\"chatcmpl-%016lx\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,"
		 "\"model\":\"load-model-2026\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_load\","
		 "\"choices\":[{\"index\":0,\"delta\":{\"content\":\" token%d\"},\"logprobs\":null,"
		 "\"finish_reason\":null}],\"usage\":null}",
		 id, i);
	return send_event(p, json);
}

static bool answer(struct peer *p)
{
	unsigned long id = atomic_fetch_add(&next_id, 1) + 1;
	char head[256], last[512];
	struct timespec t;
	int n = snprintf(head, sizeof(head),
			 "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Request-Id: req-%lu\r\n"
			 "Transfer-Encoding: chunked\r\n\r\n", id);

	if (!peer_write(p, head, (size_t)n))
		return false;
	clock_gettime(CLOCK_MONOTONIC, &t);
	for (int i = 0; i < chunk_cnt; i++) {
		if (!send_chunk(p, id, i))
			return false;
		if (!interval_us)
			continue;
		t.tv_nsec += interval_us * 1000;
		t.tv_sec += t.tv_nsec / 1000000000L;
		t.tv_nsec %= 1000000000L;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
	}
	snprintf(last, sizeof(last),
		 "{\"id\":\"chatcmpl-%016lx\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,"
		 "\"model\":\"load-model-2026\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],"
		 "\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":%d,\"total_tokens\":%d}}",
		 id, chunk_cnt, chunk_cnt + 11);
	return send_event(p, last) && send_event(p, "[DONE]") && peer_write(p, "0\r\n\r\n", 5);
}

/* Reads one request whole: head, then Content-Length bytes. The load client sends it in one write. */
static bool read_request(struct peer *p)
{
	char buf[16384];
	size_t have = 0;

	for (;;) {
		ssize_t n = peer_read(p, buf + have, sizeof(buf) - 1 - have);
		char *end, *cl;

		if (n <= 0)
			return false;
		have += (size_t)n;
		buf[have] = 0;
		end = strstr(buf, "\r\n\r\n");
		if (!end)
			continue;
		cl = strcasestr(buf, "content-length:");
		if (have >= (size_t)(end + 4 - buf) + (cl ? strtoul(cl + 15, NULL, 10) : 0))
			return true;
	}
}

static void *serve(void *arg)
{
	struct peer p = { .fd = (int)(long)arg };
	int one = 1;

	setsockopt(p.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (tls) {
		p.ssl = SSL_new(tls);
		SSL_set_fd(p.ssl, p.fd);
	}
	if (!p.ssl || SSL_accept(p.ssl) == 1)
		while (read_request(&p) && answer(&p))
			;
	if (p.ssl)
		SSL_free(p.ssl);
	close(p.fd);
	return NULL;
}

static int listen_on(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 1024)) {
		perror("sse_server");
		exit(1);
	}
	return fd;
}

int main(int argc, char **argv)
{
	pthread_attr_t attr;
	int fd;

	if (argc != 4 && argc != 6) {
		fprintf(stderr, "usage: sse_server PORT CHUNKS INTERVAL_US [CERT KEY]\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	chunk_cnt = atoi(argv[2]);
	interval_us = atol(argv[3]);
	if (argc == 6) {
		tls = SSL_CTX_new(TLS_server_method());
		if (SSL_CTX_use_certificate_chain_file(tls, argv[4]) != 1 ||
		    SSL_CTX_use_PrivateKey_file(tls, argv[5], SSL_FILETYPE_PEM) != 1) {
			fprintf(stderr, "sse_server: cannot read %s or %s\n", argv[4], argv[5]);
			return 1;
		}
	}
	fd = listen_on(atoi(argv[1]));
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 * 1024);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	puts("ready");
	fflush(stdout);
	for (;;) {
		pthread_t t;
		int c = accept(fd, NULL, NULL);

		if (c >= 0 && pthread_create(&t, &attr, serve, (void *)(long)c))
			close(c);
	}
}
