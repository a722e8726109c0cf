/* SPDX-License-Identifier: Apache-2.0 */
/* Names are compared without case; those of query parameters after percent-decoding. Pure functions. */
#include "proto/secret.h"

static const struct slice headers[] = {
#define SECRET_HEADER(name) { name, sizeof(name) - 1 },
#define SECRET_QUERY(name)
#include "proto/secrets.def"
#undef SECRET_HEADER
#undef SECRET_QUERY
};

static const struct slice params[] = {
#define SECRET_HEADER(name)
#define SECRET_QUERY(name) { name, sizeof(name) - 1 },
#include "proto/secrets.def"
#undef SECRET_HEADER
#undef SECRET_QUERY
};

#define PARAM_CAP 64 /* longer than any name of the table */

bool secret_header(struct slice name)
{
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		if (slice_ieq(name, headers[i]))
			return true;
	return false;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool secret_param(struct slice name)
{
	char text[PARAM_CAP];
	struct slice plain = { text, 0 };

	for (size_t i = 0; i < name.len && plain.len < sizeof(text); i++) {
		char c = name.ptr[i];

		if (c == '%' && i + 2 < name.len && hex(name.ptr[i + 1]) >= 0 &&
		    hex(name.ptr[i + 2]) >= 0) {
			c = (char)(hex(name.ptr[i + 1]) << 4 | hex(name.ptr[i + 2]));
			i += 2;
		}
		text[plain.len++] = c;
	}
	for (size_t i = 0; i < sizeof(params) / sizeof(params[0]); i++)
		if (slice_ieq(plain, params[i]))
			return true;
	return false;
}

static size_t until(struct slice s, size_t from, const char *stop)
{
	while (from < s.len && !strchr(stop, s.ptr[from]))
		from++;
	return from;
}

struct slice secret_target(struct slice target, char *buf)
{
	size_t at = until(target, 0, "?"), kept = 0, len = 0;

	while (at < target.len) { /* at: the '?', '&' or ';' before a parameter */
		size_t name_end = until(target, at + 1, "=&;"), end = until(target, name_end, "&;");
		struct slice name = { target.ptr + at + 1, name_end - at - 1 };

		if (end > name_end + 1 && secret_param(name)) {
			memcpy(buf + len, target.ptr + kept, name_end + 1 - kept);
			len += name_end + 1 - kept;
			kept = end;
		}
		at = end;
	}
	if (!kept)
		return target;
	memcpy(buf + len, target.ptr + kept, target.len - kept);
	return (struct slice){ buf, len + target.len - kept };
}
