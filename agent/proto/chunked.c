/* SPDX-License-Identifier: Apache-2.0 */
/* A byte machine but for data, extensions and trailers, which are taken with one step. Pure functions. */
#include "proto/chunked.h"

enum chunked_state {
	IN_SIZE,
	IN_EXTENSION, /* the rest of the size line */
	IN_DATA,
	BEHIND_DATA, /* where a line end must be */
	IN_TRAILER,  /* at the start of a line */
	IN_TRAILER_LINE,
	IN_STRICT, /* behind the CR of a strict size line */
};

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool in_size(struct chunked *c, struct slice *in)
{
	char ch = *in->ptr;
	int digit = hex(ch);

	if (digit >= 0) {
		c->left = c->left << 4 | (unsigned int)digit;
		*in = slice_from(*in, 1);
		return c->digits++ < 15;
	}
	if (!c->digits ||
	    (c->strict ? ch != '\r'
		       : ch != '\r' && ch != '\n' && ch != ';' && ch != ' ' && ch != '\t'))
		return false;
	c->state = c->strict ? IN_STRICT : IN_EXTENSION;
	if (c->strict)
		*in = slice_from(*in, 1);
	return true;
}

static void size_end(struct chunked *c)
{
	c->state = c->left ? IN_DATA : IN_TRAILER;
	c->digits = 0;
	c->strict = false;
}

/* Step over the rest of the line; true if its end was there. */
static bool line_rest(struct slice *in)
{
	const char *lf = memchr(in->ptr, '\n', in->len);

	*in = lf ? slice_from(*in, (size_t)(lf + 1 - in->ptr)) : SLICE_NONE;
	return lf;
}

static bool in_strict(struct chunked *c, struct slice *in)
{
	bool lf = *in->ptr == '\n';

	*in = slice_from(*in, 1);
	size_end(c);
	return lf;
}

/* Where a line end ends something. A CR alone is stepped over. */
static enum chunked_result line_end(struct chunked *c, struct slice *in)
{
	char ch = *in->ptr;

	if (ch != '\r' && ch != '\n') {
		if (c->state == BEHIND_DATA)
			return CHUNKED_BAD;
		c->state = IN_TRAILER_LINE;
		return CHUNKED_MORE;
	}
	*in = slice_from(*in, 1);
	if (ch == '\r')
		return CHUNKED_MORE;
	if (c->state == IN_TRAILER)
		return CHUNKED_END;
	c->state = IN_SIZE;
	return CHUNKED_MORE;
}

static struct slice take_data(struct chunked *c, struct slice *in)
{
	struct slice data = { in->ptr, c->left < in->len ? c->left : in->len };

	*in = slice_from(*in, data.len);
	c->left -= data.len;
	if (!c->left)
		c->state = BEHIND_DATA;
	return data;
}

enum chunked_result chunked_push(struct chunked *c, struct slice *in, struct slice *ret_data)
{
	while (in->len) {
		enum chunked_result result = CHUNKED_MORE;

		switch (c->state) {
		case IN_SIZE:
			result = in_size(c, in) ? CHUNKED_MORE : CHUNKED_BAD;
			break;
		case IN_EXTENSION:
			if (line_rest(in))
				size_end(c);
			break;
		case IN_DATA:
			*ret_data = take_data(c, in);
			return CHUNKED_DATA;
		case IN_TRAILER_LINE:
			if (line_rest(in))
				c->state = IN_TRAILER;
			break;
		case IN_STRICT:
			result = in_strict(c, in) ? CHUNKED_MORE : CHUNKED_BAD;
			break;
		default:
			result = line_end(c, in);
		}
		if (result != CHUNKED_MORE)
			return result;
	}
	return CHUNKED_MORE;
}

bool chunked_gap(struct chunked *c, uint64_t len)
{
	if (c->state == IN_DATA && len && len <= c->left) {
		c->left -= len;
		if (!c->left)
			c->state = BEHIND_DATA;
		return true;
	}
	*c = (struct chunked){ .strict = true };
	return false;
}
