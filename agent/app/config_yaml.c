/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration file: one YAML mapping of option keys to scalars (or, for lists, sequences of scalars), read as
 * libyaml events so that every error has a line and a column. Main thread, at start.
 */
#include "app/config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

struct reader {
	struct config *c;
	const char *path;
	yaml_parser_t parser;
	yaml_event_t event;
	bool held; /* event holds memory */
};

static int fail(struct reader *r, yaml_mark_t at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(struct reader *r, yaml_mark_t at, const char *fmt, ...)
{
	char *out = r->c->error;
	va_list ap;
	int n = snprintf(out, sizeof(r->c->error), "%s:%zu:%zu: ", r->path, at.line + 1,
			 at.column + 1);

	va_start(ap, fmt);
	if (n > 0 && (size_t)n < sizeof(r->c->error))
		vsnprintf(out + n, sizeof(r->c->error) - (size_t)n, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static int next(struct reader *r)
{
	if (r->held)
		yaml_event_delete(&r->event);
	r->held = yaml_parser_parse(&r->parser, &r->event);
	return r->held ? 0
		       : fail(r, r->parser.problem_mark, "%s",
			      r->parser.problem ? r->parser.problem : "not YAML");
}

static const char *key_of(size_t i)
{
	return option_row((enum option_id)i)->where == OPTION_ANY
		       ? option_row((enum option_id)i)->key
		       : NULL;
}

static int key_find(struct reader *r, enum option_id *ret)
{
	const char *word = (const char *)r->event.data.scalar.value;

	for (int i = 0; i < OPT_CNT; i++) {
		if (key_of((size_t)i) && strcmp(key_of((size_t)i), word) == 0) {
			*ret = (enum option_id)i;
			return 0;
		}
	}
	const char *near = suggest(word, key_of, OPT_CNT);
	if (near)
		return fail(r, r->event.start_mark, "unknown key \"%.40s\"; did you mean \"%s\"?",
			    word, near);
	return fail(r, r->event.start_mark, "unknown key \"%.40s\"; see docs/OPTIONS.md", word);
}

/* The value of a key: a scalar, or a sequence of scalars that becomes a comma-separated list. */
static int value_take(struct reader *r, enum option_id id)
{
	yaml_mark_t at;
	char text[1024] = "", why[160];
	size_t n = 0;
	int err = next(r);

	at = r->event.start_mark;
	if (err)
		return err;
	if (r->event.type == YAML_SCALAR_EVENT) {
		err = config_set(r->c, id, (const char *)r->event.data.scalar.value, why,
				 sizeof(why));
		return err ? fail(r, at, "%s: %s", option_row(id)->key, why) : 0;
	}
	if (r->event.type != YAML_SEQUENCE_START_EVENT || option_row(id)->kind != OPTION_PIDS)
		return fail(r, at, "%s: expected a single value", option_row(id)->key);
	while (!(err = next(r)) && r->event.type == YAML_SCALAR_EVENT && n < sizeof(text))
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", n ? "," : "",
				      (const char *)r->event.data.scalar.value);
	if (err)
		return err;
	if (r->event.type != YAML_SEQUENCE_END_EVENT || n >= sizeof(text))
		return fail(r, r->event.start_mark, "%s: expected a short list of values",
			    option_row(id)->key);
	err = config_set(r->c, id, text, why, sizeof(why));
	return err ? fail(r, at, "%s: %s", option_row(id)->key, why) : 0;
}

static int document_take(struct reader *r)
{
	uint64_t seen = 0;
	enum option_id id = OPT_CNT;
	int err = next(r); /* stream start */

	err = err ? err : next(r);
	if (err || r->event.type == YAML_STREAM_END_EVENT) /* an empty file sets nothing */
		return err;
	err = next(r);
	if (err)
		return err;
	if (r->event.type == YAML_SCALAR_EVENT && r->event.data.scalar.length == 0) /* only "---" */
		return 0;
	if (r->event.type != YAML_MAPPING_START_EVENT)
		return fail(r, r->event.start_mark, "expected a mapping of options (key: value)");
	while (!(err = next(r)) && r->event.type != YAML_MAPPING_END_EVENT) {
		if (r->event.type != YAML_SCALAR_EVENT)
			return fail(r, r->event.start_mark, "expected an option name");
		err = key_find(r, &id);
		if (err)
			return err;
		if (seen & (1ull << id))
			return fail(r, r->event.start_mark, "\"%s\" is there twice",
				    option_row(id)->key);
		seen |= 1ull << id;
		err = value_take(r, id);
		if (err)
			return err;
	}
	return err;
}

int config_yaml(struct config *c, const char *path)
{
	struct reader r = { .c = c, .path = path };
	FILE *f = fopen(path, "re");

	if (!f) {
		int err = -errno;
		snprintf(c->error, sizeof(c->error), "%s: %s", path, strerror(-err));
		return err;
	}
	if (!yaml_parser_initialize(&r.parser)) {
		fclose(f);
		return -ENOMEM;
	}
	yaml_parser_set_input_file(&r.parser, f);
	int err = document_take(&r);
	if (r.held)
		yaml_event_delete(&r.event);
	yaml_parser_delete(&r.parser);
	fclose(f);
	return err;
}

_Static_assert(OPT_CNT <= 64, "document_take() marks seen keys in 64 bits");
