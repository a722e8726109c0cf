/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Masking, closed by default: in a JSON body every string is masked but those under the keys of redact.def; a body that
 * is not JSON or not readable, and a stream whose beginning was not seen, are masked whole until the next message head
 * that begins a call. Transfer chunk sizes and JSON punctuation stay, so that a masked recording still parses.
 */
#include "app/redact.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/slice.h"

#define MASKS 4096 /* streams × directions; a stream whose state is taken over is masked whole */
#define WAYS  4
#define WORD  32
#define DEPTH 64

enum where { AT_OPAQUE, AT_HEAD, AT_BODY };
enum line { LINE_NAME, LINE_VALUE, LINE_SECRET };
enum brk { BRK_NONE, BRK_CR, BRK_SIZE, BRK_END }; /* inside a string: a chunk boundary passes */

struct mask {
	uint64_t id;
	uint64_t used; /* for eviction */
	uint64_t next; /* offset of the next byte */
	uint8_t dir, taken;
	uint8_t where, line, brk;
	/* line of a head */
	uint8_t name_len, value_len;
	char name[WORD], value[WORD];
	bool first_line, readable, coded;
	/* JSON */
	bool in_str, esc, is_key, keep, colon, crlf, sse_data;
	bool events; /* an event stream, else JSON */
	bool hex;    /* the line is hex digits so far: it may be a chunk size */
	uint8_t depth, deep; /* deep: depth at which nothing is kept any more, 0 none */
	uint8_t key_len, line_len;
	char key[WORD], start[8];
	uint64_t arrays; /* bit per depth: an array, else an object */
};

struct redactor {
	uint64_t clock;
	struct mask mask[MASKS];
};

struct redactor *redactor_new(void)
{
	return calloc(1, sizeof(struct redactor));
}

void redactor_free(struct redactor *r)
{
	free(r);
}

static struct mask *mask_find(struct redactor *r, uint64_t id, uint8_t dir)
{
	size_t set = (size_t)((id * 2 + dir) * 0x9e3779b97f4a7c15u >> 40) % (MASKS / WAYS) * WAYS;
	struct mask *oldest = &r->mask[set];

	for (size_t i = set; i < set + WAYS; i++) {
		struct mask *m = &r->mask[i];
		if (m->taken && m->id == id && m->dir == dir)
			return m;
		if (m->used < oldest->used)
			oldest = m;
	}
	*oldest = (struct mask){ .id = id, .dir = dir, .taken = 1, .where = AT_OPAQUE };
	return oldest;
}

/* Whether these bytes, the first of a call, begin a message head (RFC 9112 section 2.1). */
static bool head_begins(struct slice s)
{
	static const char *const words[] = { "HTTP/1.", "GET ",	  "POST ", "PUT ",
					     "DELETE ", "PATCH ", "HEAD ", "OPTIONS " };

	const char *eol = memchr(s.ptr, '\n', s.len);

	if (!eol || !memmem(s.ptr, (size_t)(eol - s.ptr), "HTTP/1.", 7))
		return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (slice_starts(s, slice_str(words[i])))
			return true;
	return false;
}

static bool word_in(const char *word, size_t len, const char *const *list, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++)
		if (slice_eq((struct slice){ word, len }, slice_str(list[i])))
			return true;
	return false;
}

