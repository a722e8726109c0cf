/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The incremental scanner. Each state is a function that is inlined into json_scan_feed() and moves the cursor, so that
 * a member "key":value runs from state to state in registers. Loop thread; owns nothing.
 */
#include "base/json_trie.h"

enum state {
	ST_START, /* before the document: a byte order mark is allowed */
	ST_VALUE,
	ST_FIRST,      /* behind '[': a value or ']' */
	ST_KEY_OR_END, /* behind '{' */
	ST_KEY,	       /* behind ',' in an object */
	ST_KEY_STRING, /* inside a key that is split between pieces or has escapes */
	ST_COLON,
	ST_STRING, /* inside a string value */
	ST_SCALAR, /* inside a number or literal that is split between pieces */
	ST_AFTER,  /* behind a value in an object or array */
	ST_SKIP,   /* inside a value that nothing asks for */
	ST_DONE,
	ST_BAD,
	ST_LOST, /* behind a hole, looking for a key of the top level; hold[] has what followed the last quote */
	ST_LOST_COLON, /* behind a hole and two quotes */
};

struct cur {
	const char *p, *end;
};

JSON_INLINE bool is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

JSON_INLINE bool skip_space(struct cur *c)
{
	while (c->p < c->end && __builtin_expect(is_space(*c->p), 0))
		c->p++;
	return c->p < c->end;
}

static void hold_add(struct json_scan *s, const char *p, size_t len)
{
	if (s->hold_full || len > sizeof(s->hold) - s->held) {
		s->hold_full = true;
		return;
	}
	memcpy(s->hold + s->held, p, len);
	s->held += (uint8_t)len;
}

static void hold_clear(struct json_scan *s)
{
	s->held = 0;
	s->hold_full = false;
}

static void report(struct json_scan *s, enum json_type type, struct slice text, int part)
{
	struct json_value v = {
		.id = s->paths->node[s->node].id,
		.type = type,
		.part = (uint8_t)part,
		.recovered = s->lost ? s->guess : 0,
		.text = text,
	};

	memcpy(v.index, s->index, sizeof(v.index));
	s->fn(s->ctx, &v);
}

JSON_INLINE bool asked(const struct json_scan *s)
{
	return s->paths->node[s->node].id >= 0;
}

JSON_INLINE enum state after_value(const struct json_scan *s)
{
	return s->depth ? ST_AFTER : ST_DONE;
}

/* What breaks the grammar ends a certain scan; a recovered one looks for its next guess. */
static enum state broken(struct json_scan *s)
{
	if (!s->lost)
		return ST_BAD;
	hold_clear(s);
	s->hold_full = true;
	s->escaped = false;
	return ST_LOST;
}

JSON_INLINE enum state on_start(struct json_scan *s, struct cur *c)
{
	if (*c->p == '\xef' || *c->p == '\xbb' || *c->p == '\xbf') {
		c->p++;
		return ST_START;
	}
	s->node = JSON_NODE_ROOT;
	return ST_VALUE;
}

JSON_INLINE enum state open_value(struct json_scan *s, bool array)
{
	const struct json_node *n = &s->paths->node[s->node];

	if (n->id >= 0)
		report(s, array ? JSON_ARRAY : JSON_OBJECT, SLICE_NONE, JSON_FIRST | JSON_LAST);
	if (array ? !n->elem : !(n->keys | n->any)) {
		s->skip = 1;
		s->skip_string = s->escaped = false;
		return ST_SKIP;
	}
	s->frame[s->depth++] = (struct json_frame){ s->node, array };
	if (!array)
		return ST_KEY_OR_END;
	if (s->arrays < JSON_INDEXES)
		s->index[s->arrays] = 0;
	s->arrays++;
	s->node = n->elem;
	return ST_FIRST;
}

JSON_INLINE enum state close_value(struct json_scan *s, bool array)
{
	if (s->frame[s->depth - 1].array != array)
		return broken(s);
	s->depth--;
	if (array && --s->arrays < JSON_INDEXES)
		s->index[s->arrays] = 0;
	return after_value(s);
}

