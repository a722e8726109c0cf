/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tolerated as RFC 9112 lets a recipient: bare LF (section 2.2), obsolete line folding (5.2; the value then spans the
 * line end as sent), spaces around values. Not tolerated: what makes framing ambiguous. Pure functions.
 */
#include "proto/head.h"

#include "proto/secret.h"

static const char *const methods[] = { "GET",	  "POST",    "PUT",   "HEAD",  "DELETE",
				       "OPTIONS", "CONNECT", "PATCH", "TRACE", "QUERY" };
#define METHOD_CAP 24 /* a method nobody registered yet may be this long */

size_t head_end(struct head_scan *scan, struct slice in)
{
	while (scan->seen < in.len) {
		const char *lf = memchr(in.ptr + scan->seen, '\n', in.len - scan->seen);
		size_t at = lf ? (size_t)(lf - in.ptr) : in.len, len = at - scan->line;

		scan->seen = lf ? at + 1 : in.len;
		if (!lf)
			return 0;
		if (len == 0 || (len == 1 && in.ptr[scan->line] == '\r'))
			return at + 1;
		scan->line = at + 1;
	}
	return 0;
}

/* RFC 9110 section 5.6.2 */
static bool is_token(char c)
{
	unsigned char u = (unsigned char)c;

	return (u >= 'a' && u <= 'z') || (u >= 'A' && u <= 'Z') || (u >= '0' && u <= '9') ||
	       (u && strchr("!#$%&'*+-.^_`|~", u));
}

static bool known_method(struct slice in)
{
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		size_t len = strlen(methods[i]), cmp = in.len < len ? in.len : len;

		if (!memcmp(in.ptr, methods[i], cmp) && (in.len <= len || in.ptr[len] == ' '))
			return true;
	}
	return false;
}

bool head_may_be_request(struct slice in, bool known)
{
	size_t i = 0;

	if (known)
		return in.len && known_method(in);
	while (i < in.len && i <= METHOD_CAP && is_token(in.ptr[i]))
		i++;
	return i == in.len || (i && i <= METHOD_CAP && in.ptr[i] == ' ');
}

bool head_may_be_response(struct slice in)
{
	return !memcmp(in.ptr, "HTTP/1.", in.len < 7 ? in.len : 7);
}

/* "HTTP/1.1" or "HTTP/1.0"; 0 if it is something else. */
static uint8_t version(struct slice s)
{
	if (s.len != 8 || memcmp(s.ptr, "HTTP/1.", 7) || s.ptr[7] < '0' || s.ptr[7] > '9')
		return 0;
	return s.ptr[7] == '0'
		       ? 10
		       : 11; /* a later minor version is read as the one we know (section 2.3) */
}

/* RFC 9112 section 3.2: absolute form becomes origin form and an authority. */
static void target_forms(struct head *h, char *scratch)
{
	const char *colon;
	struct slice t = h->target;

	if (t.len && t.ptr[0] != '/' && !slice_eq(h->method, SLICE("CONNECT"))) {
		colon = memchr(t.ptr, ':', t.len);
		if (colon && t.ptr + t.len - colon > 3 && colon[1] == '/' && colon[2] == '/') {
			struct slice rest = slice_from(t, (size_t)(colon + 3 - t.ptr));
			size_t end = 0;

			while (end < rest.len && rest.ptr[end] != '/' && rest.ptr[end] != '?')
				end++;
			h->authority = (struct slice){ rest.ptr, end };
			t = end < rest.len ? slice_from(rest, end) : SLICE("/");
		}
	}
	for (size_t i = h->authority.len; i > 0; i--) /* user:password@host is a credential */
		if (h->authority.ptr[i - 1] == '@') {
			h->authority = slice_from(h->authority, i);
			break;
		}
	h->target = secret_target(t, scratch);
}

static bool request_line(struct head *h, struct slice line)
{
	const char *sp = memchr(line.ptr, ' ', line.len);
	size_t end = line.len;

	if (!sp)
		return false;
	h->method = (struct slice){ line.ptr, (size_t)(sp - line.ptr) };
	while (end && line.ptr[end - 1] != ' ')
		end--;
	h->version = version(slice_from(line, end));
	h->target = slice_trim((struct slice){ sp, end - h->method.len });
	if (!h->version || !h->target.len || !head_may_be_request(line, false))
		return false;
	for (size_t i = 0; i < h->target.len; i++)
		if ((unsigned char)h->target.ptr[i] <= ' ' || h->target.ptr[i] == 0x7f)
			return false;
	return true;
}

/* A status code; 0 if it is something else. */
static int status(struct slice s)
{
	int code = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return 0;
		code = code * 10 + s.ptr[i] - '0';
	}
	return s.len == 3 && code >= 100 ? code : 0;
}

static bool status_line(struct head *h, struct slice line)
{
	if (line.len < 12 || line.ptr[8] != ' ')
		return false;
	h->version = version((struct slice){ line.ptr, 8 });
	h->status = status((struct slice){ line.ptr + 9, 3 });
	return h->version && h->status && (line.len == 12 || line.ptr[12] == ' ');
}

/* A list of equal numbers is one number (RFC 9110 section 8.6). */
static bool content_length(struct head *h, struct slice value)
{
	while (true) {
		const char *comma = value.len ? memchr(value.ptr, ',', value.len) : NULL;
		struct slice one = slice_trim((struct slice){
			value.ptr, comma ? (size_t)(comma - value.ptr) : value.len });
		uint64_t len = 0;

		if (!one.len || one.len > 18)
			return false;
		for (size_t i = 0; i < one.len; i++) {
			if (one.ptr[i] < '0' || one.ptr[i] > '9')
				return false;
			len = len * 10 + (uint64_t)(one.ptr[i] - '0');
		}
		if (h->has_len && len != h->len)
			return false;
		h->has_len = true;
		h->len = len;
		if (!comma)
			return true;
		value = slice_from(value, (size_t)(comma + 1 - value.ptr));
	}
}

