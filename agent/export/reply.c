/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP/1.1 response parser of the exporter: a small state machine over lines and counted bytes. One owner. */
#include "export/reply.h"

#include <time.h>

#include "limits.h"

enum state { STATUS, HEADER, LENGTH, UNTIL_EOF, CHUNK_SIZE, CHUNK, CHUNK_END, TRAILER, DONE, BAD };

void reply_init(struct reply *r)
{
	memset(r, 0, sizeof(*r));
	buf_init(&r->body, KS_REPLY_BYTES);
	reply_reset(r);
}

void reply_done(struct reply *r)
{
	buf_done(&r->body);
}

void reply_reset(struct reply *r)
{
	r->state = STATUS;
	r->status = 0;
	r->keep_alive = true;
	r->chunked = r->has_length = r->has_coding = r->too_large = false;
	r->left = 0;
	r->lines = 0;
	r->retry_after_s = -1;
	r->retry_after_at = 0;
	r->line_len = 0;
	buf_reset(&r->body);
}

static struct slice trim(struct slice s)
{
	while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
		s = slice_from(s, 1);
	while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/* RFC 9110 section 8.6: digits only. False for anything else and for what no body could be. */
static bool decimal(struct slice s, uint64_t *ret)
{
	uint64_t v = 0;

	if (!s.len || s.len > 18)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(s.ptr[i] - '0');
	}
	*ret = v;
	return true;
}

/* `digits` digits and then this character; -1 if it is not so. */
static int date_number(const char *at, int digits, char then)
{
	int v = 0;

	for (; digits; digits--, at++) {
		if (*at < '0' || *at > '9')
			return -1;
		v = v * 10 + (*at - '0');
	}
	return *at == then ? v : -1;
}

/* IMF-fixdate, RFC 9110 section 5.6.7: "Sun, 06 Nov 1994 08:49:37 GMT". The obsolete forms are not read. */
static int64_t http_date(struct slice s)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct tm tm = { 0 };

	if (s.len != 29 || s.ptr[3] != ',' || s.ptr[4] != ' ' || s.ptr[11] != ' ' || !slice_ends(s, SLICE(" GMT")))
		return 0;
	while (tm.tm_mon < 12 && memcmp(months + (size_t)tm.tm_mon * 3, s.ptr + 8, 3))
		tm.tm_mon++;
	tm.tm_mday = date_number(s.ptr + 5, 2, ' ');
	tm.tm_year = date_number(s.ptr + 12, 4, ' ') - 1900;
	tm.tm_hour = date_number(s.ptr + 17, 2, ':');
	tm.tm_min = date_number(s.ptr + 20, 2, ':');
	tm.tm_sec = date_number(s.ptr + 23, 2, ' ');
	if (tm.tm_mon == 12 || tm.tm_mday < 1 || tm.tm_year < 0 || tm.tm_hour < 0 || tm.tm_min < 0 || tm.tm_sec < 0)
		return 0;
	return timegm(&tm);
}

static void header(struct reply *r, struct slice name, struct slice value)
{
	uint64_t number;

	if (slice_ieq(name, SLICE("content-length"))) {
		if (!decimal(value, &number) || (r->has_length && r->left != number)) {
			r->state = BAD;
			return;
		}
		r->has_length = true;
		r->left = number;
	} else if (slice_ieq(name, SLICE("transfer-encoding"))) {
		r->has_coding = true;
		r->chunked = slice_ieq(value, SLICE("chunked"));
	} else if (slice_ieq(name, SLICE("connection"))) {
		if (slice_ieq(value, SLICE("close")))
			r->keep_alive = false;
	} else if (slice_ieq(name, SLICE("retry-after"))) {
		if (decimal(value, &number))
			r->retry_after_s = (int64_t)number;
		else
			r->retry_after_at = http_date(value);
	}
}

static void header_line(struct reply *r, struct slice line)
{
	const char *colon = memchr(line.ptr, ':', line.len);
	size_t name = colon ? (size_t)(colon - line.ptr) : 0;

	if (!name || line.ptr[0] == ' ' || line.ptr[0] == '\t' || line.ptr[name - 1] == ' ') {
		r->state = BAD;
		return;
	}
	header(r, (struct slice){ line.ptr, name }, trim(slice_from(line, name + 1)));
}

