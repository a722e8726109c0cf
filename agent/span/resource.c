/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resource attributes: what the observed process is, the host, this agent, and OTEL_RESOURCE_ATTRIBUTES (its grammar
 * is the one of W3C baggage, W3C context section 3.3 of the baggage text). Loop thread; owns the copied text.
 */
#include "span/build.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* In place; -EINVAL for a bad escape. */
static int percent_decode(char *s, size_t *ret_len)
{
	char *out = s, *start = s;

	for (; *s; s++) {
		if (*s != '%') {
			*out++ = *s;
			continue;
		}
		if (hex_digit(s[1]) < 0 || hex_digit(s[2]) < 0)
			return -EINVAL;
		*out++ = (char)(hex_digit(s[1]) << 4 | hex_digit(s[2]));
		s += 2;
	}
	*out = 0;
	*ret_len = (size_t)(out - start);
	return 0;
}

static char *trim(char *s)
{
	char *end;

	s += strspn(s, " \t");
	for (end = s + strlen(s); end > s && (end[-1] == ' ' || end[-1] == '\t'); end--)
		;
	*end = 0;
	return s;
}

static int add_extra(struct resource *r, char *pair)
{
	char *eq = strchr(pair, '=');
	struct attr *a = &r->extra[r->extra_cnt];
	size_t len;

	if (!eq)
		return -EINVAL;
	*eq = 0;
	pair = trim(pair);
	eq = trim(eq + 1);
	if (!*pair || percent_decode(eq, &len) || r->extra_cnt == BUILD_RESOURCE / 2)
		return -EINVAL;
	*a = (struct attr){ .key = pair, .type = ATTR_STR };
	a->str = (struct slice){ eq, len };
	r->extra_cnt++;
	return 0;
}

int resource_init(struct resource *r, const char *text, const char *host, const char *version)
{
	char *next, *pair;
	int err = 0;

	memset(r, 0, sizeof(*r));
	r->host = slice_str(host);
	r->version = slice_str(version);
	if (!text || !*text)
		return 0;
	r->text = strdup(text);
	if (!r->text)
		return -ENOMEM;
	next = r->text;
	while (!err && (pair = strsep(&next, ",")))
		if (*trim(pair))
			err = add_extra(r, pair);
	if (err)
		resource_done(r);
	return err;
}

void resource_done(struct resource *r)
{
	free(r->text);
	memset(r, 0, sizeof(*r));
}

static void put_str(struct resource *r, enum semconv key, struct slice value)
{
	struct attr *a = &r->attrs[r->cnt];

	if (!value.len)
		return;
	*a = (struct attr){ .key = semconv_name[key], .type = ATTR_STR };
	a->str = value;
	r->cnt++;
}

static void put_int(struct resource *r, enum semconv key, int64_t value)
{
	struct attr *a = &r->attrs[r->cnt++];

	*a = (struct attr){ .key = semconv_name[key], .type = ATTR_INT };
	a->i = value;
}

static bool has(const struct resource *r, const char *key)
{
	for (size_t i = 0; i < r->cnt; i++)
		if (!strcmp(r->attrs[i].key, key))
			return true;
	return false;
}

void resource_make(struct resource *r, const struct proc_info *p)
{
	const char *slash = strrchr(p->exe, '/');
	const char *exe = slash && slash[1] ? slash + 1 : p->comm;
	int len;

	r->cnt = 0;
	if (p->service[0]) {
		put_str(r, SC_SERVICE_NAME, slice_str(p->service));
	} else {
		len = snprintf(r->name, sizeof(r->name), "unknown_service%s%.*s", *exe ? ":" : "", KS_NAME_LEN, exe);
		put_str(r, SC_SERVICE_NAME, (struct slice){ r->name, (size_t)len });
	}
	put_int(r, SC_PROCESS_PID, p->tgid);
	if (p->known)
		put_int(r, SC_PROCESS_PARENT_PID, p->ppid);
	put_str(r, SC_PROCESS_EXECUTABLE_NAME, slice_str(exe));
	put_str(r, SC_PROCESS_EXECUTABLE_PATH, slice_str(p->exe));
	put_str(r, SC_CONTAINER_ID, slice_str(p->container));
	put_str(r, SC_HOST_NAME, r->host);
	put_str(r, SC_TELEMETRY_SDK_NAME, SLICE("kernspan"));
	put_str(r, SC_TELEMETRY_SDK_LANGUAGE, SLICE("c"));
	put_str(r, SC_TELEMETRY_SDK_VERSION, r->version);
	for (size_t i = 0; i < r->extra_cnt; i++)
		if (!has(r, r->extra[i].key))
			r->attrs[r->cnt++] = r->extra[i];
}
