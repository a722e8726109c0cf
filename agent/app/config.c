/* SPDX-License-Identifier: Apache-2.0 */
/* Options from defaults, file, environment and flags, all through the rows of options.def. Main thread, at start. */
#include "app/config.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONFIG_FILE "/etc/kernspan/kernspan.yaml"

#define RUN	(1u << CMD_run)
#define OBSERVE (1u << CMD_observe)
#define RECORD	(1u << CMD_record)
#define REPLAY	(1u << CMD_replay)
#define STATS	(1u << CMD_stats)
#define DOCTOR	(1u << CMD_doctor)
#define VERSION (1u << CMD_version)
#define ALL	(~0u)

static struct option_row options[OPT_CNT] = {
#define OPTION(k, name_, brief_, def_, min_, max_, where_, cmds_, arg_, help_) \
	{ .kind = OPTION_##k,                                                  \
	  .key = #name_,                                                       \
	  .brief = brief_,                                                     \
	  .def = def_,                                                         \
	  .min = min_,                                                         \
	  .max = max_,                                                         \
	  .where = OPTION_##where_,                                            \
	  .cmds = cmds_,                                                       \
	  .arg = arg_,                                                         \
	  .help = help_ },
#include "app/options.def"
#undef OPTION
};

static const struct command_row commands[CMD_CNT] = {
#define COMMAND(name_, args_, summary_) { #name_, args_, summary_ },
#include "app/commands.def"
#undef COMMAND
};

static const size_t member[OPT_CNT] = {
#define OPTION(kind, name, ...) offsetof(struct config, name),
#include "app/options.def"
#undef OPTION
};

static void options_spell(void)
{
	for (int i = 0; i < OPT_CNT && !options[i].flag[0]; i++) {
		struct option_row *o = &options[i];
		size_t at = (size_t)snprintf(o->env, sizeof(o->env), "KERNSPAN_");

		for (size_t j = 0; o->key[j]; j++) {
			o->flag[j] = o->key[j] == '_' ? '-' : o->key[j];
			o->env[at + j] = (char)toupper((unsigned char)o->key[j]);
		}
	}
}

const struct option_row *option_row(enum option_id id)
{
	options_spell();
	return &options[id];
}

const struct command_row *command_row(enum cmd cmd)
{
	return &commands[cmd];
}

enum cmd command_find(const char *name)
{
	int i = 0;

	while (i < CMD_CNT && strcmp(commands[i].name, name) != 0)
		i++;
	return (enum cmd)i;
}

/* Edit distance with a bound on word length; words are short (Levenshtein 1966, two rows). */
static int distance(const char *a, const char *b)
{
	int row[48];
	size_t n = strlen(b);

	if (n >= 47 || strlen(a) >= 47)
		return 99;
	for (size_t j = 0; j <= n; j++)
		row[j] = (int)j;
	for (size_t i = 1; a[i - 1]; i++) {
		int diag = row[0];
		row[0] = (int)i;
		for (size_t j = 1; j <= n; j++) {
			int sub = diag + (a[i - 1] != b[j - 1]);
			diag = row[j];
			int best = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
			row[j] = best < sub ? best : sub;
		}
	}
	return row[n];
}

const char *suggest(const char *word, const char *(*get)(size_t i), size_t cnt)
{
	const char *best = NULL;
	int least = (int)strlen(word) / 3 + 1;

	for (size_t i = 0; i < cnt; i++) {
		int d = get(i) ? distance(word, get(i)) : 99;
		if (d <= least && d < (best ? distance(word, best) : 99))
			best = get(i);
	}
	return best;
}

bool option_word(const struct option_row *row, int n, char *out, size_t len)
{
	const char *s = row->arg;

	for (; n > 0 && s; n--) {
		s = strchr(s, '|');
		s = s ? s + 1 : NULL;
	}
	if (!s)
		return false;
	snprintf(out, len, "%.*s", (int)strcspn(s, "|"), s);
	return true;
}

static int set_bool(bool *ret, const char *text, char *why, size_t len)
{
	static const char *const yes[] = { "true", "yes", "on", "1" }, *const no[] = { "false",
										       "no", "off",
										       "0" };

	for (int i = 0; i < 4; i++) {
		if (!strcasecmp(text, yes[i]) || !strcasecmp(text, no[i])) {
			*ret = !strcasecmp(text, yes[i]);
			return 0;
		}
	}
	snprintf(why, len, "expected true or false");
	return -EINVAL;
}

