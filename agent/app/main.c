/* SPDX-License-Identifier: Apache-2.0 */
/* kernspan: find the command, load its configuration, run it. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/commands.h"
#include "base/log.h"

static int (*const run[CMD_CNT])(struct config *c) = {
#define COMMAND(name, ...) cmd_##name,
#include "app/commands.def"
#undef COMMAND
};

static const char *shown_name(size_t i)
{
	return command_row((enum cmd)i)->summary[0] ? command_row((enum cmd)i)->name : NULL;
}

static int unknown_command(const char *word)
{
	const char *near = suggest(word, shown_name, CMD_CNT);

	if (near)
		fprintf(stderr, "kernspan: unknown command %s; did you mean %s?\n", word, near);
	else
		fprintf(stderr, "kernspan: unknown command %s; see `kernspan help`\n", word);
	return EXIT_USAGE;
}

static int run_command(enum cmd cmd, char **argv)
{
	struct config c;
	int code, err = config_load(&c, cmd, argv);

	if (c.help) {
		help_command(stdout, cmd);
		code = EXIT_OK;
	} else if (err) {
		fprintf(stderr, "kernspan: %s\n", c.error[0] ? c.error : strerror(-err));
		code = EXIT_USAGE;
	} else {
		log_init((enum log_level)c.log_level, (enum log_format)c.log_format);
		code = run[cmd](&c);
	}
	config_free(&c);
	return code;
}

int main(int argc, char **argv)
{
	int code;

	signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of write(), and clean */
	if (argc < 2 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0) {
		help_main(argc < 2 ? stderr : stdout);
		return argc < 2 ? EXIT_USAGE : EXIT_OK;
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
		argv[1] = (char *)"version";
	enum cmd cmd = argv[1][0] == '-' ? CMD_run : command_find(argv[1]);
	if (cmd == CMD_CNT)
		return unknown_command(argv[1]);
	code = run_command(cmd, argv[1][0] == '-' ? argv + 1 : argv + 2);
	if (fflush(stdout) == EOF && code == EXIT_OK && errno != EPIPE)
		code = EXIT_RUNTIME;
	return code;
}
