/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration of one run: file, then environment, then flags, the later wins. Filled once at start by the main
 * thread, then read only. Owns its strings.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum cmd {
#define COMMAND(name, args, summary) CMD_##name,
#include "app/commands.def"
#undef COMMAND
	CMD_CNT,
};

enum exit_code {
	EXIT_OK = 0,
	EXIT_RUNTIME = 1,
	EXIT_USAGE = 2,
	EXIT_PRIVILEGE = 3,
	EXIT_KERNEL = 4
};

enum config_output { OUT_AUTO, OUT_JSON, OUT_TABLE, OUT_TEXT, OUT_NONE };

#define CONFIG_PIDS 16
struct pid_list {
	pid_t at[CONFIG_PIDS];
	size_t cnt;
};

enum option_id {
#define OPTION(kind, name, ...) OPT_##name,
#include "app/options.def"
#undef OPTION
	OPT_CNT,
};

struct config {
#define CONFIG_TYPE_BOOL	bool
#define CONFIG_TYPE_UINT	uint64_t
#define CONFIG_TYPE_SIZE	uint64_t
#define CONFIG_TYPE_SECS	uint64_t
#define CONFIG_TYPE_ENUM	int
#define CONFIG_TYPE_STR		const char *
#define CONFIG_TYPE_PIDS	struct pid_list
#define OPTION(kind, name, ...) CONFIG_TYPE_##kind name;
#include "app/options.def"
#undef OPTION
	char *owned[OPT_CNT]; /* string values */
	char **args;	      /* positional arguments; point into argv */
	size_t arg_cnt;
	char **child;	 /* argv after "--", NULL if none */
	bool help;	 /* -h or --help was given */
	char error[512]; /* why loading failed, one line */
};

enum option_kind {
	OPTION_BOOL,
	OPTION_UINT,
	OPTION_SIZE,
	OPTION_SECS,
	OPTION_ENUM,
	OPTION_STR,
	OPTION_PIDS
};
enum option_where { OPTION_ANY, OPTION_FLAG, OPTION_TEST };

struct option_row {
	enum option_kind kind;
	char key[32];  /* YAML key: ring_bytes */
	char flag[32]; /* flag without dashes: ring-bytes */
	char env[48];  /* KERNSPAN_RING_BYTES */
	char brief;    /* one-letter flag or 0 */
	const char *def;
	uint64_t min, max;
	enum option_where where;
	uint32_t cmds; /* bit set of enum cmd */
	const char *arg, *help;
};

struct command_row {
	const char *name, *args, *summary;
};

/* The tables, static. */
const struct option_row *option_row(enum option_id id);
const struct command_row *command_row(enum cmd cmd);
/* By name; CMD_CNT if there is none. */
enum cmd command_find(const char *name);

/* Defaults, file, environment and argv (after the command). 0, or -EINVAL with c->error; free in both cases. */
int config_load(struct config *c, enum cmd cmd, char **argv);
void config_free(struct config *c);
/* Set one option from text. On failure says what was expected in why. */
int config_set(struct config *c, enum option_id id, const char *text, char *why, size_t why_len);
/* The value as text, the form config_set() takes. */
void config_get(const struct config *c, enum option_id id, char *out, size_t len);
/* config_yaml.c: -EINVAL with c->error = "file:line:column: what". -errno when it cannot be read. */
int config_yaml(struct config *c, const char *path);
/* The nearest of the cnt words that get() names to a mistyped one; NULL if none is near. */
const char *suggest(const char *word, const char *(*get)(size_t i), size_t cnt);
/* The n-th word of an ENUM's list into out; false if there is no n-th. */
bool option_word(const struct option_row *row, int n, char *out, size_t len);
