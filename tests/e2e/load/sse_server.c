/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sse_server PORT CHUNKS INTERVAL_US [CERT KEY]: an OpenAI-shaped chat server. Each request is answered by a stream of
 * CHUNKS events, each written by a call of its own, INTERVAL_US apart (absolute, so that a late one is caught up).
 * The response id is chatcmpl-load-N with N from the request's "user" field. A thread for each connection.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "wire.h"

static SSL_CTX *tls;
static int chunks, interval_us;

static bool event(struct wire *w, const char *json)
{
	char frame[768];
	int len = snprintf(NULL, 0, "data: %s\n\n", json);
	int n = snprintf(frame, sizeof(frame), "%x\r\ndata: %s\n\n\r\n", (unsigned)len, json);

	return wire_put(w, frame, (size_t)n);
}

static void pause_until(int64_t when)
{
	struct timespec t = { when / 1000000000LL, when % 1000000000LL };

	if (interval_us)
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static bool answer(struct wire *w, long id)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
				   "Transfer-Encoding: chunked\r\n\r\n";
	static const char form[] = "{\"id\":\"chatcmpl-load-%ld\",\"object\":\"chat.completion.chunk\",\"created\":1,"
				   "\"model\":\"load-1\",\"choices\":[{\"index\":0,\"delta\":{%s},\"finish_reason\":%s}]}";
	char json[512], text[64];
	int64_t start = now_ns();

	if (!wire_put(w, head, sizeof(head) - 1))
		return false;
	for (int i = 0; i < chunks; i++) {
		snprintf(text, sizeof(text), "\"content\":\"word %d of many \"", i);
		snprintf(json, sizeof(json), form, id, text, i + 1 < chunks ? "null" : "\"stop\"");
		pause_until(start + (int64_t)i * interval_us * 1000);
		if (!event(w, json))
			return false;
	}
	snprintf(json, sizeof(json),
		 "{\"id\":\"chatcmpl-load-%ld\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"load-1\","
		 "\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":%d,\"total_tokens\":%d}}",
		 id, chunks, chunks + 7);
	return event(w, json) && event(w, "[DONE]") && wire_put(w, "0\r\n\r\n", 5);
}

static void *serve(void *fd)
{
	char request[4096];
	struct wire w;
	ssize_t n;

	wire_init(&w, (int)(intptr_t)fd, tls);
	if (!tls || SSL_accept(w.ssl) == 1) {
		/* the client sends one request in one write and waits for its answer */
		while ((n = wire_get(&w, request, sizeof(request) - 1)) > 0) {
			request[n] = 0;
			const char *user = strstr(request, "\"user\":\"");
			if (!user || !answer(&w, strtol(user + 8, NULL, 10)))
				break;
		}
	}
	wire_done(&w);
	return NULL;
}

static SSL_CTX *context(const char *cert, const char *key)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
	if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1) {
		fprintf(stderr, "sse_server: bad certificate %s or key %s\n", cert, key);
		exit(1);
	}
	return ctx;
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	pthread_attr_t attr;
	pthread_t thread;

	if (argc != 4 && argc != 6) {
		fprintf(stderr, "usage: sse_server PORT CHUNKS INTERVAL_US [CERT KEY]\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	at.sin_port = htons((uint16_t)atoi(argv[1]));
	chunks = atoi(argv[2]);
	interval_us = atoi(argv[3]);
	if (argc == 6)
		tls = context(argv[4], argv[5]);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&at, sizeof(at)) || listen(listener, 512)) {
		perror("sse_server");
		return 1;
	}
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 * 1024);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		if (fd >= 0 && pthread_create(&thread, &attr, serve, (void *)(intptr_t)fd))
			close(fd);
	}
}
