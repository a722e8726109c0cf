/* SPDX-License-Identifier: Apache-2.0 */
/* Put the attributes of one span together. Loop thread; the builder belongs to the spanner. */
#include "span/build.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>

void build_reset(struct build *b)
{
	b->attr_cnt = b->event_cnt = b->str_cnt = b->text_len = b->bytes = 0;
	b->over = false;
}

static struct attr *add(struct build *b, enum semconv key, enum attr_type type, size_t bytes)
{
	struct attr *a;

	/* the last place is kept for kernspan.incomplete, which must always fit */
	if (b->attr_cnt >= KS_SPAN_ATTRS - (key != SC_INCOMPLETE) ||
	    (b->bytes + bytes > KS_SPAN_TEXT && key != SC_INCOMPLETE)) {
		b->over = true;
		return NULL;
	}
	b->bytes += bytes;
	a = &b->attrs[b->attr_cnt++];
	a->key = semconv_name[key];
	a->type = type;
	return a;
}

void build_str(struct build *b, enum semconv key, struct slice value)
{
	struct attr *a = value.len ? add(b, key, ATTR_STR, value.len) : NULL;

	if (a)
		a->str = value;
}

void build_int(struct build *b, enum semconv key, int64_t value)
{
	struct attr *a = value != CALL_UNSET ? add(b, key, ATTR_INT, 0) : NULL;

	if (a)
		a->i = value;
}

void build_double(struct build *b, enum semconv key, double value)
{
	struct attr *a = isfinite(value) ? add(b, key, ATTR_DOUBLE, 0) : NULL;

	if (a)
		a->d = value;
}

void build_bool(struct build *b, enum semconv key, bool value)
{
	struct attr *a = add(b, key, ATTR_BOOL, 0);

	if (a)
		a->b = value;
}

void build_true(struct build *b, enum semconv key, bool value)
{
	if (value)
		build_bool(b, key, true);
}

struct slice *build_strs(struct build *b, size_t cnt)
{
	struct slice *at = &b->strs[b->str_cnt];

	if (cnt > BUILD_STRS - b->str_cnt) {
		b->over = true;
		return NULL;
	}
	b->str_cnt += cnt;
	return at;
}

void build_list(struct build *b, enum semconv key, const struct slice *at, size_t cnt)
{
	size_t bytes = 0;
	struct attr *a;

	for (size_t i = 0; i < cnt; i++)
		bytes += at[i].len;
	a = cnt ? add(b, key, ATTR_STRS, bytes) : NULL;
	if (a) {
		a->strs.at = at;
		a->strs.cnt = cnt;
	}
}

struct slice build_text(struct build *b, const char *fmt, ...)
{
	size_t room = BUILD_TEXT - b->text_len;
	char *at = b->text + b->text_len;
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(at, room, fmt, ap);
	va_end(ap);
	if (len < 0 || (size_t)len >= room)
		return SLICE_NONE;
	b->text_len += (size_t)len;
	return (struct slice){ at, (size_t)len };
}

struct slice build_join(struct build *b, struct slice a, struct slice tail)
{
	char *at = b->text + b->text_len;
	size_t len = a.len + 1 + tail.len;

	if (!tail.len || len > BUILD_TEXT - b->text_len)
		return a;
	memcpy(at, a.ptr, a.len);
	at[a.len] = ' ';
	memcpy(at + a.len + 1, tail.ptr, tail.len);
	b->text_len += len;
	return (struct slice){ at, len };
}

struct slice build_addr(struct build *b, uint8_t family, const uint8_t addr[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, 0xff }; /* RFC 4291 section 2.5.5.2 */
	char text[INET6_ADDRSTRLEN];

	if (family == AF_INET6 && memcmp(addr, mapped, sizeof(mapped)) == 0) {
		family = AF_INET;
		addr += sizeof(mapped);
	}
	if ((family != AF_INET && family != AF_INET6) || !inet_ntop(family, addr, text, sizeof(text)))
		return SLICE_NONE;
	return build_text(b, "%s", text);
}

void build_event(struct build *b, enum semconv_event name, uint64_t start_ns, uint64_t end_ns, int64_t wall_offset)
{
	struct span_event *e = &b->events[b->event_cnt];
	struct attr *a = &b->event_attrs[b->event_cnt];

	if (!start_ns || end_ns < start_ns)
		return;
	if (b->event_cnt == KS_SPAN_EVENTS) {
		b->over = true;
		return;
	}
	b->event_cnt++;
	*a = (struct attr){ .key = semconv_name[SC_DURATION], .type = ATTR_DOUBLE };
	a->d = (double)(end_ns - start_ns) / 1e9;
	*e = (struct span_event){ semconv_event_name[name], end_ns + (uint64_t)wall_offset, a, 1 };
}
