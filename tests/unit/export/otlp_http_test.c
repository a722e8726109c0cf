/* SPDX-License-Identifier: Apache-2.0 */
/* The otlp exporter against a server on loopback: batching, gzip, keep-alive, retries, refusals, giving up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <unistd.h>

#define BACKOFF_FIRST_NS 20000000ull
#define BACKOFF_MAX_NS 40000000ull
#define GIVE_UP_NS 500000000ull
#include "export/otlp_http.c"
#include "export/pb.h"

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

/* The server: answers request i with answers[i], the last one for ever; "" closes without an answer. */
static struct {
	int listen_fd;
	int port;
	const char *const *answers;
	pthread_t thread;
	_Atomic int requests, conns;
	uint64_t spans;
	bool zipped;
	char head[4096];
} server;

static size_t count_spans(struct slice body)
{
	struct pb_field rs, ss, f;
	size_t spans = 0;
	bool bad;

	while (pb_next(&body, &rs, &bad))
		while (pb_next(&rs.data, &ss, &bad))
			while (ss.field == 2 && pb_next(&ss.data, &f, &bad))
				spans += f.field == 2;
	return spans;
}

static void count_body(char *body, size_t len)
{
	static char plain[1 << 20];
	z_stream z = { .next_in = (unsigned char *)body, .avail_in = (unsigned int)len,
		       .next_out = (unsigned char *)plain, .avail_out = sizeof(plain) };

	server.zipped = strstr(server.head, "Content-Encoding: gzip") != NULL;
	if (server.zipped) {
		inflateInit2(&z, 15 + 16);
		if (inflate(&z, Z_FINISH) != Z_STREAM_END)
			return;
		inflateEnd(&z);
		body = plain;
		len = z.total_out;
	}
	server.spans += count_spans((struct slice){ body, len });
}

static bool answer_one(int fd)
{
	static char data[1 << 20];
	size_t len = 0, want = 0;
	const char *answer;
	char *end = NULL;

	while (!end || len < want) {
		ssize_t n = read(fd, data + len, sizeof(data) - len - 1);

		if (n <= 0)
			return false;
		len += (size_t)n;
		data[len] = 0;
		if (!end && (end = strstr(data, "\r\n\r\n")))
			want = (size_t)(end + 4 - data) +
			       (size_t)atol(strstr(data, "Content-Length: ") + strlen("Content-Length: "));
	}
	end[2] = 0;
	assert_true((size_t)(end - data) + 3 <= sizeof(server.head));
	memcpy(server.head, data, (size_t)(end - data) + 3);
	answer = *server.answers;
	if (server.answers[1])
		server.answers++;
	server.requests++;
	if (!*answer)
		return false;
	if (strstr(answer, " 200 "))
		count_body(end + 4, len - (size_t)(end + 4 - data));
	return write(fd, answer, strlen(answer)) > 0 && !strstr(answer, "close");
}

static void *serve(void *ctx)
{
	int fd;

	(void)ctx;
	while ((fd = accept(server.listen_fd, NULL, NULL)) >= 0) {
		server.conns++;
		while (answer_one(fd))
			;
		close(fd);
	}
	return NULL;
}

static void start_server(const char *const *answers)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(at);

	memset(&server, 0, sizeof(server));
	server.answers = answers;
	server.listen_fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(server.listen_fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(server.listen_fd, 8), 0);
	getsockname(server.listen_fd, (struct sockaddr *)&at, &len);
	server.port = ntohs(at.sin_port);
	pthread_create(&server.thread, NULL, serve, NULL);
}

static void stop_server(void)
{
	shutdown(server.listen_fd, SHUT_RDWR);
	pthread_join(server.thread, NULL);
	close(server.listen_fd);
}

static const char *compression, *host;
static uint16_t asked_port;

static const char *env(void *ctx, const char *name)
{
	static char url[64];

	(void)ctx;
	if (!strcmp(name, "OTEL_EXPORTER_OTLP_ENDPOINT")) {
		snprintf(url, sizeof(url), "http://%s:%d", host, server.port);
		return url;
	}
	if (!strcmp(name, "OTEL_EXPORTER_OTLP_COMPRESSION"))
		return compression;
	if (!strcmp(name, "OTEL_EXPORTER_OTLP_HEADERS"))
		return "x-key=secret";
	return strcmp(name, "OTEL_BSP_SCHEDULE_DELAY") ? NULL : "30";
}

static int resolve(void *ctx, const char *name, uint16_t port, struct sockaddr_storage *out, size_t n)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;

	(void)ctx;
	asked_port = port;
	assert_true(n >= 1);
	if (strcmp(name, "collector.test"))
		return 0;
	*v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port),
				    .sin_addr = { htonl(INADDR_LOOPBACK) } };
	return 1;
}

static struct exporter *open_exporter(void)
{
	struct exporter_cfg cfg = { .version = "9.9", .env = env, .resolve = resolve };
	struct exporter *e = NULL;
	char why[256];

	assert_int_equal(exporter_otlp.open(&cfg, &e, why, sizeof(why)), 0);
	assert_int_equal(exporter_otlp.start(e), 0);
	return e;
}

static void put(struct exporter *e, int cnt)
{
	struct attr service = { "service.name", ATTR_STR, { .str = SLICE("svc") } };
	struct span span = { .trace_id = { 1 }, .span_id = { 2 }, .kind = SPAN_CLIENT, .name = SLICE("chat m"),
			     .resource = &service, .resource_cnt = 1 };

	while (cnt--)
		exporter_otlp.put(e, &span, SLICE_NONE);
	exporter_otlp.flush(e);
}

