/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents that repeat the one before them. learn() walks a document that is known to be good JSON and notes where its
 * strings and numbers are; match() compares the next document with it run by run. Bytes that are equal from the same
 * state of the grammar on lead to the same state, so only the noted places can differ. Loop thread; owns nothing.
 */
#include "base/json_trie.h"

struct walk {
	struct json_repeat *r;
	const struct json_paths *paths;
	const char *doc, *p, *end;
	uint32_t depth, arrays;
	struct json_frame frame[KS_JSON_DEPTH + 8]; /* deeper: given up */
	uint16_t index[JSON_INDEXES];
};

void json_repeat_init(struct json_repeat *r)
{
	r->len = 0;
	r->span_cnt = r->hot_cnt = r->misses = 0;
}

/* The closing quote of the string whose contents begin at p, or end. */
static const char *string_end(const char *p, const char *end)
{
	while ((p = json_find_quote(p, end)) < end && *p == '\\')
		p = end - p < 2 ? end : p + 2;
	return p;
}

static const char *number_end(const char *p, const char *end)
{
	while (p < end && ((*p >= '0' && *p <= '9') || *p == '-' || *p == '+' || *p == '.' ||
			   (*p | 0x20) == 'e'))
		p++;
	return p;
}

static bool hot_add(struct json_repeat *r, unsigned int span)
{
	unsigned int at = r->hot_cnt;

	if (at == JSON_REPEAT_HOT)
		return false;
	for (; at > 0 && r->hot[at - 1] > span; at--)
		r->hot[at] = r->hot[at - 1];
	r->hot[at] = (uint8_t)span;
	r->hot_cnt++;
	r->span[span].hot = true;
	return true;
}

/* A second value of the same place: of two only the last counts, so both must be scanned. */
static bool is_duplicate(const struct walk *w, int16_t id)
{
	const struct json_repeat *r = w->r;

	for (int i = 0; id >= 0 && i < r->span_cnt; i++)
		if (r->span[i].id == id &&
		    memcmp(r->span[i].index, w->index, sizeof(w->index)) == 0)
			return true;
	return false;
}

static bool span_add(struct walk *w, const char *at, const char *end, uint8_t type, uint16_t node)
{
	struct json_repeat *r = w->r;
	const struct json_node *n = &w->paths->node[node];
	struct json_span *sp = &r->span[r->span_cnt];

	if (r->span_cnt == JSON_REPEAT_SPANS || is_duplicate(w, n->id))
		return false;
	*sp = (struct json_span){ .at = (uint16_t)(at - w->doc),
				  .end = (uint16_t)(end - w->doc),
				  .id = n->id,
				  .type = type };
	memcpy(sp->index, w->index, sizeof(sp->index));
	r->span_cnt++;
	return !n->each || hot_add(r, r->span_cnt - 1u);
}

static bool walk_open(struct walk *w, uint16_t node, bool array)
{
	if (w->depth == sizeof(w->frame) / sizeof(w->frame[0]))
		return false;
	w->frame[w->depth++] = (struct json_frame){ node, array };
	if (array) {
		if (w->arrays < JSON_INDEXES)
			w->index[w->arrays] = 0;
		w->arrays++;
	}
	return true;
}

static void walk_close(struct walk *w)
{
	w->depth--;
	if (w->frame[w->depth].array && --w->arrays < JSON_INDEXES)
		w->index[w->arrays] = 0;
}

/* A string at p: a key if a colon follows, else a value of `node`. */
static bool walk_string(struct walk *w, uint16_t *node)
{
	const char *at = w->p + 1, *end = string_end(at, w->end), *next = end + 1;
	char key[KS_JSON_KEY_CAP];
	size_t len = 0;

	if (end == w->end)
		return false;
	w->p = next;
	while (next < w->end && (*next == ' ' || *next == '\t' || *next == '\n' || *next == '\r'))
		next++;
	if (next == w->end || *next != ':')
		return span_add(w, at, end, JSON_STRING, *node);
	*node = JSON_NODE_NONE;
	if (json_unescape((struct slice){ at, (size_t)(end - at) }, key, sizeof(key), &len))
		*node = json_child(w->paths, w->frame[w->depth - 1].node, key, len);
	else
		*node = w->paths->node[w->frame[w->depth - 1].node].any;
	w->p = next + 1;
	return true;
}

static void walk_comma(struct walk *w, uint16_t *node)
{
	const struct json_frame *top = &w->frame[w->depth - 1];

	if (!top->array)
		return;
	if (w->arrays <= JSON_INDEXES)
		w->index[w->arrays - 1]++;
	*node = w->paths->node[top->node].elem;
}