JSON_INLINE enum state on_string(struct json_scan *s, struct cur *c)
{
	const char *from = c->p, *q = c->p;
	bool end = false;

	if (s->escaped && q < c->end) {
		s->escaped = false;
		q++;
	}
	while ((q = json_find_quote(q, c->end)) < c->end) {
		end = *q == '"';
		if (end)
			break;
		q += 2;
		if (q > c->end) {
			s->escaped = true;
			q = c->end;
			break;
		}
	}
	c->p = q + end;
	if (asked(s) && (end || q > from)) {
		report(s, JSON_STRING, (struct slice){ from, (size_t)(q - from) },
		       (s->begun ? 0 : JSON_FIRST) | (end ? JSON_LAST : 0));
		s->begun = true;
	}
	return end ? after_value(s) : ST_STRING;
}

static void report_scalar(struct json_scan *s, struct slice text)
{
	static const struct slice word[] = { SLICE("null"), SLICE("true"), SLICE("false") };

	if (!asked(s) || text.len > KS_JSON_KEY_CAP)
		return;
	for (size_t i = 0; i < 3; i++)
		if (slice_eq(text, word[i])) {
			report(s, i ? JSON_BOOL : JSON_NULL, text, JSON_FIRST | JSON_LAST);
			return;
		}
	report(s, JSON_NUMBER, text, JSON_FIRST | JSON_LAST);
}

/* Numbers, true, false, null, and the NaN and Infinity that some servers write. */
JSON_INLINE bool is_scalar(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-' ||
	       c == '.' || c == '+';
}

JSON_INLINE enum state on_scalar(struct json_scan *s, struct cur *c)
{
	const char *from = c->p;

	while (c->p < c->end && is_scalar(*c->p))
		c->p++;
	hold_add(s, from, (size_t)(c->p - from));
	if (c->p == c->end)
		return ST_SCALAR;
	if (!s->hold_full)
		report_scalar(s, (struct slice){ s->hold, s->held });
	return after_value(s);
}

JSON_INLINE enum state on_value(struct json_scan *s, struct cur *c)
{
	const char *from = c->p;

	switch (*from) {
	case '"':
		c->p++;
		s->escaped = s->begun = false;
		return on_string(s, c);
	case '{':
	case '[':
		c->p++;
		return open_value(s, *from == '[');
	default:
		if (!is_scalar(*from))
			return broken(s);
		while (c->p < c->end && is_scalar(*c->p))
			c->p++;
		if (c->p == c->end) {
			hold_clear(s);
			hold_add(s, from, (size_t)(c->p - from));
			return ST_SCALAR;
		}
		report_scalar(s, (struct slice){ from, (size_t)(c->p - from) });
		return after_value(s);
	}
}

static void key_held(struct json_scan *s)
{
	char key[KS_JSON_KEY_CAP];
	size_t len = 0;

	s->node = s->paths->node[s->frame[s->depth - 1].node].any;
	if (!s->hold_full &&
	    json_unescape((struct slice){ s->hold, s->held }, key, sizeof(key), &len))
		s->node = json_child(s->paths, s->frame[s->depth - 1].node, key, len);
}

JSON_INLINE enum state on_colon(struct json_scan *s, struct cur *c)
{
	if (*c->p != ':')
		return broken(s);
	c->p++;
	return ST_VALUE;
}

static enum state on_key_string(struct json_scan *s, struct cur *c)
{
	const char *from = c->p;

	while (c->p < c->end && (s->escaped || *c->p != '"')) {
		s->escaped = !s->escaped && *c->p == '\\';
		c->p++;
	}
	hold_add(s, from, (size_t)(c->p - from));
	if (c->p == c->end)
		return ST_KEY_STRING;
	c->p++;
	key_held(s);
	return ST_COLON;
}

JSON_INLINE enum state on_key(struct json_scan *s, struct cur *c)
{
	const char *from = c->p + 1, *q;

	if (*c->p != '"')
		return broken(s);
	q = json_find_quote(from, c->end);
	if (__builtin_expect(q == c->end || *q != '"', 0)) {
		c->p++;
		s->escaped = false;
		hold_clear(s);
		return ST_KEY_STRING;
	}
	s->node = json_child(s->paths, s->frame[s->depth - 1].node, from, (size_t)(q - from));
	c->p = q + 1;
	return c->p < c->end && skip_space(c) ? on_colon(s, c) : ST_COLON;
}

