/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sse_client PORT CALLS THREADS plain|tls [ID_BASE]: THREADS connections make CALLS streamed chat calls in all, on
 * keep-alive connections. Prints a line for each call: its number, the events seen and the nanoseconds from just before
 * the request was written to just after the first event was read. Fails if a stream was cut or an event was missing.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "wire.h"

static SSL_CTX *tls;
static int port, calls;
static long id_base;
static atomic_int next_call, failures;

/* Reads one answer to its last chunk; counts the events. Returns the time of the first one, 0 on failure. */
static int64_t read_answer(struct wire *w, int *ret_events)
{
	char data[16385];
	size_t kept = 0;
	int64_t first = 0;

	*ret_events = 0;
	for (;;) {
		ssize_t n = wire_get(w, data + kept, sizeof(data) - 1 - kept);
		if (n <= 0)
			return 0;
		size_t len = kept + (size_t)n;
		data[len] = 0;
		char *at = data;
		for (char *hit; (hit = strstr(at, "data: ")); at = hit + 6) {
			if (!first)
				first = now_ns();
			++*ret_events;
		}
		if (len >= 7 && strcmp(data + len - 7, "\r\n0\r\n\r\n") == 0)
			return first;
		/* a marker may be cut by the end of what was read */
		size_t rest = len - (size_t)(at - data);
		kept = rest < 7 ? rest : 7;
		memmove(data, data + len - kept, kept);
	}
}

static bool call(struct wire *w, int number)
{
	char body[256], request[640];
	int len = snprintf(body, sizeof(body),
			   "{\"model\":\"load-1\",\"stream\":true,\"stream_options\":{\"include_usage\":true},"
			   "\"user\":\"%ld\",\"messages\":[{\"role\":\"user\",\"content\":\"go on\"}]}",
			   id_base + number);
	int n = snprintf(request, sizeof(request),
			 "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost:%d\r\nContent-Type: application/json\r\n"
			 "Authorization: Bearer load\r\nContent-Length: %d\r\n\r\n%s",
			 port, len, body);
	int64_t start = now_ns();
	int events;

	if (!wire_put(w, request, (size_t)n))
		return false;
	int64_t first = read_answer(w, &events);
	if (first)
		printf("%ld %d %lld\n", id_base + number, events, (long long)(first - start));
	return first != 0;
}

static void *run(void *unused)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), number;
	struct wire w;

	(void)unused;
	to.sin_port = htons((uint16_t)port);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to))) {
		perror("sse_client");
		atomic_fetch_add(&failures, 1);
		close(fd);
		return NULL;
	}
	wire_init(&w, fd, tls);
	if (tls && SSL_connect(w.ssl) != 1)
		atomic_fetch_add(&failures, 1);
	else
		while ((number = atomic_fetch_add(&next_call, 1)) < calls)
			if (!call(&w, number)) {
				atomic_fetch_add(&failures, 1);
				break;
			}
	if (w.ssl)
		SSL_shutdown(w.ssl);
	wire_done(&w);
	return NULL;
}

int main(int argc, char **argv)
{
	int threads = argc >= 5 ? atoi(argv[3]) : 0;
	pthread_t thread[1024];

	if (argc < 5 || argc > 6 || threads < 1 || threads > 1024) {
		fprintf(stderr, "usage: sse_client PORT CALLS THREADS plain|tls [ID_BASE]\n");
		return 2;
	}
	port = atoi(argv[1]);
	calls = atoi(argv[2]);
	id_base = argc == 6 ? atol(argv[5]) : 0;
	if (strcmp(argv[4], "tls") == 0) /* the certificate is not looked at: this measures, it does not trust */
		tls = SSL_CTX_new(TLS_client_method());
	for (int i = 0; i < threads; i++)
		if (pthread_create(&thread[i], NULL, run, NULL)) {
			perror("sse_client");
			return 1;
		}
	for (int i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	if (failures)
		fprintf(stderr, "sse_client: %d failures\n", failures);
	return failures ? 1 : 0;
}
