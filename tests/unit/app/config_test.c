/* SPDX-License-Identifier: Apache-2.0 */
/* Options: precedence of file, environment and flags, and what errors say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/config.h"

static char path[64];

static void write_file(const char *text)
{
	snprintf(path, sizeof(path), "/tmp/kernspan-config-%d.yaml", (int)getpid());
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int load(struct config *c, enum cmd cmd, const char *a, const char *b, const char *d)
{
	static char *argv[4];

	argv[0] = (char *)a;
	argv[1] = (char *)b;
	argv[2] = (char *)d;
	argv[3] = NULL;
	return config_load(c, cmd, argv);
}

static void later_wins(void **state)
{
	struct config c;
	char flag[80];

	(void)state;
	write_file("ring_bytes: 1M\nlog_level: debug\nuser: file\n");
	setenv("KERNSPAN_RING_BYTES", "2M", 1);
	setenv("KERNSPAN_USER", "env", 1);
	snprintf(flag, sizeof(flag), "--config=%s", path);
	assert_int_equal(load(&c, CMD_run, flag, "--ring-bytes", "4MiB"), 0);
	assert_int_equal(c.ring_bytes, 4 << 20);
	assert_string_equal(c.user, "env");
	assert_int_equal(c.log_level, 3);
	config_free(&c);
	unsetenv("KERNSPAN_RING_BYTES");
	unsetenv("KERNSPAN_USER");
}

static void defaults(void **state)
{
	struct config c;

	(void)state;
	assert_int_equal(load(&c, CMD_run, NULL, NULL, NULL), 0);
	assert_int_equal(c.ring_bytes, 16 << 20);
	assert_int_equal(c.output, OUT_AUTO);
	assert_string_equal(c.store, "/var/lib/kernspan");
	config_free(&c);
}

static void expect_yaml(const char *text, const char *want)
{
	struct config c;
	char flag[80], full[256];

	write_file(text);
	snprintf(flag, sizeof(flag), "--config=%s", path);
	snprintf(full, sizeof(full), "%s:%s", path, want);
	assert_int_equal(load(&c, CMD_run, flag, NULL, NULL), -EINVAL);
	if (strncmp(c.error, full, strlen(full)) != 0)
		fail_msg("got \"%s\", want \"%s\"", c.error, full);
	config_free(&c);
}

static void yaml_errors(void **state)
{
	(void)state;
	expect_yaml("ring_bytes: 1M\nrign_bytes: 2M\n",
		    "2:1: unknown key \"rign_bytes\"; did you mean \"ring_bytes\"?");
	expect_yaml("log_level: loud\n", "1:12: log_level: expected one of error|warn|info|debug");
	expect_yaml("redact: [1]\n", "1:9: redact: expected a single value");
	expect_yaml("- a\n", "1:1: expected a mapping");
	expect_yaml("store: a\nstore: b\n", "2:1: \"store\" is there twice");
	expect_yaml("store: \"a\n", "2:1: ");
	expect_yaml("ring_bytes: 12x\n",
		    "1:13: ring_bytes: expected a number of bytes (K, M, G) from 65536");
	expect_yaml("pid: [1]\n", "1:1: unknown key \"pid\"");
	expect_yaml("qqqqqqqqqqqqqqq: 1\n",
		    "1:1: unknown key \"qqqqqqqqqqqqqqq\"; see docs/OPTIONS.md");
}

static void yaml_empty(void **state)
{
	struct config c;
	char flag[80];
	static const char *const texts[] = { "", "---\n", "# nothing\n", "{}\n" };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		write_file(texts[i]);
		snprintf(flag, sizeof(flag), "--config=%s", path);
		assert_int_equal(load(&c, CMD_run, flag, NULL, NULL), 0);
		config_free(&c);
	}
}

static void expect_flag(enum cmd cmd, const char *a, const char *b, const char *want)
{
	struct config c;

	assert_int_equal(load(&c, cmd, a, b, NULL), -EINVAL);
	if (strncmp(c.error, want, strlen(want)) != 0)
		fail_msg("got \"%s\", want \"%s\"", c.error, want);
	config_free(&c);
}

static void flag_errors(void **state)
{
	(void)state;
	expect_flag(CMD_run, "--outptu", "json", "unknown option --outptu; did you mean --output?");
	expect_flag(CMD_run, "--wholly-else", NULL, "unknown option --wholly-else; see");
	expect_flag(CMD_run, "-o", NULL, "--output needs a value: auto|json");
	expect_flag(CMD_run, "-o", "xml",
		    "--output=xml: expected one of auto|json|table|text|none");
	expect_flag(CMD_stats, "--family", "auto", "--family is not an option of `kernspan stats`");
	expect_flag(CMD_run, "--ring-bytes", "1000000",
		    "ring_bytes=1000000: expected a power of two");
	expect_flag(CMD_run, "--ring-bytes", "99999999999999999999", "--ring-bytes=9999");
	expect_flag(CMD_run, "--pid", "1,x", "--pid=1,x: expected at most 16 process ids");
	expect_flag(CMD_run, "-Z", NULL, "unknown option -Z");
}

static void forms(void **state)
{
	struct config c;
	char *argv[] = {
		(char *)"-ojson", (char *)"--redact", (char *)"-p", (char *)"1,22", (char *)"file",
		(char *)"--",	  (char *)"curl",     (char *)"-o", (char *)"x",    NULL
	};

	(void)state;
	assert_int_equal(config_load(&c, CMD_record, argv), -EINVAL); /* record has no -o */
	config_free(&c);
	assert_int_equal(config_load(&c, CMD_run, argv), 0);
	assert_int_equal(c.output, OUT_JSON);
	assert_true(c.redact);
	assert_int_equal(c.pid.cnt, 2);
	assert_int_equal(c.pid.at[1], 22);
	assert_int_equal(c.arg_cnt, 1);
	assert_string_equal(c.child[0], "curl");
	assert_string_equal(c.child[2], "x");
	config_free(&c);
	assert_int_equal(load(&c, CMD_observe, "--since", "5m", NULL), 0);
	assert_int_equal(c.since, 300);
	config_free(&c);
}

static void rows(void **state)
{
	(void)state;
	for (int i = 0; i < OPT_CNT; i++) {
		const struct option_row *o = option_row((enum option_id)i);
		struct config c = { 0 };
		char why[160], text[256];

		assert_int_equal(config_set(&c, (enum option_id)i, o->def, why, sizeof(why)), 0);
		config_get(&c, (enum option_id)i, text,
			   sizeof(text)); /* what is printed can be read again */
		assert_int_equal(config_set(&c, (enum option_id)i, text, why, sizeof(why)), 0);
		assert_true(o->help[0] != 0);
		config_free(&c);
	}
	assert_string_equal(option_row(OPT_ring_bytes)->env, "KERNSPAN_RING_BYTES");
	assert_string_equal(option_row(OPT_ring_bytes)->flag, "ring-bytes");
}

static int clean(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(later_wins),  cmocka_unit_test(defaults),
		cmocka_unit_test(yaml_errors), cmocka_unit_test(yaml_empty),
		cmocka_unit_test(flag_errors), cmocka_unit_test(forms),
		cmocka_unit_test(rows),
	};
	return cmocka_run_group_tests(tests, NULL, clean);
}