/* The factor of a unit at *end, moving past it; 0 if it is none. */
static uint64_t unit_of(enum option_kind kind, char **end)
{
	static const char bytes[] = "kmgt", times[] = "smhd";
	static const uint64_t secs[] = { 1, 60, 3600, 86400 };
	const char *list = kind == OPTION_SIZE ? bytes : kind == OPTION_SECS ? times : "";
	const char *u = **end ? strchr(list, tolower((unsigned char)**end)) : NULL;

	if (!**end)
		return 1;
	if (!u)
		return 0;
	*end += 1;
	if (kind == OPTION_SECS)
		return secs[u - list];
	*end += strcasecmp(*end, "iB") ? 0 : 2;
	return 1ull << (10 * (u - list + 1));
}

static int set_number(const struct option_row *o, uint64_t *ret, const char *text, char *why,
		      size_t len)
{
	const char *units = o->kind == OPTION_SIZE   ? " of bytes (K, M, G)"
			    : o->kind == OPTION_SECS ? " (s, m, h, d)"
						     : "";
	char *end = NULL;
	uint64_t product;

	errno = 0;
	uint64_t n = strtoull(text, &end, 10);
	bool bad = errno || end == text || *text == '-';
	uint64_t factor = bad ? 0 : unit_of(o->kind, &end);
	if (!factor || *end || __builtin_mul_overflow(n, factor, &product) || product < o->min ||
	    product > o->max) {
		snprintf(why, len, "expected a number%s from %" PRIu64 " to %" PRIu64, units,
			 o->min, o->max);
		return -EINVAL;
	}
	*ret = product;
	return 0;
}

static int set_enum(const struct option_row *o, int *ret, const char *text, char *why, size_t len)
{
	char word[32];

	for (int i = 0; option_word(o, i, word, sizeof(word)); i++) {
		if (strcmp(word, text) == 0) {
			*ret = i;
			return 0;
		}
	}
	snprintf(why, len, "expected one of %s", o->arg);
	return -EINVAL;
}

static int set_pids(struct pid_list *ret, const char *text, char *why, size_t len)
{
	struct pid_list pids = { .cnt = 0 };

	while (*text) {
		char *end;
		long n = strtol(text, &end, 10);
		if (end == text || (*end && *end != ',') || n < 1 || n > 4194304 ||
		    pids.cnt == CONFIG_PIDS) {
			snprintf(why, len, "expected at most %d process ids, separated by commas",
				 CONFIG_PIDS);
			return -EINVAL;
		}
		pids.at[pids.cnt++] = (pid_t)n;
		text = *end ? end + 1 : end;
	}
	*ret = pids;
	return 0;
}

int config_set(struct config *c, enum option_id id, const char *text, char *why, size_t why_len)
{
	const struct option_row *o = option_row(id);
	void *at = (char *)c + member[id];

	switch (o->kind) {
	case OPTION_BOOL:
		return set_bool(at, text, why, why_len);
	case OPTION_UINT:
	case OPTION_SIZE:
	case OPTION_SECS:
		return set_number(o, at, text, why, why_len);
	case OPTION_ENUM:
		return set_enum(o, at, text, why, why_len);
	case OPTION_PIDS:
		return set_pids(at, text, why, why_len);
	case OPTION_STR:
		break;
	}
	char *copy = strdup(text);
	if (!copy) {
		snprintf(why, why_len, "out of memory");
		return -ENOMEM;
	}
	free(c->owned[id]);
	c->owned[id] = copy;
	*(const char **)at = copy;
	return 0;
}

void config_get(const struct config *c, enum option_id id, char *out, size_t len)
{
	const struct option_row *o = option_row(id);
	const void *at = (const char *)c + member[id];
	const struct pid_list *pids = at;
	size_t n = 0;

	switch (o->kind) {
	case OPTION_BOOL:
		snprintf(out, len, "%s", *(const bool *)at ? "true" : "false");
		return;
	case OPTION_UINT:
	case OPTION_SIZE:
	case OPTION_SECS:
		snprintf(out, len, "%" PRIu64, *(const uint64_t *)at);
		return;
	case OPTION_ENUM:
		option_word(o, *(const int *)at, out, len);
		return;
	case OPTION_STR:
		snprintf(out, len, "%s", *(const char *const *)at);
		return;
	case OPTION_PIDS:
		out[0] = 0;
		for (size_t i = 0; i < pids->cnt && n < len; i++)
			n += (size_t)snprintf(out + n, len - n, "%s%d", i ? "," : "", pids->at[i]);
	}
}

static const char *flag_of(size_t i)
{
	return options[i].where == OPTION_TEST ? NULL : options[i].flag;
}

static int option_by_flag(const char *name, size_t len)
{
	for (int i = 0; i < OPT_CNT; i++)
		if (strlen(options[i].flag) == len && !strncmp(options[i].flag, name, len))
			return i;
	return -1;
}

static int option_by_brief(char brief)
{
	for (int i = 0; i < OPT_CNT; i++)
		if (options[i].brief == brief)
			return i;
	return -1;
}