static void transfer_encoding(struct head *h, struct slice value)
{
	while (value.len) {
		const char *comma = memchr(value.ptr, ',', value.len);
		size_t len = comma ? (size_t)(comma - value.ptr) : value.len;
		struct slice one = slice_trim((struct slice){ value.ptr, len });

		value = slice_from(value, len + 1);
		if (!one.len)
			continue;
		h->chunked = slice_ieq(one, SLICE("chunked")); /* the last one counts */
		h->coded = !h->chunked;
		if (h->coded && !slice_ieq(one, SLICE("identity")))
			h->codings = SLICE(
				"unknown"); /* nobody sends coded transfers; the body is not read */
	}
}

static bool media_type_is(struct slice value, struct slice type)
{
	const char *semi = value.len ? memchr(value.ptr, ';', value.len) : NULL;

	if (semi)
		value.len = (size_t)(semi - value.ptr);
	return slice_ieq(slice_trim(value), type);
}

static void content_type(struct head *h, struct slice value)
{
	static const struct slice lines[] = { SLICE("application/x-ndjson"),
					      SLICE("application/ndjson"),
					      SLICE("application/jsonl"),
					      SLICE("application/x-jsonlines") };

	h->events = media_type_is(value, SLICE("text/event-stream"));
	h->lines = false;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		h->lines |= media_type_is(value, lines[i]);
}

static bool known_field(struct head *h, struct slice name, struct slice value)
{
	if (slice_ieq(name, SLICE("content-length")))
		return content_length(h, value);
	if (slice_ieq(name, SLICE("transfer-encoding")))
		transfer_encoding(h, value);
	else if (slice_ieq(name, SLICE("content-encoding")))
		h->codings = h->codings.len ? SLICE("unknown") : value;
	else if (slice_ieq(name, SLICE("content-type")))
		content_type(h, value);
	else if (slice_ieq(name, SLICE("host")) && !h->authority.len)
		h->authority = value;
	else if (slice_ieq(name, SLICE("expect")))
		h->expect = slice_ieq(value, SLICE("100-continue"));
	return true;
}

static void keep_field(struct head *h, struct slice name, struct slice value)
{
	if (h->header_cnt == KS_HEADERS)
		h->clipped = true;
	else
		h->headers[h->header_cnt++] =
			(struct header){ name, secret_header(name) ? SLICE_NONE : value };
}

static bool field_line(struct head *h, struct slice line)
{
	const char *colon = memchr(line.ptr, ':', line.len);
	struct slice name, value;

	if (!colon || colon == line.ptr)
		return false;
	name = slice_trim((struct slice){ line.ptr, (size_t)(colon - line.ptr) });
	value = slice_trim(slice_from(line, (size_t)(colon + 1 - line.ptr)));
	for (size_t i = 0; i < name.len; i++)
		if (!is_token(name.ptr[i]))
			return false;
	if (!name.len || !known_field(h, name, value))
		return false;
	keep_field(h, name, value);
	return true;
}

/* The next line without its end; *at moves behind it. A header line takes the folded lines behind it along. */
static struct slice next_line(struct slice raw, size_t *at, bool fold)
{
	size_t from = *at, end;

	do {
		const char *lf = memchr(raw.ptr + *at, '\n', raw.len - *at);

		end = (size_t)(lf - raw.ptr); /* the caller saw the blank line: there is one */
		*at = end + 1;
	} while (fold && end > from && *at < raw.len &&
		 (raw.ptr[*at] == ' ' || raw.ptr[*at] == '\t'));
	if (end > from && raw.ptr[end - 1] == '\r')
		end--;
	return (struct slice){ raw.ptr + from, end - from };
}

void head_begin(struct head *h)
{
	memset(h, 0, offsetof(struct head, headers));
	memset(&h->header_cnt, 0, sizeof(*h) - offsetof(struct head, header_cnt));
}

bool head_parse(struct head *h, struct slice raw, bool response, char *scratch)
{
	size_t at = 0;
	struct slice line = next_line(raw, &at, false);

	head_begin(h);
	if (!(response ? status_line(h, line) : request_line(h, line)))
		return false;
	while (at < raw.len) {
		line = next_line(raw, &at, true);
		if (line.len && !field_line(h, line))
			return false;
	}
	if (!response)
		target_forms(h, scratch);
	/* A request body that cannot be framed is an attack or not HTTP (RFC 9112 section 6.3, rules 3 and 4). */
	return response || !h->coded;
}

/* HTTP/2 */

void head_field(struct head *h, struct slice name, struct slice value)
{
	if (!name.len)
		return;
	value = slice_trim(value);
	if (*name.ptr != ':') {
		if (!slice_ieq(name, SLICE("content-length")) &&
		    !slice_ieq(name, SLICE("transfer-encoding")))
			known_field(h, name, value);
		keep_field(h, name, value);
	} else if (slice_eq(name, SLICE(":method"))) {
		h->method = value;
	} else if (slice_eq(name, SLICE(":path"))) {
		h->target = value;
	} else if (slice_eq(name, SLICE(":authority"))) {
		h->authority = value;
	} else if (slice_eq(name, SLICE(":status"))) {
		h->status = status(value);
	}
}

void head_end_fields(struct head *h, char *scratch)
{
	h->version = 20;
	target_forms(h, scratch);
}
