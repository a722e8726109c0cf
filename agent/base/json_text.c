/* SPDX-License-Identifier: Apache-2.0 */
/* From JSON text to values: string escapes and numbers. Pure functions. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/json.h"

#define REPLACEMENT 0xfffd

/* Four hexadecimal digits; negative if they are not. */
static int32_t hex4(const char *p, const char *end)
{
	int32_t v = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		char c = p[i];
		int d = c >= '0' && c <= '9'			 ? c - '0'
			: (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
								 : -1;

		if (d < 0)
			return -1;
		v = v << 4 | d;
	}
	return v;
}

/* Bytes of cp in UTF-8 (RFC 3629). */
static size_t utf8_put(uint32_t cp, char out[4])
{
	if (cp < 0x80) {
		out[0] = (char)cp;
		return 1;
	}
	if (cp < 0x800) {
		out[0] = (char)(0xc0 | cp >> 6);
		out[1] = (char)(0x80 | (cp & 0x3f));
		return 2;
	}
	if (cp < 0x10000) {
		out[0] = (char)(0xe0 | cp >> 12);
		out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
		out[2] = (char)(0x80 | (cp & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | cp >> 18);
	out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
	out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
	out[3] = (char)(0x80 | (cp & 0x3f));
	return 4;
}

/* p is behind "\u"; moves it behind what was used. */
static uint32_t unicode_escape(const char **p, const char *end)
{
	int32_t hi = hex4(*p, end), lo;

	if (hi < 0)
		return REPLACEMENT;
	*p += 4;
	if (hi < 0xd800 || hi > 0xdfff)
		return (uint32_t)hi;
	if (hi > 0xdbff || end - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u')
		return REPLACEMENT;
	lo = hex4(*p + 2, end);
	if (lo < 0xdc00 || lo > 0xdfff)
		return REPLACEMENT;
	*p += 6;
	return 0x10000 + ((uint32_t)(hi - 0xd800) << 10) + (uint32_t)(lo - 0xdc00);
}

/* p is behind a backslash. */
static size_t escape(const char **p, const char *end, char out[4])
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *known;

	if (*p == end)
		return utf8_put(REPLACEMENT, out);
	if (**p == 'u') {
		++*p;
		return utf8_put(unicode_escape(p, end), out);
	}
	known = memchr(from, **p, sizeof(from) - 1);
	++*p;
	if (!known)
		return utf8_put(REPLACEMENT, out);
	out[0] = to[known - from];
	return 1;
}

bool json_unescape(struct slice raw, char *out, size_t cap, size_t *ret_len)
{
	const char *p = raw.ptr, *end = raw.len ? raw.ptr + raw.len : raw.ptr;
	size_t len = 0;
	char bytes[4];

	while (p < end) {
		size_t plain = 1, cnt;

		if (*p != '\\') {
			/* a UTF-8 sequence goes as a whole or not at all */
			while (plain < 4 && p + plain < end && (p[plain] & 0xc0) == 0x80)
				plain++;
			cnt = plain;
			memcpy(bytes, p, cnt);
			p += cnt;
		} else {
			p++;
			cnt = escape(&p, end, bytes);
		}
		if (cnt > cap - len) {
			*ret_len = len;
			return false;
		}
		memcpy(out + len, bytes, cnt);
		len += cnt;
	}
	*ret_len = len;
	return true;
}

bool json_double(struct slice text, double *ret_value)
{
	char buf[KS_JSON_KEY_CAP + 1], *end;
	double v;

	if (text.len == 0 || text.len >= sizeof(buf))
		return false;
	memcpy(buf, text.ptr, text.len);
	buf[text.len] = '\0';
	if (strspn(buf, "0123456789+-.eE") != text.len)
		return false;
	v = strtod(buf, &end); /* the agent never leaves the "C" locale */
	if (*end || !isfinite(v))
		return false;
	*ret_value = v;
	return true;
}

bool json_int(struct slice text, int64_t *ret_value)
{
	bool negative = text.len && text.ptr[0] == '-';
	double d;
	int64_t v = 0;
	size_t i = negative;

	for (; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++)
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, text.ptr[i] - '0', &v))
			return false;
	if (i == text.len && i > negative) {
		*ret_value = negative ? -v : v;
		return true;
	}
	if (!json_double(text, &d) || d != floor(d) || fabs(d) > 9007199254740992.0)
		return false;
	*ret_value = (int64_t)d;
	return true;
}