static int flag_unknown(struct config *c, const char *arg)
{
	char word[48];

	snprintf(word, sizeof(word), "%.*s", (int)strcspn(arg, "="), arg);
	const char *near =
		word[0] == '-' && word[1] == '-' ? suggest(word + 2, flag_of, OPT_CNT) : NULL;
	if (near)
		snprintf(c->error, sizeof(c->error), "unknown option %s; did you mean --%s?", word,
			 near);
	else
		snprintf(c->error, sizeof(c->error), "unknown option %s; see `kernspan help`",
			 word);
	return -EINVAL;
}

/* One flag at argv[*at]; moves *at past what it used. */
static int flag_take(struct config *c, enum cmd cmd, char **argv, size_t *at, bool only_config)
{
	const char *arg = argv[*at];
	bool wide = arg[1] == '-';
	const char *value = wide ? strchr(arg, '=') : NULL;
	int id = wide ? option_by_flag(arg + 2, value ? (size_t)(value - arg - 2) : strlen(arg + 2))
		      : option_by_brief(arg[1]);
	char why[160];

	if (id < 0)
		return flag_unknown(c, arg);
	if (!(options[id].cmds & (1u << cmd))) {
		snprintf(c->error, sizeof(c->error), "--%s is not an option of `kernspan %s`",
			 options[id].flag, commands[cmd].name);
		return -EINVAL;
	}
	if (value)
		value++;
	else if (!wide && arg[2])
		value = arg + 2;
	else if (options[id].kind == OPTION_BOOL)
		value = "true";
	else if (argv[*at + 1])
		value = argv[++*at];
	else {
		snprintf(c->error, sizeof(c->error), "--%s needs a value: %s", options[id].flag,
			 options[id].arg);
		return -EINVAL;
	}
	if (only_config && id != OPT_config)
		return 0;
	int err = config_set(c, (enum option_id)id, value, why, sizeof(why));
	if (err)
		snprintf(c->error, sizeof(c->error), "--%s=%.100s: %s", options[id].flag, value,
			 why);
	return err;
}

static int flags_take(struct config *c, enum cmd cmd, char **argv, bool only_config)
{
	c->arg_cnt = 0;
	for (size_t i = 0; argv[i]; i++) {
		if (strcmp(argv[i], "--") == 0) {
			c->child = argv[i + 1] ? argv + i + 1 : NULL;
			break;
		}
		if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) {
			c->help = true;
		} else if (argv[i][0] == '-' && argv[i][1]) {
			int err = flag_take(c, cmd, argv, &i, only_config);
			if (err)
				return err;
		} else {
			c->args[c->arg_cnt++] = argv[i];
		}
	}
	return 0;
}

static int env_take(struct config *c)
{
	char why[160];

	for (int i = 0; i < OPT_CNT; i++) {
		const char *value = options[i].where == OPTION_ANY ? getenv(options[i].env) : NULL;
		if (!value || i == OPT_config)
			continue;
		int err = config_set(c, (enum option_id)i, value, why, sizeof(why));
		if (err) {
			snprintf(c->error, sizeof(c->error), "%s=%.100s: %s", options[i].env, value,
				 why);
			return err;
		}
	}
	return 0;
}

static int config_check(struct config *c)
{
	if (c->ring_bytes & (c->ring_bytes - 1) ||
	    c->ring_bytes % (uint64_t)sysconf(_SC_PAGESIZE)) {
		snprintf(c->error, sizeof(c->error),
			 "ring_bytes=%" PRIu64 ": expected a power of two", c->ring_bytes);
		return -EINVAL;
	}
	return 0;
}

int config_load(struct config *c, enum cmd cmd, char **argv)
{
	char why[160];
	size_t n = 0;
	int err = 0;

	options_spell();
	*c = (struct config){ 0 };
	while (argv[n])
		n++;
	c->args = calloc(n + 1, sizeof(*c->args));
	if (!c->args)
		return -ENOMEM;
	for (int i = 0; i < OPT_CNT && !err; i++)
		err = config_set(c, (enum option_id)i, options[i].def, why, sizeof(why));
	if (!err && getenv("KERNSPAN_CONFIG"))
		err = config_set(c, OPT_config, getenv("KERNSPAN_CONFIG"), why, sizeof(why));
	if (!err)
		err = flags_take(c, cmd, argv, true);
	if (err || c->help)
		return err;
	if (c->config[0])
		err = config_yaml(c, c->config);
	else if (access(CONFIG_FILE, R_OK) == 0)
		err = config_yaml(c, CONFIG_FILE);
	if (!err)
		err = env_take(c);
	if (!err)
		err = flags_take(c, cmd, argv, false);
	return err ? err : config_check(c);
}

void config_free(struct config *c)
{
	for (int i = 0; i < OPT_CNT; i++)
		free(c->owned[i]);
	free(c->args);
	*c = (struct config){ 0 };
}