static uint64_t in_s(double s)
{
	return clock_ns(CLOCK_MONOTONIC) + (uint64_t)(s * 1e9);
}

static int plain(void **state)
{
	(void)state;
	compression = NULL;
	host = "127.0.0.1";
	return 0;
}

static void batches(void **state)
{
	static const char *const answers[] = { OK, NULL };
	struct exporter *e;

	(void)state;
	start_server(answers);
	e = open_exporter();
	put(e, 1000);
	usleep(200000); /* one full batch at once, the rest after the delay */
	assert_int_equal(server.requests, 2);
	put(e, 5);
	exporter_otlp.close(e, in_s(5));
	stop_server();
	assert_true(server.spans == 1005);
	assert_int_equal(server.conns, 1);
	assert_non_null(strstr(server.head, "POST /v1/traces HTTP/1.1\r\n"));
	assert_non_null(strstr(server.head, "User-Agent: kernspan/9.9 OTel-OTLP-Exporter-C/9.9\r\n"));
	assert_non_null(strstr(server.head, "Content-Type: application/x-protobuf\r\n"));
	assert_non_null(strstr(server.head, "x-key: secret\r\n"));
	assert_false(server.zipped);
}

static void zipped_by_name(void **state)
{
	static const char *const answers[] = { OK, NULL };
	struct exporter *e;

	(void)state;
	start_server(answers);
	compression = "gzip";
	host = "collector.test";
	e = open_exporter();
	put(e, 100);
	exporter_otlp.close(e, in_s(5));
	stop_server();
	assert_true(server.zipped && server.spans == 100);
	assert_int_equal(asked_port, server.port);
	assert_non_null(strstr(server.head, "Host: collector.test:"));
}

static void retries(void **state)
{
	static const char *const answers[] = {
		"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "", /* closed without an answer */
		"HTTP/1.1 429 Slow\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
		"HTTP/1.1 502 Bad\r\n\r\nuntil close", OK, NULL,
	};
	uint64_t failed = drop_get(KS_DROP_export_failed), rejected = drop_get(KS_DROP_export_rejected);
	struct exporter *e;

	(void)state;
	start_server(answers);
	e = open_exporter();
	put(e, 3);
	exporter_otlp.close(e, in_s(5));
	stop_server();
	assert_true(server.spans == 3);
	/* the connection that was closed without an answer had been kept: tried again at once */
	assert_true(server.requests >= 5);
	assert_true(drop_get(KS_DROP_export_failed) == failed && drop_get(KS_DROP_export_rejected) == rejected);
}

static void refusals(void **state)
{
	static const char *const answers[] = {
		"HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\x0a\x02\x08\x02", /* partial success: 2 rejected */
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", NULL,
	};
	uint64_t rejected = drop_get(KS_DROP_export_rejected);
	struct exporter *e;

	(void)state;
	start_server(answers);
	e = open_exporter();
	for (int i = 0; i < 4; i++) {
		put(e, 10);
		usleep(120000);
	}
	exporter_otlp.close(e, in_s(5));
	stop_server();
	assert_int_equal(server.requests, 4);
	assert_true(drop_get(KS_DROP_export_rejected) == rejected + 10 + 10 + 2 + 10);
}

static void retry_after(void **state)
{
	static const char *const answers[] = {
		"HTTP/1.1 503 Busy\r\nRetry-After: 100\r\nContent-Length: 0\r\n\r\n", OK, NULL,
	};
	uint64_t failed = drop_get(KS_DROP_export_failed), start;
	struct exporter *e;

	(void)state;
	start_server(answers);
	e = open_exporter();
	put(e, 7);
	start = clock_ns(CLOCK_MONOTONIC);
	exporter_otlp.close(e, in_s(1));
	stop_server();
	assert_int_equal(server.requests, 1); /* asked to wait for longer than there is time */
	assert_true(clock_ns(CLOCK_MONOTONIC) - start < SECOND_NS);
	assert_true(drop_get(KS_DROP_export_failed) == failed + 7);
}

static void nobody(void **state)
{
	static const char *const answers[] = { OK, NULL };
	uint64_t failed = drop_get(KS_DROP_export_failed), full = drop_get(KS_DROP_queue_full);
	struct exporter *e;

	(void)state;
	start_server(answers);
	stop_server();
	e = open_exporter();
	put(e, 4);
	usleep(700000); /* beyond GIVE_UP_NS */
	assert_true(drop_get(KS_DROP_export_failed) == failed + 4);
	put(e, KS_QUEUE_SPANS + 100);
	assert_true(drop_get(KS_DROP_queue_full) >= full + 1);
	exporter_otlp.close(e, in_s(0.3));
	assert_true(drop_get(KS_DROP_export_failed) - failed + drop_get(KS_DROP_queue_full) - full ==
		    KS_QUEUE_SPANS + 104);
	host = "unknown.test";
	e = open_exporter();
	put(e, 1);
	exporter_otlp.close(e, in_s(0.1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(batches, plain), cmocka_unit_test_setup(zipped_by_name, plain),
		cmocka_unit_test_setup(retries, plain), cmocka_unit_test_setup(refusals, plain),
		cmocka_unit_test_setup(retry_after, plain), cmocka_unit_test_setup(nobody, plain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
