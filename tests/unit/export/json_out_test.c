/* SPDX-License-Identifier: Apache-2.0 */
/* The json exporter: a file, a reader that is gone, a reader that never reads, waiting, a full disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/drop.h"
#include "base/loop.h"
#include "export/exporter.h"

#define LINE "{\"a\":\"0123456789012345678901234567890123456789\"}\n"

static uint64_t in_ms(uint64_t ms)
{
	return clock_ns(CLOCK_MONOTONIC) + ms * 1000000;
}

static struct exporter *open_on(int fd, bool wait)
{
	struct exporter_cfg cfg = { .fd = fd, .wait = wait };
	struct exporter *e = NULL;
	char why[64];

	assert_int_equal(exporter_json.open(&cfg, &e, why, sizeof(why)), 0);
	assert_int_equal(exporter_json.start(e), 0);
	return e;
}

static void put(struct exporter *e, int cnt)
{
	for (int i = 0; i < cnt; i++)
		exporter_json.put(e, NULL, SLICE(LINE));
	exporter_json.flush(e);
}

static void to_file(void **state)
{
	(void)state;
	for (int wait = 0; wait < 2; wait++) {
		char path[] = "/tmp/ks-json-XXXXXX";
		int fd = mkstemp(path);
		struct exporter *e = open_on(fd, wait);
		struct stat st;

		put(e, 5000);
		exporter_json.close(e, in_ms(5000));
		fstat(fd, &st);
		assert_int_equal(st.st_size, 5000 * (sizeof(LINE) - 1));
		close(fd);
		unlink(path);
	}
}

static void reader_gone(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	for (int wait = 0; wait < 2; wait++) {
		uint64_t before = drop_get(KS_DROP_output_failed);
		struct exporter *e;
		int fd[2];

		assert_int_equal(pipe(fd), 0);
		close(fd[0]);
		e = open_on(fd[1], wait);
		put(e, 100);
		put(e, 100);
		exporter_json.close(e, in_ms(5000));
		assert_true(drop_get(KS_DROP_output_failed) == before + 200);
		close(fd[1]);
	}
}

static void reader_asleep(void **state)
{
	uint64_t failed = drop_get(KS_DROP_output_failed), full = drop_get(KS_DROP_queue_full), start;
	uint64_t written, lost;
	struct exporter *e;
	int fd[2], len;

	(void)state;
	assert_int_equal(pipe(fd), 0);
	len = fcntl(fd[1], F_GETPIPE_SZ);
	e = open_on(fd[1], false);
	start = clock_ns(CLOCK_MONOTONIC);
	put(e, 20000); /* more than pipe and queue hold: must not block this thread */
	assert_true(clock_ns(CLOCK_MONOTONIC) - start < 1000000000);
	exporter_json.close(e, in_ms(300));
	assert_true(clock_ns(CLOCK_MONOTONIC) - start < 2000000000);
	lost = drop_get(KS_DROP_output_failed) - failed + drop_get(KS_DROP_queue_full) - full;
	written = (uint64_t)len / (sizeof(LINE) - 1);
	assert_true(lost <= 20000 && lost >= 20000 - written - 1);
	close(fd[0]);
	close(fd[1]);
}

static void disk_full(void **state)
{
	uint64_t before = drop_get(KS_DROP_output_failed);
	int fd = open("/dev/full", O_WRONLY);
	struct exporter *e = open_on(fd, false);

	(void)state;
	put(e, 10);
	exporter_json.close(e, in_ms(5000));
	assert_true(drop_get(KS_DROP_output_failed) == before + 10);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(to_file), cmocka_unit_test(reader_gone), cmocka_unit_test(reader_asleep),
		cmocka_unit_test(disk_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