static void status_line(struct reply *r, struct slice line)
{
	/* RFC 9112 section 4: HTTP/1.x SP 3DIGIT [SP reason] */
	if (line.len < 12 || !slice_starts(line, SLICE("HTTP/1.")) || line.ptr[8] != ' ' ||
	    (line.len > 12 && line.ptr[12] != ' ')) {
		r->state = BAD;
		return;
	}
	r->status = 0;
	for (int i = 9; i < 12; i++) {
		if (line.ptr[i] < '0' || line.ptr[i] > '9') {
			r->state = BAD;
			return;
		}
		r->status = r->status * 10 + (line.ptr[i] - '0');
	}
	r->keep_alive = line.ptr[7] != '0';
	r->state = r->status < 100 ? BAD : HEADER;
}

/* RFC 9112 section 6.3: how the body ends. */
static void head_end(struct reply *r)
{
	if (r->status < 200) { /* interim; 101 was not asked for */
		bool upgrade = r->status == 101;

		reply_reset(r);
		r->state = upgrade ? BAD : STATUS;
		return;
	}
	if (r->status == 204 || r->status == 304) {
		r->state = DONE;
	} else if (r->has_coding) {
		r->keep_alive &= r->chunked && !r->has_length;
		r->state = r->chunked ? CHUNK_SIZE : UNTIL_EOF;
	} else if (r->has_length) {
		r->state = r->left ? LENGTH : DONE;
	} else {
		r->keep_alive = false;
		r->state = UNTIL_EOF;
	}
	if (r->state == LENGTH && r->left > KS_REPLY_BYTES) {
		r->too_large = true;
		r->state = BAD;
	}
}

static void chunk_size(struct reply *r, struct slice line)
{
	size_t i = 0;

	r->left = 0;
	for (; i < line.len && i < 15; i++) {
		char c = line.ptr[i], lower = (char)(c | 32);

		if (c >= '0' && c <= '9')
			r->left = r->left << 4 | (uint64_t)(c - '0');
		else if (lower >= 'a' && lower <= 'f')
			r->left = r->left << 4 | (uint64_t)(lower - 'a' + 10);
		else
			break;
	}
	if (!i || (i < line.len && line.ptr[i] != ';' && line.ptr[i] != ' ' && line.ptr[i] != '\t'))
		r->state = BAD;
	else
		r->state = r->left ? CHUNK : TRAILER;
}

static void line_end(struct reply *r)
{
	struct slice line = { r->line, r->line_len };

	if (line.len && line.ptr[line.len - 1] == '\r')
		line.len--;
	r->line_len = 0;
	if (++r->lines > REPLY_LINES) {
		r->state = BAD;
		return;
	}
	switch (r->state) {
	case STATUS:
		status_line(r, line);
		break;
	case HEADER:
		if (line.len)
			header_line(r, line);
		else
			head_end(r);
		break;
	case CHUNK_SIZE:
		chunk_size(r, line);
		break;
	case CHUNK_END:
		r->state = line.len ? BAD : CHUNK_SIZE;
		break;
	default: /* TRAILER: its fields say nothing to us */
		if (!line.len)
			r->state = DONE;
	}
}

static size_t push_line(struct reply *r, struct slice data)
{
	const char *end = memchr(data.ptr, '\n', data.len);
	size_t len = end ? (size_t)(end - data.ptr) : data.len;

	if (len > REPLY_LINE - r->line_len) {
		r->state = BAD;
		return data.len;
	}
	memcpy(r->line + r->line_len, data.ptr, len);
	r->line_len += len;
	if (end)
		line_end(r);
	return end ? len + 1 : len;
}

static size_t push_body(struct reply *r, struct slice data)
{
	size_t len = data.len;

	if (r->state != UNTIL_EOF && len > r->left)
		len = (size_t)r->left;
	buf_put(&r->body, data.ptr, len);
	if (r->body.failed) {
		r->too_large = true;
		r->state = BAD;
		return data.len;
	}
	r->lines = 0;
	if (r->state == UNTIL_EOF)
		return len;
	r->left -= len;
	if (!r->left)
		r->state = r->state == CHUNK ? CHUNK_END : DONE;
	return len;
}

enum reply_result reply_push(struct reply *r, struct slice data)
{
	while (data.len && r->state != DONE && r->state != BAD) {
		bool body = r->state == LENGTH || r->state == CHUNK || r->state == UNTIL_EOF;
		size_t used = body ? push_body(r, data) : push_line(r, data);

		data = slice_from(data, used);
	}
	if (r->state == DONE && data.len)
		r->keep_alive = false;
	if (r->state == BAD)
		r->keep_alive = false;
	return r->state == DONE ? REPLY_DONE : r->state == BAD ? REPLY_BAD : REPLY_MORE;
}

enum reply_result reply_eof(struct reply *r)
{
	r->keep_alive = false;
	if (r->state == UNTIL_EOF)
		r->state = DONE;
	return r->state == DONE ? REPLY_DONE : REPLY_BAD;
}