JSON_INLINE enum state on_after(struct json_scan *s, struct cur *c)
{
	struct json_frame f = s->frame[s->depth - 1];
	char ch = *c->p++;

	if (ch != ',') {
		if (ch == '}' || ch == ']')
			return close_value(s, ch == ']');
		c->p--;
		return broken(s);
	}
	if (!f.array)
		return ST_KEY;
	if (s->arrays <= JSON_INDEXES)
		s->index[s->arrays - 1]++;
	s->node = s->paths->node[f.node].elem;
	return ST_VALUE;
}

/* Which bytes of the block follow an odd run of backslashes; *carry: whether the first byte does. */
JSON_INLINE uint64_t escaped_bits(uint64_t slash, bool *carry)
{
	uint64_t out = 0;
	bool esc = *carry;

	if (!slash) {
		*carry = false;
		return esc;
	}
	if (esc) {
		out = 1;
		slash &= ~1ull;
	}
	*carry = false;
	while (slash) {
		int at = __builtin_ctzll(slash);

		if (at == 63) {
			*carry = true;
			break;
		}
		out |= 2ull << at;
		slash &= ~(3ull << at);
	}
	return out;
}

/* Walk the brackets of a block in which the skipped value may end; the number of its bytes that belong to it. */
static int skip_end(struct json_scan *s, uint64_t open, uint64_t close)
{
	uint64_t both = open | close;

	for (; both; both &= both - 1) {
		int at = __builtin_ctzll(both);

		s->skip += open >> at & 1 ? 1 : -1u;
		if (s->skip == 0)
			return at + 1;
	}
	return 64;
}

JSON_INLINE int skip_block(struct json_scan *s, const char *p)
{
	struct json_block b = json_block(p);
	uint64_t quote = b.quote & ~escaped_bits(b.slash, &s->escaped), string;

	if (!quote) {
		if (s->skip_string)
			return 64;
		string = 0;
	} else {
		string = json_prefix_xor(quote) ^ (s->skip_string ? ~0ull : 0);
	}
	b.open &= ~string;
	b.close &= ~string;
	s->skip_string = string >> 63;
	if ((unsigned int)__builtin_popcountll(b.close) >= s->skip)
		return skip_end(s, b.open, b.close);
	s->skip += (unsigned int)__builtin_popcountll(b.open) -
		   (unsigned int)__builtin_popcountll(b.close);
	return 64;
}

static enum state on_skip(struct json_scan *s, struct cur *c)
{
	while (c->end - c->p >= 64) {
		int used;

		if (s->skip_string && !s->escaped) {
			const char *q = json_find_quote(c->p, c->end);

			if (q - c->p >= 64) {
				c->p = q;
				continue;
			}
		}
		used = skip_block(s, c->p);
		c->p += used;
		if (s->skip == 0)
			return after_value(s);
		if (s->skip > KS_JSON_SKIP_DEPTH)
			return broken(s);
	}
	while (c->p < c->end) {
		char ch = *c->p++;

		if (s->escaped && (s->skip_string || ch == '"' || ch == '\\')) {
			s->escaped = false;
			continue;
		}
		s->escaped =
			ch == '\\'; /* outside a string it is an error, and hides quotes only */
		if (ch == '"') {
			s->skip_string = !s->skip_string;
		} else if (!s->skip_string) {
			s->skip += (ch | 0x20) == '{';
			s->skip -= (ch | 0x20) == '}';
			if (s->skip == 0)
				return after_value(s);
		}
	}
	return s->skip > KS_JSON_SKIP_DEPTH ? broken(s) : ST_SKIP;
}

static enum state on_lost(struct json_scan *s, struct cur *c)
{
	for (; c->p < c->end; c->p++) {
		char ch = *c->p;

		if (s->escaped) {
			s->escaped = false;
			s->hold_full = true;
		} else if (ch == '"') {
			c->p++;
			return ST_LOST_COLON;
		} else {
			s->escaped = ch == '\\';
			if (s->hold_full && !s->escaped)
				c->p = json_find_quote(c->p, c->end) - 1;
			else
				hold_add(s, c->p, 1);
		}
	}
	return ST_LOST;
}