static const char *const keeps[] = {
#define KEEP(w) w,
#define DEEP(w)
#define SECRET(w)
#include "app/redact.def"
#undef KEEP
#undef DEEP
#undef SECRET
};
static const char *const deeps[] = {
#define KEEP(w)
#define DEEP(w) w,
#define SECRET(w)
#include "app/redact.def"
#undef KEEP
#undef DEEP
#undef SECRET
};
static const char *const secrets[] = {
#define KEEP(w)
#define DEEP(w)
#define SECRET(w) w,
#include "app/redact.def"
#undef KEEP
#undef DEEP
#undef SECRET
};
#define IN(m, member, list) \
	word_in((m)->member, (m)->member##_len, list, sizeof(list) / sizeof(*(list)))

static void head_start(struct mask *m)
{
	m->where = AT_HEAD;
	m->line = LINE_NAME;
	m->name_len = m->value_len = 0;
	m->first_line = true;
	m->readable = m->coded = false;
}

static void body_start(struct mask *m)
{
	m->where = m->readable && !m->coded ? AT_BODY : AT_OPAQUE;
	m->in_str = m->esc = m->colon = m->sse_data = m->crlf = false;
	m->hex = true;
	m->depth = m->deep = 0;
	m->line_len = 0;
	m->brk = BRK_NONE;
}

static bool value_has(const struct mask *m, const char *word)
{
	return memmem(m->value, m->value_len, word, strlen(word)) != NULL;
}

static void head_line_ends(struct mask *m)
{
	if (!m->first_line && m->line == LINE_NAME && m->name_len == 0) {
		body_start(m);
		return;
	}
	struct slice name = { m->name, m->name_len };
	if (m->line == LINE_VALUE && slice_eq(name, SLICE("content-type"))) {
		m->events = value_has(m, "event-stream");
		m->readable = value_has(m, "json") || m->events;
	}
	if (m->line == LINE_VALUE && slice_eq(name, SLICE("content-encoding")))
		m->coded = !value_has(m, "identity");
	m->first_line = false;
	m->line = LINE_NAME;
	m->name_len = m->value_len = 0;
}

/* One byte of a head. The first line keeps its path but not what follows a '?'. */
static char head_byte(struct mask *m, char c)
{
	if (c == '\n') {
		head_line_ends(m);
		return c;
	}
	if (c == '\r')
		return c;
	if (m->first_line) {
		bool secret = m->line == LINE_SECRET && c != ' ';
		m->line = c == '?' || secret ? LINE_SECRET : LINE_NAME;
		return secret && c != '&' && c != '=' ? 'x' : c;
	}
	if (m->line == LINE_NAME && m->name_len == 0 && (c == ' ' || c == '\t')) {
		m->line = LINE_SECRET; /* obs-fold (RFC 9112 section 5.2): more of the line before, which may be one */
		return c;
	}
	if (m->line == LINE_NAME && c == ':') {
		while (m->name_len && (m->name[m->name_len - 1] == ' ' || m->name[m->name_len - 1] == '\t'))
			m->name_len--;
		m->line = IN(m, name, secrets) ? LINE_SECRET : LINE_VALUE;
		return c;
	}
	if (m->line == LINE_NAME) {
		if (m->name_len < WORD)
			m->name[m->name_len++] = (char)tolower((unsigned char)c);
		return c;
	}
	if (m->line == LINE_SECRET)
		return c == ' ' ? c : 'x';
	if (m->value_len < WORD)
		m->value[m->value_len++] = (char)tolower((unsigned char)c);
	return c;
}

/* A chunk boundary (CR LF size CR LF, RFC 9112 section 7.1) may fall inside a string; JSON allows no raw line break,
 * so nothing else can be meant. */
static char break_byte(struct mask *m, char c)
{
	switch ((enum brk)m->brk) {
	case BRK_CR:
		m->brk = c == '\n' ? BRK_SIZE : BRK_NONE;
		break;
	case BRK_SIZE:
		if (isxdigit((unsigned char)c))
			return c;
		m->brk = c == '\r' ? BRK_END : BRK_NONE;
		break;
	default:
		if (c == '\n') {
			m->brk = BRK_NONE;
			return c;
		}
		m->brk = BRK_NONE;
		m->where = AT_OPAQUE;
		return 'x';
	}
	if (m->brk != BRK_NONE)
		return c;
	m->where = AT_OPAQUE;
	return 'x';
}

static char string_byte(struct mask *m, char c)
{
	if (m->brk)
		return break_byte(m, c);
	if (c == '\r') {
		m->brk = BRK_CR;
		return c;
	}
	if (c == '\n') {
		m->where = AT_OPAQUE;
		return c;
	}
	if (c == '"' && !m->esc) {
		m->in_str = false;
		return c;
	}
	m->esc = c == '\\' && !m->esc;
	if (m->is_key) {
		if (m->key_len < WORD)
			m->key[m->key_len++] = c;
		return c;
	}
	return m->keep ? c : 'x';
}

static bool in_array(const struct mask *m)
{
	return m->depth > 0 && m->arrays >> (m->depth - 1) & 1;
}

static void json_open(struct mask *m, bool array)
{
	if (m->depth == DEPTH) {
		m->where = AT_OPAQUE;
		return;
	}
	bool keyed = m->colon;
	m->depth++;
	m->arrays = (m->arrays & ~(1ull << (m->depth - 1))) | (uint64_t)array << (m->depth - 1);
	/* "input" of a tool call is an object with the tool's own keys; of a request it is text or a list of items */
	bool deep = keyed &&
		    (IN(m, key, deeps) ||
		     (!array && slice_eq((struct slice){ m->key, m->key_len }, SLICE("input"))));
	if (deep && !m->deep)
		m->deep = m->depth;
	m->colon = false;
	m->key_len = 0;
}

static void json_close(struct mask *m)
{
	if (m->depth == m->deep)
		m->deep = 0;
	m->depth -= m->depth > 0;
	m->colon = false;
	m->key_len = 0;
}

/* The start of each line tells data lines of an event stream from others and from chunk sizes. */
static void line_byte(struct mask *m, char c)
{
	if (c == '\n') {
		m->line_len = 0;
		m->hex = true;
		m->sse_data = false;
	} else if (m->line_len < 5) {
		m->start[m->line_len++] = c;
		m->sse_data = m->line_len == 5 && !memcmp(m->start, "data:", 5);
	}
}

/* Outside of strings: numbers, true, false, null and [DONE]; between the values of JSON nothing but chunk sizes; the
 * lines of an event stream that are not data. What else stands there is text that was announced wrongly. */
static char bare_byte(struct mask *m, char c, bool data)
{
	if (isspace((unsigned char)c))
		return c;
	if (m->depth == 0 && m->events)
		return data ? 'x' : c;
	if (m->depth == 0) {
		m->hex &= isxdigit((unsigned char)c) != 0;
		return m->hex ? c : 'x';
	}
	if (isdigit((unsigned char)c))
		return in_array(m) || m->deep ? '1' : c;
	return strchr("+-.eEtruefalsnDON", c) && c ? c : 'x';
}

static char body_byte(struct mask *m, char c)
{
	if (m->in_str)
		return string_byte(m, c);
	bool data = m->sse_data;
	line_byte(m, c);
	switch (c) {
	case '"':
		m->in_str = true;
		m->esc = false;
		m->is_key = m->depth > 0 && !in_array(m) && !m->colon;
		m->keep = m->colon && !m->deep && IN(m, key, keeps);
		if (m->is_key)
			m->key_len = 0;
		return c;
	case '{':
	case '[':
		json_open(m, c == '[');
		return c;
	case '}':
	case ']':
		json_close(m);
		return c;
	case ':':
		m->colon = m->depth > 0 && !in_array(m);
		return c;
	case ',':
		m->colon = false;
		return c;
	case '\r':
		m->crlf = true;
		return c;
	case '\n':
		return c;
	}
	if (m->crlf && isxdigit((unsigned char)c)) /* a chunk size, until its own line ends */
		return c;
	return bare_byte(m, c, data);
}

/* crlf: set at CR; cleared by the line feed that ends the line after it. */
static char body_step(struct mask *m, char c)
{
	bool was = m->crlf && m->line_len > 0 && c == '\n';
	char out = body_byte(m, c);

	if (was)
		m->crlf = false;
	return out;
}

void redactor_push(struct redactor *r, struct ks_hdr *ev)
{
	if (ev->kind != KS_EV_DATA)
		return;
	struct ks_ev_data *d = (struct ks_ev_data *)ev;
	struct mask *m = mask_find(r, ev->id, d->dir);
	struct slice s = { (const char *)d->data, d->cap_len };

	m->used = ++r->clock;
	if (m->next != d->offset || ev->flags & (KS_F_LOST | KS_F_SKIPPED | KS_F_FAULT))
		m->where = AT_OPAQUE; /* a hole: nothing is known */
	m->next = d->offset + d->cap_len;
	if (d->part == 0 && head_begins(s) && !(m->where == AT_BODY && m->in_str))
		head_start(m);
	for (size_t i = 0; i < s.len; i++) {
		char c = (char)d->data[i];
		if (m->where == AT_OPAQUE)
			c = 'x';
		else
			c = m->where == AT_HEAD ? head_byte(m, c) : body_step(m, c);
		d->data[i] = (__u8)c;
	}
}
