/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pass with memchr(): the next LF and the next CR of the slice are remembered, so that each byte is looked at
 * twice at most, whatever the line ends are. Loop thread.
 */
#include "proto/sse.h"

#include "proto/message.h"

enum sse_state {
	SSE_NAME,	/* in a field name; at the start of a line when name_len is 0 */
	SSE_DATA_SPACE, /* behind "data:", where one space is dropped */
	SSE_DATA,
	SSE_EVENT_SPACE,
	SSE_EVENT,
	SSE_SKIP,	/* the rest of the line means nothing */
	SSE_LOST_LINE,	/* behind a gap: somewhere in a line, ... */
	SSE_LOST_START, /* ... and at the start of one */
};

#define SSE_BOM_DONE 3

struct cursor {
	struct sse *s;
	const char *p, *end;
	const char *lf, *cr; /* the next ones at or behind p; end if none; stale when below p */
	sse_fn fn;
	void *ctx;
};

static const char *line_end(struct cursor *c)
{
	if (c->lf < c->p) {
		c->lf = memchr(c->p, '\n', (size_t)(c->end - c->p));
		c->lf = c->lf ? c->lf : c->end;
	}
	if (c->cr < c->p) {
		c->cr = memchr(c->p, '\r', (size_t)(c->end - c->p));
		c->cr = c->cr ? c->cr : c->end;
	}
	return c->lf < c->cr ? c->lf : c->cr;
}

/* p is at a line end: step over it; of a CRLF that is cut, the LF is skipped later. */
static void line_skip(struct cursor *c)
{
	if (*c->p++ == '\n')
		return;
	if (c->p < c->end)
		c->p += *c->p == '\n';
	else
		c->s->skip_lf = true;
}

static void part(struct cursor *c, struct slice data, bool last)
{
	struct sse *s = c->s;

	if (!data.len && !last)
		return;
	c->fn(c->ctx, (struct slice){ s->event, s->event_len }, data,
	      (s->begun ? 0 : MSG_FIRST) | (last ? MSG_LAST : 0));
	s->begun = true;
}

static void event_reset(struct sse *s)
{
	s->open = s->begun = false;
	s->event_len = 0;
}

/* p is at the end of a blank line. */
static void blank_line(struct cursor *c)
{
	if (c->s->open)
		part(c, SLICE_NONE, true);
	event_reset(c->s);
	line_skip(c);
}

static void data_line(struct cursor *c)
{
	if (c->s->open)
		part(c, SLICE("\n"), false);
	c->s->open = true;
	c->s->state = SSE_DATA_SPACE;
}

/* The field name is whole. */
static void field(struct cursor *c)
{
	struct sse *s = c->s;
	struct slice name = { s->name, s->name_len };

	s->name_len = 0;
	s->state = SSE_SKIP;
	if (slice_eq(name, SLICE("data"))) {
		data_line(c);
	} else if (slice_eq(name, SLICE("event")) && !s->open) {
		s->event_len = 0;
		s->state = SSE_EVENT_SPACE;
	}
}

static void in_name(struct cursor *c)
{
	struct sse *s = c->s;

	if (!s->name_len) {
		if (*c->p == '\n' || *c->p == '\r') {
			blank_line(c);
			return;
		}
		if (c->end - c->p >= 5 && !memcmp(c->p, "data:", 5)) {
			c->p += 5;
			data_line(c);
			return;
		}
	}
	while (c->p < c->end) {
		char ch = *c->p;

		if (ch == '\n' || ch == '\r') {
			field(c);
			return; /* the line end is taken by the state of the value, which is empty */
		}
		c->p++;
		if (ch == ':') {
			field(c);
			return;
		}
		if (s->name_len == sizeof(s->name)) {
			s->name_len = 0;
			s->state = SSE_SKIP;
			return;
		}
		s->name[s->name_len++] = ch;
	}
}

/* When the blank line follows in the same slice the event ends with this part. */
static void in_data(struct cursor *c)
{
	const char *at = c->p, *end = line_end(c);
	struct slice value = { at, (size_t)(end - at) };

	c->p = end;
	if (end == c->end) {
		part(c, value, false);
		return;
	}
	line_skip(c);
	c->s->state = SSE_NAME;
	if (c->p == c->end || (*c->p != '\n' && *c->p != '\r')) {
		part(c, value, false);
		return;
	}
	part(c, value, true);
	event_reset(c->s);
	line_skip(c);
}

static void in_event(struct cursor *c)
{
	struct sse *s = c->s;
	const char *end = line_end(c);
	size_t len = (size_t)(end - c->p), room = sizeof(s->event) - s->event_len;

	if (len > room)
		len = room;
	memcpy(s->event + s->event_len, c->p, len);
	s->event_len += (uint8_t)len;
	c->p = end;
	if (end < c->end) {
		line_skip(c);
		s->state = SSE_NAME;
	}
}

static void in_rest(struct cursor *c)
{
	c->p = line_end(c);
	if (c->p == c->end)
		return;
	line_skip(c);
	c->s->state = c->s->state == SSE_SKIP ? SSE_NAME : SSE_LOST_START;
}

/* Behind a gap: a record often begins where an event does; the two field names say so. */
static bool line_starts(const struct cursor *c)
{
	struct slice in = { c->p, (size_t)(c->end - c->p) };

	return slice_starts(in, SLICE("data:")) || slice_starts(in, SLICE("event:"));
}

static void step(struct cursor *c)
{
	struct sse *s = c->s;

	switch (s->state) {
	case SSE_NAME:
		in_name(c);
		break;
	case SSE_DATA_SPACE:
	case SSE_EVENT_SPACE:
		c->p += *c->p == ' ';
		s->state++;
		if (c->p == c->end)
			break;
		step(c);
		break;
	case SSE_DATA:
		in_data(c);
		break;
	case SSE_EVENT:
		in_event(c);
		break;
	case SSE_LOST_START:
		if (*c->p == '\n' || *c->p == '\r') {
			s->state = SSE_NAME;
			break;
		}
		s->state = SSE_LOST_LINE;
		in_rest(c);
		break;
	default:
		in_rest(c);
	}
}

void sse_push(struct sse *s, struct slice in, sse_fn fn, void *ctx)
{
	struct cursor c = { .s = s, .p = in.ptr, .end = in.ptr + in.len, .fn = fn, .ctx = ctx };

	while (s->bom < SSE_BOM_DONE && c.p < c.end) {
		if (*c.p !=
		    "\xef\xbb\xbf"[s->bom]) { /* a part of a mark is no field we know either */
			s->state = s->bom ? SSE_SKIP : s->state;
			s->bom = SSE_BOM_DONE;
			break;
		}
		s->bom++;
		c.p++;
	}
	if (s->state == SSE_LOST_LINE && c.p < c.end && line_starts(&c))
		s->state = SSE_NAME;
	while (c.p < c.end) {
		if (s->skip_lf) {
			s->skip_lf = false;
			if (*c.p == '\n') {
				c.p++;
				continue;
			}
		}
		step(&c);
	}
}

void sse_gap(struct sse *s)
{
	*s = (struct sse){ .state = SSE_LOST_LINE, .bom = SSE_BOM_DONE };
}

void sse_end(struct sse *s, sse_fn fn, void *ctx)
{
	struct cursor c = { .s = s, .fn = fn, .ctx = ctx };

	if (s->open && s->state == SSE_NAME && !s->name_len)
		part(&c, SLICE_NONE, true);
	event_reset(s);
}
