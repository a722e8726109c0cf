/* SPDX-License-Identifier: Apache-2.0 */
/* The store: write, query, follow, limits, corrupt and foreign files, disk full. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/drop.h"
#include "base/loop.h"
#include "store/query.h"
#include "store/store.h"

static char dir[] = "/tmp/ks-store-XXXXXX";
static char why[256];
static int warned;

static void warn(void *ctx, const char *line)
{
	(void)ctx;
	(void)line;
	warned++;
}

static int fresh(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/ks-store-XXXXXX");
	warned = 0;
	return mkdtemp(dir) ? 0 : -1;
}

static int sweep(void **state)
{
	char cmd[128];

	(void)state;
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd);
}

static struct store *open_store(uint64_t rows)
{
	struct store_cfg cfg = { .dir = dir, .row_max = rows, .warn = warn };
	struct store *s = NULL;

	assert_int_equal(store_new(&cfg, &s, why, sizeof(why)), 0);
	assert_int_equal(store_start(s), 0);
	return s;
}

static uint64_t soon(void)
{
	return clock_ns(CLOCK_MONOTONIC) + 10000000000ull;
}

static void put(struct store *s, int i, const char *model, bool error)
{
	struct slice holes[] = { SLICE("lost"), SLICE("cut") };
	struct attr attrs[6], resource[2];
	struct span span = {
		.name = SLICE("chat m"), .kind = SPAN_CLIENT, .status = error ? SPAN_ERROR : SPAN_UNSET,
		.start_ns = (uint64_t)i * 1000, .end_ns = (uint64_t)i * 1000 + 500, .attrs = attrs, .attr_cnt = 6,
		.resource = resource, .resource_cnt = 2,
	};
	char json[64];

	attrs[0] = (struct attr){ semconv_name[SC_GEN_AI_REQUEST_MODEL], ATTR_STR, { .str = slice_str(model) } };
	attrs[1] = (struct attr){ semconv_name[SC_GEN_AI_PROVIDER_NAME], ATTR_STR, { .str = SLICE("openai") } };
	attrs[2] = (struct attr){ semconv_name[SC_HTTP_RESPONSE_STATUS_CODE], ATTR_INT, { .i = error ? 429 : 200 } };
	attrs[3] = (struct attr){ semconv_name[SC_GEN_AI_USAGE_INPUT_TOKENS], ATTR_INT, { .i = i } };
	attrs[4] = (struct attr){ semconv_name[SC_INCOMPLETE], ATTR_STRS, { .strs = { holes, 2 } } };
	attrs[5] = (struct attr){ semconv_name[SC_ERROR_TYPE], ATTR_STR, { .str = SLICE("slow_down") } };
	if (!error)
		span.attr_cnt = 5;
	resource[0] = (struct attr){ semconv_name[SC_SERVICE_NAME], ATTR_STR, { .str = SLICE("shop") } };
	resource[1] = (struct attr){ semconv_name[SC_PROCESS_PID], ATTR_INT, { .i = 100 + i % 2 } };
	snprintf(json, sizeof(json), "{\"i\":%d}\n", i);
	store_put(s, &span, slice_str(json));
}

struct got {
	int rows;
	struct query_row last;
	char json[64], incomplete[64];
};

static int take(void *ctx, const struct query_row *row)
{
	struct got *g = ctx;

	g->rows++;
	g->last = *row;
	snprintf(g->json, sizeof(g->json), "%.*s", (int)row->json_len, row->json);
	snprintf(g->incomplete, sizeof(g->incomplete), "%s", row->incomplete);
	return 0;
}

static struct got ask(const struct query_filter *f)
{
	struct got g = { 0 };
	struct query *q = NULL;
	int64_t after = 0;

	assert_int_equal(query_open(dir, &q, why, sizeof(why)), 0);
	assert_int_equal(query_run(q, f, &after, take, &g), 0);
	query_close(q);
	return g;
}

static void write_and_ask(void **state)
{
	struct store *s = open_store(0);
	struct got g;
	struct stat st;
	char path[64];

	(void)state;
	for (int i = 0; i < 1000; i++)
		put(s, i, i % 3 ? "gpt-4o" : "o[3]", i % 10 == 0);
	store_close(s, soon());
	g = ask(&(struct query_filter){ 0 });
	assert_int_equal(g.rows, 1000);
	assert_string_equal(g.json, "{\"i\":999}");
	assert_string_equal(g.incomplete, "lost,cut");
	assert_int_equal(g.last.pid, 101);
	assert_true(g.last.input_tokens == 999 && g.last.output_tokens == -1 && isnan(g.last.ttfc_s));
	assert_int_equal(ask(&(struct query_filter){ .last = 5 }).rows, 5);
	assert_int_equal(ask(&(struct query_filter){ .status = "error" }).rows, 100);
	assert_int_equal(ask(&(struct query_filter){ .status = "ok" }).rows, 900);
	assert_int_equal(ask(&(struct query_filter){ .status = "429" }).rows, 100);
	assert_int_equal(ask(&(struct query_filter){ .status = "slow_down" }).rows, 100);
	assert_int_equal(ask(&(struct query_filter){ .model = "gpt-4o" }).rows, 666);
	assert_int_equal(ask(&(struct query_filter){ .model = "gpt*" }).rows, 666);
	assert_int_equal(ask(&(struct query_filter){ .model = "o[3]" }).rows, 334);
	assert_int_equal(ask(&(struct query_filter){ .model = "x' OR 1=1 --" }).rows, 0);
	assert_int_equal(ask(&(struct query_filter){ .pid = 100, .provider = "openai", .service = "s*p" }).rows, 500);
	assert_int_equal(ask(&(struct query_filter){ .since_ns = 990500 }).rows, 10);
	assert_int_equal(ask(&(struct query_filter){ .min_duration_ns = 501 }).rows, 0);
	snprintf(path, sizeof(path), "%s/" STORE_FILE, dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void follow(void **state)
{
	struct store *s = open_store(0);
	struct got g = { 0 };
	struct query *q = NULL;
	int64_t after = 0;

	(void)state;
	assert_int_equal(query_open(dir, &q, why, sizeof(why)), 0);
	assert_int_equal(query_run(q, &(struct query_filter){ 0 }, &after, take, &g), 0);
	assert_int_equal(g.rows, 0);
	put(s, 1, "a", false);
	put(s, 2, "b", false);
	store_flush(s);
	for (int i = 0; i < 100 && g.rows < 2; i++) {
		usleep(20000);
		assert_int_equal(query_run(q, &(struct query_filter){ 0 }, &after, take, &g), 0);
	}
	assert_int_equal(g.rows, 2);
	assert_int_equal(query_run(q, &(struct query_filter){ 0 }, &after, take, &g), 0);
	assert_int_equal(g.rows, 2);
	query_close(q);
	store_close(s, soon());
}

static void row_limit(void **state)
{
	struct store *s = open_store(100);
	struct got g;

	(void)state;
	for (int i = 0; i < 1000; i++)
		put(s, i, "m", false);
	store_close(s, soon());
	g = ask(&(struct query_filter){ 0 });
	assert_int_equal(g.rows, 100);
	assert_string_equal(g.json, "{\"i\":999}");
}

static void corrupt_at_start(void **state)
{
	char path[64];
	FILE *f;

	(void)state;
	snprintf(path, sizeof(path), "%s/" STORE_FILE, dir);
	f = fopen(path, "w");
	for (int i = 0; i < 5000; i++)
		fputs("not a database ", f);
	fclose(f);
	store_close(open_store(0), soon());
	assert_int_equal(warned, 1);
	assert_int_equal(ask(&(struct query_filter){ 0 }).rows, 0);
	strcat(path, ".corrupt");
	assert_int_equal(access(path, R_OK), 0);
}

static void corrupt_while_open(void **state)
{
	struct store *s = open_store(0);
	char path[64], zero[4096] = "no longer a page";
	int fd;

	(void)state;
	for (int i = 0; i < 3000; i++)
		put(s, i, "m", false);
	store_close(s, soon());
	s = open_store(0);
	snprintf(path, sizeof(path), "%s/" STORE_FILE, dir);
	fd = open(path, O_WRONLY);
	for (int page = 1; page < 60; page++)
		assert_int_equal(pwrite(fd, zero, sizeof(zero), page * 4096), sizeof(zero));
	close(fd);
	for (int i = 0; i < 3000; i++)
		put(s, i, "m", false);
	store_close(s, soon());
	assert_true(warned >= 1);
	assert_int_equal(ask(&(struct query_filter){ 0 }).rows, 3000);
}

static void disk_full(void **state)
{
	struct rlimit small = { 64 * 1024, RLIM_INFINITY }, before;
	uint64_t lost = drop_get(KS_DROP_store_failed);
	struct store *s = open_store(0);

	(void)state;
	signal(SIGXFSZ, SIG_IGN); /* writes beyond the limit fail instead, as on a full disk */
	getrlimit(RLIMIT_FSIZE, &before);
	setrlimit(RLIMIT_FSIZE, &small);
	for (int i = 0; i < 3000; i++)
		put(s, i, "m", false);
	store_flush(s);
	for (int i = 0; i < 200 && drop_get(KS_DROP_store_failed) == lost; i++)
		usleep(10000);
	setrlimit(RLIMIT_FSIZE, &before);
	assert_true(drop_get(KS_DROP_store_failed) > lost);
	assert_int_equal(warned, 1);
	for (int i = 0; i < 10; i++)
		put(s, i, "after", false);
	store_close(s, soon());
	assert_int_equal(ask(&(struct query_filter){ .model = "after" }).rows, 10);
}

