/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one SSL_write() costs the thread that calls it: ssl_cost_bench CERT KEY BATCHES. Both ends live here, over memory, so nothing
 * but the library and whoever probes it is on the bill; only the server's writes are timed, by the thread's CPU clock. Waits for
 * a line on standard input after the handshake, then prints the tenth percentile and the median of the batches, ns per call.
 * One thread; batches because the clock itself costs a system call.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ssl.h>

#define CALLS	50  /* of one batch */
#define PAYLOAD 210 /* bytes, as one server-sent event of a streamed answer */

static double cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void write_or_die(SSL *ssl, const char *data, int n)
{
	if (SSL_write(ssl, data, n) != n) {
		fprintf(stderr, "ssl_cost_bench: SSL_write failed\n");
		exit(1);
	}
}

static void drain(SSL *ssl)
{
	char data[16384];

	while (SSL_read(ssl, data, sizeof(data)) > 0)
		;
}

static void connect_pair(const char *cert, const char *key, SSL **ret_server, SSL **ret_client)
{
	SSL_CTX *sc = SSL_CTX_new(TLS_server_method()), *cc = SSL_CTX_new(TLS_client_method());
	BIO *a, *b;

	if (SSL_CTX_use_certificate_chain_file(sc, cert) != 1 || SSL_CTX_use_PrivateKey_file(sc, key, SSL_FILETYPE_PEM) != 1 ||
	    BIO_new_bio_pair(&a, 1 << 20, &b, 1 << 20) != 1) {
		fprintf(stderr, "ssl_cost_bench: bad certificate or key\n");
		exit(1);
	}
	*ret_server = SSL_new(sc);
	*ret_client = SSL_new(cc);
	SSL_set_bio(*ret_server, a, a);
	SSL_set_bio(*ret_client, b, b);
	SSL_set_accept_state(*ret_server);
	SSL_set_connect_state(*ret_client);
	for (int i = 0; i < 10; i++) {
		SSL_do_handshake(*ret_client);
		SSL_do_handshake(*ret_server);
	}
}

int main(int argc, char **argv)
{
	static const char request[] = "POST /v1/chat/completions HTTP/1.1\r\nHost: bench\r\nContent-Length: 0\r\n\r\n";
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
	int batches = argc == 4 ? atoi(argv[3]) : 0;
	double *cost = calloc((size_t)batches + 1, sizeof(*cost)), from;
	char event[PAYLOAD + 1], line[8];
	SSL *server, *client;

	if (batches < 10 || !cost) {
		fprintf(stderr, "usage: ssl_cost_bench CERT KEY BATCHES\n");
		return 2;
	}
	connect_pair(argv[1], argv[2], &server, &client);
	printf("ready\n");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return 1;
	snprintf(event, sizeof(event), "data: {\"choices\":[{\"delta\":{\"content\":\"%0*d\"}}]}\n\n", PAYLOAD - 46, 0);
	write_or_die(client, request, sizeof(request) - 1);
	drain(server);
	write_or_die(server, head, sizeof(head) - 1);
	for (int i = 0; i < batches; i++) {
		from = cpu_ns();
		for (int k = 0; k < CALLS; k++)
			write_or_die(server, event, PAYLOAD);
		cost[i] = (cpu_ns() - from) / CALLS;
		drain(client);
		usleep(1000); /* lets the tracer's consumer keep up: a full ring would look cheap */
	}
	qsort(cost, (size_t)batches, sizeof(*cost), ascending);
	printf("%.0f %.0f\n", cost[batches / 10], cost[batches / 2]);
	free(cost);
	return 0;
}