static enum state on_lost_colon(struct json_scan *s, struct cur *c)
{
	uint16_t node = JSON_NODE_NONE;

	if (*c->p == ':' && !s->hold_full && s->held)
		node = json_child(s->paths, JSON_NODE_ROOT, s->hold, s->held);
	hold_clear(s);
	if (node == JSON_NODE_NONE || node == s->paths->node[JSON_NODE_ROOT].any)
		return ST_LOST; /* the second quote may open the next key: hold[] starts behind it */
	c->p++;
	s->guess++;
	s->frame[0] = (struct json_frame){ JSON_NODE_ROOT, false };
	s->depth = 1;
	s->arrays = 0;
	memset(s->index, 0, sizeof(s->index));
	s->node = node;
	return ST_VALUE;
}

/* States that end a token or are rare; all others want white space skipped first. */
JSON_INLINE enum state inside(struct json_scan *s, struct cur *c, enum state st)
{
	switch (st) {
	case ST_KEY_STRING:
		return on_key_string(s, c);
	case ST_STRING:
		return on_string(s, c);
	case ST_SCALAR:
		return on_scalar(s, c);
	case ST_SKIP:
		return on_skip(s, c);
	case ST_LOST_COLON:
		return on_lost_colon(s, c);
	default:
		return on_lost(s, c);
	}
}

JSON_INLINE bool is_inside(enum state st)
{
	return st == ST_KEY_STRING || st == ST_STRING || st == ST_SCALAR || st == ST_SKIP ||
	       st >= ST_LOST;
}

enum json_result json_scan_feed(struct json_scan *s, struct slice piece)
{
	struct cur c = { piece.ptr, piece.len ? piece.ptr + piece.len : piece.ptr };
	enum state st = s->state;

	while (c.p < c.end) {
		if (is_inside(st)) {
			st = inside(s, &c, st);
			continue;
		}
		if (!skip_space(&c))
			break;
		if (st == ST_AFTER)
			st = on_after(s, &c);
		else if (st == ST_KEY || (st == ST_KEY_OR_END && *c.p != '}'))
			st = on_key(s, &c);
		else if (st == ST_VALUE || (st == ST_FIRST && *c.p != ']'))
			st = on_value(s, &c);
		else if (st == ST_FIRST || st == ST_KEY_OR_END)
			st = close_value(s, *c.p++ == ']');
		else if (st == ST_COLON)
			st = on_colon(s, &c);
		else if (st == ST_START)
			st = on_start(s, &c);
		else if (st == ST_DONE && s->lost)
			st = broken(s); /* the guess was wrong: the document goes on */
		else
			break;
	}
	s->state = st;
	return st == ST_BAD ? JSON_BAD : st == ST_DONE && !s->lost ? JSON_DONE : JSON_MORE;
}

void json_scan_init(struct json_scan *s, const struct json_paths *paths, json_fn fn, void *ctx)
{
	memset(s, 0, sizeof(*s));
	s->paths = paths;
	s->fn = fn;
	s->ctx = ctx;
}

void json_scan_reset(struct json_scan *s)
{
	s->state = ST_START;
	s->depth = s->arrays = 0;
	s->lost = false;
	s->guess = 0;
	memset(s->index, 0, sizeof(s->index));
}

void json_scan_gap(struct json_scan *s)
{
	if ((s->state == ST_DONE && !s->lost) || s->state == ST_BAD)
		return;
	s->lost = true;
	s->state = broken(s);
	s->escaped = true; /* the first byte may be escaped by one that is lost */
}

enum json_result json_scan_end(struct json_scan *s)
{
	if (s->state == ST_SCALAR && s->depth == 0) {
		if (!s->hold_full)
			report_scalar(s, (struct slice){ s->hold, s->held });
		s->state = ST_DONE;
	}
	return s->state == ST_BAD ? JSON_BAD : s->state == ST_DONE ? JSON_DONE : JSON_MORE;
}