static bool walk_token(struct walk *w, uint16_t *node)
{
	const char *end;

	switch (*w->p) {
	case '"':
		return walk_string(w, node);
	case '{':
	case '[':
		if (!walk_open(w, *node, *w->p == '['))
			return false;
		if (*w->p++ == '[')
			*node = w->paths->node[*node].elem;
		return true;
	case '}':
	case ']':
		walk_close(w);
		w->p++;
		return true;
	case ',':
		walk_comma(w, node);
		w->p++;
		return true;
	default:
		end = number_end(w->p, w->end);
		if (end == w->p || (*w->p | 0x20) == 'e') {
			w->p++; /* white space, or a letter of a literal */
			return true;
		}
		if (!span_add(w, w->p, end, JSON_NUMBER, *node))
			return false;
		w->p = end;
		return true;
	}
}

void json_repeat_learn(struct json_repeat *r, const struct json_paths *paths, struct slice doc)
{
	struct walk w = { .r = r, .paths = paths };
	uint16_t node = JSON_NODE_ROOT;

	r->len = 0;
	r->span_cnt = r->hot_cnt = 0;
	/* where nothing repeats, learning would only cost */
	if (doc.len > JSON_REPEAT_CAP || doc.len == 0 || (r->misses > 8 && r->misses % 16))
		return;
	memcpy(r->doc, doc.ptr, doc.len);
	w.doc = w.p = r->doc;
	w.end = r->doc + doc.len;
	if (*w.p != '{' && *w.p != '[')
		return;
	do {
		if (!walk_token(&w, &node))
			return;
	} while (w.depth && w.p < w.end);
	if (w.depth == 0)
		r->len = (uint16_t)doc.len;
}

/* The span in which a document may differ at `pos`, of those that begin at `from` or later; -1 none. */
static int span_find(const struct json_repeat *r, size_t from, size_t pos)
{
	for (int i = 0; i < r->span_cnt && r->span[i].at <= pos; i++)
		if (r->span[i].at >= from && pos <= r->span[i].end)
			return i;
	return -1;
}

/* The contents at p of the place that sp describes; false: something else is there. */
static bool span_read(const struct json_span *sp, const char *p, const char *end,
		      struct slice *ret_text)
{
	const char *stop = sp->type == JSON_STRING ? string_end(p, end) : number_end(p, end);

	if (stop == end || (sp->type == JSON_NUMBER && (stop == p || stop - p > KS_JSON_KEY_CAP)))
		return false;
	*ret_text = (struct slice){ p, (size_t)(stop - p) };
	return true;
}

struct found {
	int span;
	struct slice text;
};

/* What may differ, in order; negative: the document is of another shape. */
static int compare(const struct json_repeat *r, struct slice doc,
		   struct found found[JSON_REPEAT_HOT])
{
	const char *b = doc.ptr, *end = doc.ptr + doc.len;
	size_t at = 0;
	int cnt = 0, hot = 0;

	for (;;) {
		size_t limit = hot < r->hot_cnt ? r->span[r->hot[hot]].at : r->len;
		size_t left = (size_t)(end - b), run = limit - at;
		size_t same = json_common(r->doc + at, b, run < left ? run : left);
		const struct json_span *sp;
		int i;

		if (same < run)
			i = span_find(r, at, at + same);
		else if (hot < r->hot_cnt)
			i = r->hot[hot++];
		else
			return same == left ? cnt : -1;
		if (i < 0 || cnt == JSON_REPEAT_HOT)
			return -1;
		sp = &r->span[i];
		if (!span_read(sp, b + (sp->at - at), end, &found[cnt].text))
			return -1;
		b = found[cnt].text.ptr + found[cnt].text.len;
		at = sp->end;
		found[cnt++].span = i;
	}
}

bool json_repeat_match(struct json_repeat *r, struct slice doc, json_fn fn, void *ctx)
{
	struct found found[JSON_REPEAT_HOT];
	int cnt = r->len && doc.len ? compare(r, doc, found) : -1;

	if (cnt < 0) {
		r->misses++;
		return false;
	}
	r->misses = 0;
	for (int i = 0; i < cnt; i++) {
		struct json_span *sp = &r->span[found[i].span];
		struct json_value v = { .id = sp->id,
					.type = sp->type,
					.part = JSON_FIRST | JSON_LAST,
					.text = found[i].text };

		if (!sp->hot)
			(void)hot_add(r, (unsigned int)found[i]
						 .span); /* there is room: compare() counts all */
		if (sp->id < 0)
			continue;
		for (int k = 0; k < JSON_INDEXES; k++)
			v.index[k] = sp->index[k];
		fn(ctx, &v);
	}
	return true;
}