static void table(void **state)
{
	char *text = NULL;
	size_t len = 0;
	struct query_print p = { .out = open_memstream(&text, &len) };
	struct query_row row = {
		.start_ns = 1700000000000000000, .duration_ns = 1234000000, .kind = "CLIENT", .name = "chat \033[31mx",
		.service = "a-very-long-service-name", .error = true, .error_type = "429", .incomplete = "lost",
		.pid = 7, .ttfc_s = 0.25, .input_tokens = 12, .output_tokens = -1, .json = "{}", .json_len = 2,
	};

	(void)state;
	assert_int_equal(query_print_table(&p, &row), 0);
	assert_int_equal(query_print_json(&p, &row), 0);
	fclose(p.out);
	assert_non_null(strstr(text, "START"));
	assert_non_null(strstr(text, "chat ?[31mx"));
	assert_non_null(strstr(text, "a-very-long-s…  "));
	assert_non_null(strstr(text, "1.23 s"));
	assert_non_null(strstr(text, "250 ms"));
	assert_non_null(strstr(text, "429  (incomplete: lost)\n{}\n"));
	free(text);
}

static void absent(void **state)
{
	struct query *q = NULL;

	(void)state;
	assert_int_equal(query_open("/nonexistent", &q, why, sizeof(why)), -ENOENT);
	assert_null(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(write_and_ask, fresh, sweep),
		cmocka_unit_test_setup_teardown(follow, fresh, sweep),
		cmocka_unit_test_setup_teardown(row_limit, fresh, sweep),
		cmocka_unit_test_setup_teardown(corrupt_at_start, fresh, sweep),
		cmocka_unit_test_setup_teardown(corrupt_while_open, fresh, sweep),
		cmocka_unit_test_setup_teardown(disk_full, fresh, sweep),
		cmocka_unit_test(table), cmocka_unit_test(absent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
