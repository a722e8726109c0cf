/* SPDX-License-Identifier: Apache-2.0 */
/* The OTEL_* variables of the exporter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "export/otlp_cfg.h"
#include "limits.h"

static const char *const *vars; /* name, value, ..., NULL */
static struct otlp_cfg cfg;
static char why[256];

static const char *env(void *ctx, const char *name)
{
	(void)ctx;
	for (const char *const *at = vars; at && *at; at += 2)
		if (!strcmp(*at, name))
			return at[1];
	return NULL;
}

static int read_vars(const char *const *set)
{
	struct exporter_cfg e = { .env = env };

	vars = set;
	why[0] = 0;
	return otlp_cfg_read(&cfg, &e, why, sizeof(why));
}
#define READ(...) read_vars((const char *const[]){ __VA_ARGS__, NULL })

#define GENERAL "OTEL_EXPORTER_OTLP_ENDPOINT"
#define TRACES "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"

static void url(const char *name, const char *text, bool https, const char *host, int port, const char *path)
{
	assert_int_equal(READ(name, text), 0);
	assert_int_equal(cfg.https, https);
	assert_string_equal(cfg.host, host);
	assert_int_equal(cfg.port, port);
	assert_string_equal(cfg.path, path);
	otlp_cfg_done(&cfg);
}

static void endpoints(void **state)
{
	static const char *const bad[] = {
		"localhost:4318", "ftp://x", "http://", "http://:1", "http://h:0", "http://h:65536", "http://h:x",
		"http://h:1x", "http://[::1", "http://user:secret@h", "http://h/a b",
	};

	(void)state;
	assert_int_equal(read_vars(NULL), 0);
	assert_string_equal(cfg.host, "localhost");
	assert_int_equal(cfg.port, 4318);
	assert_string_equal(cfg.path, "/v1/traces");
	assert_true(cfg.timeout_ns == 10000000000ull && cfg.delay_ns == 5000000000ull && !cfg.gzip);
	assert_int_equal(cfg.batch_max, KS_BATCH_SPANS);
	otlp_cfg_done(&cfg);
	url(GENERAL, "http://collector:4318", false, "collector", 4318, "/v1/traces");
	url(GENERAL, "http://collector/", false, "collector", 80, "/v1/traces");
	url(GENERAL, "https://h/otel/", true, "h", 443, "/otel/v1/traces");
	url(GENERAL, "HTTPS://[2001:db8::1]:99/x", true, "2001:db8::1", 99, "/x/v1/traces");
	url(TRACES, "http://h", false, "h", 80, "/");
	url(TRACES, "http://h/a/b?c=d", false, "h", 80, "/a/b?c=d");
	url(TRACES, "http://[::1]/a", false, "::1", 80, "/a");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(READ(GENERAL, bad[i]), -EINVAL);
		assert_non_null(strstr(why, GENERAL));
		assert_null(strstr(why, "secret"));
	}
	assert_int_equal(READ(GENERAL, "http://a", TRACES, "http://b"), 0);
	assert_string_equal(cfg.host, "b");
	otlp_cfg_done(&cfg);
}

static void headers(void **state)
{
	(void)state;
	assert_int_equal(READ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b%3D=, X-Y = z ,"), 0);
	assert_true(slice_eq(buf_slice(&cfg.headers), SLICE("api-key: a b==\r\nX-Y: z\r\n")));
	otlp_cfg_done(&cfg);
	assert_int_equal(READ("OTEL_EXPORTER_OTLP_HEADERS", "a=b", "OTEL_EXPORTER_OTLP_TRACES_HEADERS", "c=d"), 0);
	assert_true(slice_eq(buf_slice(&cfg.headers), SLICE("c: d\r\n")));
	otlp_cfg_done(&cfg);
	assert_int_equal(READ("OTEL_EXPORTER_OTLP_HEADERS", "novalue"), -EINVAL);
	assert_int_equal(READ("OTEL_EXPORTER_OTLP_HEADERS", "=x"), -EINVAL);
	assert_int_equal(READ("OTEL_EXPORTER_OTLP_HEADERS", "a b=x"), -EINVAL);
	assert_int_equal(READ("OTEL_EXPORTER_OTLP_HEADERS", "a=x%0d%0aEvil: 1"), -EINVAL);
}

static void switches(void **state)
{
	(void)state;
	assert_int_equal(READ("OTEL_SDK_DISABLED", "true"), -ECANCELED);
	assert_int_equal(READ("OTEL_TRACES_EXPORTER", "none"), -ECANCELED);
	assert_int_equal(READ("OTEL_TRACES_EXPORTER", "console"), -ECANCELED);
	assert_int_equal(READ("OTEL_TRACES_EXPORTER", "console,otlp"), 0);
	otlp_cfg_done(&cfg);
	assert_int_equal(READ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), -EPROTONOSUPPORT);
	assert_non_null(strstr(why, "4318"));
	assert_int_equal(READ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"), -EPROTONOSUPPORT);
	assert_int_equal(READ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip", "OTEL_EXPORTER_OTLP_TIMEOUT", "250",
			      "OTEL_BSP_SCHEDULE_DELAY", "100", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10"), 0);
	assert_true(cfg.gzip && cfg.timeout_ns == 250000000 && cfg.delay_ns == 100000000 && cfg.batch_max == 10);
	otlp_cfg_done(&cfg);
	assert_int_equal(READ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"), -EINVAL);
	assert_int_equal(READ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"), -EINVAL);
	assert_int_equal(READ("OTEL_EXPORTER_OTLP_TIMEOUT", "-1"), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(endpoints), cmocka_unit_test(headers), cmocka_unit_test(switches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
