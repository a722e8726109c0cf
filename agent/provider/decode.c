/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs bodies through the scanner and puts what it reports where the field rows say. All state is in the exchange's
 * arena; nothing else is allocated. Loop thread.
 */
#include "provider/decode.h"

#include "base/drop.h"

void facts_init(struct facts *f)
{
	struct ai_call *c = &f->call;
	int64_t *const ints[] = {
		&c->max_tokens,
		&c->choice_count,
		&c->seed,
		&c->top_k,
		&c->dimensions,
		&c->messages,
		&c->tools,
		&c->input_tokens,
		&c->output_tokens,
		&c->total_tokens,
		&c->cache_read_tokens,
		&c->cache_creation_tokens,
		&c->reasoning_tokens,
		&c->input_audio_tokens,
		&c->output_audio_tokens,
		&c->accepted_prediction_tokens,
		&c->rejected_prediction_tokens,
		&c->cache_creation_5m_tokens,
		&c->cache_creation_1h_tokens,
		&c->processing_ms,
		&c->retry_count,
		&c->limit_requests,
		&c->limit_tokens,
		&c->remaining_requests,
		&c->remaining_tokens,
		&f->start_output,
		&f->plain_input,
		&f->citations,
		&f->plain_output,
		&f->tool_input,
		&f->other_input,
		&f->other_output,
		&f->dims,
	};

	memset(f, 0, sizeof(*f));
	for (size_t i = 0; i < sizeof(ints) / sizeof(ints[0]); i++)
		*ints[i] = CALL_UNSET;
	c->temperature = c->top_p = c->frequency_penalty = c->presence_penalty = c->retry_after_s =
		NAN;
}

void event_init(struct event_facts *ev)
{
	memset(ev, 0, sizeof(*ev));
}

struct slice keep(struct decode *d, struct slice text)
{
	struct slice copy;

	if (text.len == 0)
		return SLICE_NONE;
	for (unsigned int i = 0; i < INTERNED; i++)
		if (slice_eq(d->interned[i], text))
			return d->interned[i];
	if (text.len > KS_VALUE_CAP) {
		d->x->incomplete |= INCOMPLETE_LIMIT;
		return SLICE_NONE;
	}
	copy = arena_dup(d->x->arena, text);
	if (copy.len == 0) {
		if (!d->refused)
			drop(KS_DROP_arena_full, 1);
		d->refused = true;
		d->x->incomplete |= INCOMPLETE_LIMIT;
		return SLICE_NONE;
	}
	d->interned[d->interned_at++ % INTERNED] = copy;
	return copy;
}

void keep_into(struct decode *d, struct slice *to, struct slice text)
{
	if (!slice_eq(*to, text))
		*to = keep(d, text);
}

void decode_content(struct decode *d)
{
	if (d->f.ev.content)
		return;
	d->f.ev.content = true;
	d->f.ev.content_ns = d->now_ns;
}

/* Finish reasons that say the provider held the answer back (wire.md section 18). */
static bool is_refusal(struct slice reason)
{
	static const char *const words[] = {
		"content_filter",
		"refusal", /* OpenAI and kin, Anthropic */
		"SAFETY",
		"RECITATION",
		"BLOCKLIST",
		"PROHIBITED_CONTENT",
		"SPII",
		"LANGUAGE",
		"IMAGE_SAFETY",
		"IMAGE_RECITATION",
		"IMAGE_PROHIBITED_CONTENT",
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (slice_eq(reason, slice_str(words[i])))
			return true;
	return false;
}

void decode_finish(struct decode *d, int64_t choice, struct slice reason)
{
	struct ai_call *c = &d->f.call;

	if (reason.len == 0 || choice < 0)
		return;
	if (choice >= KS_CHOICES) {
		d->x->incomplete |= INCOMPLETE_LIMIT;
		return;
	}
	keep_into(d, &c->finish[choice], reason);
	if (c->finish_cnt <= (size_t)choice)
		c->finish_cnt = (size_t)choice + 1;
	c->refusal |= is_refusal(reason);
}

void decode_tool(struct decode *d, uint32_t key, struct slice id, struct slice name)
{
	struct ai_call *c = &d->f.call;
	size_t i = 0;

	if (id.len == 0 && name.len == 0)
		return;
	while (i < c->tool_cnt && d->f.tool_key[i] != key)
		i++;
	if (i == KS_TOOL_CALLS) {
		d->x->incomplete |= INCOMPLETE_LIMIT;
		return;
	}
	if (i == c->tool_cnt) {
		c->tool_cnt++;
		d->f.tool_key[i] = key;
	}
	if (c->tool[i].id.len == 0)
		keep_into(d, &c->tool[i].id, id);
	if (c->tool[i].name.len == 0)
		keep_into(d, &c->tool[i].name, name);
}

void decode_usage(struct decode *d, int64_t *to, struct slice number)
{
	int64_t v;

	if (!json_int(number, &v) || v < 0)
		return;
	*to = v;
	d->f.ev.usage = true;
	d->f.usage_seen = true;
}

static void set_stop(struct decode *d, const struct json_value *v, struct slice text)
{
	struct ai_call *c = &d->f.call;
	size_t at = v->index[0];

	if (at >= KS_STOPS) {
		d->x->incomplete |= INCOMPLETE_LIMIT;
		return;
	}
	keep_into(d, &c->stops[at], text);
	if (c->stop_cnt <= at)
		c->stop_cnt = at + 1;
}

static void set_number(void *to, enum field_kind kind, struct slice text)
{
	int64_t i;
	double x;

	if (kind == FIELD_DOUBLE && json_double(text, &x))
		*(double *)to = x;
	else if (kind == FIELD_INT && json_int(text, &i))
		*(int64_t *)to = i;
}

static void set_field(struct decode *d, const struct field *f, const struct json_value *v,
		      struct slice text)
{
	void *to = (char *)&d->f + f->to;

	switch ((enum field_kind)f->kind) {
	case FIELD_CODE:
		d->f.code_seen = true;
		if (v->type == JSON_NUMBER)
			keep_into(d, &d->f.err_number, text);
		/* fall through */
	case FIELD_STR:
		if (v->type == JSON_STRING && text.len)
			keep_into(d, to, text);
		break;
	case FIELD_INT:
	case FIELD_DOUBLE:
		if (v->type == JSON_NUMBER)
			set_number(to, f->kind, text);
		break;
	case FIELD_USAGE:
		if (v->type == JSON_NUMBER)
			decode_usage(d, to, text);
		break;
	case FIELD_STREAM:
		if (v->type != JSON_BOOL)
			break;
		d->f.call.stream = text.ptr[0] == 't';
		d->f.stream_said = true;
		break;
	case FIELD_ITEMS:
		*(int64_t *)to = (int64_t)v->index[0] + 1;
		break;
	case FIELD_STOP:
		if (v->type == JSON_STRING)
			set_stop(d, v, text);
		break;
	case FIELD_SIGN:
		if (v->type != JSON_NULL)
			d->f.evidence |= (uint32_t)f->arg;
		break;
	case FIELD_HINT:
		if (v->type != JSON_NULL)
			d->f.hint = slice_str(f->name);
		break;
	case FIELD_DIMS:
		if (v->type == JSON_NUMBER && v->index[0] == 0)
			*(int64_t *)to = (int64_t)v->index[1] + 1;
		break;
	case FIELD_INPUT:
		if (v->type == JSON_NULL)
			break;
		d->f.evidence |= SEEN_INPUT;
		if (v->type != JSON_ARRAY || f->arg)
			d->f.call.messages =
				f->arg && v->type != JSON_NUMBER ? (int64_t)v->index[0] + 1 : 1;
		break;
	case FIELD_ERROR:
		d->f.error |= v->type != JSON_NULL;
		break;
	case FIELD_REFUSAL:
	case FIELD_CONTENT:
		break;
	case FIELD_HOOK:
		d->route->api->hook(d, f->arg, v, text);
		break;
	}
}

/* Behind a hole: facts are kept as they were before, and taken back when the guess changes. */
static bool recovered(struct side *s, const struct json_value *v)
{
	if (v->recovered == s->guess)
		return true;
	if (!s->before)
		return false;
	s->d->f = *s->before;
	s->guess = v->recovered;
	return true;
}

/* Collect a string that arrives in parts. True when it is complete, in *ret_text, still escaped; one that is too long
 * comes with a length above the cap, by which keep() refuses it. */
static bool hold_part(struct side *s, const struct json_value *v, struct slice *ret_text)
{
	size_t room, len;

	if (v->part & JSON_FIRST)
		s->text_len = 0;
	room = sizeof(s->text) - s->text_len;
	len = v->text.len < room ? v->text.len : room;
	if (len)
		memcpy(s->text + s->text_len, v->text.ptr, len);
	s->text_len += len;
	*ret_text = (struct slice){ s->text, s->text_len };
	return v->part & JSON_LAST;
}

static void on_string(struct side *s, const struct field *f, const struct json_value *v)
{
	struct slice text = v->text;
	char plain[KS_VALUE_CAP];
	size_t len;

	if (v->part != (JSON_FIRST | JSON_LAST) && !hold_part(s, v, &text))
		return;
	if (text.len && text.len <= sizeof(plain) && memchr(text.ptr, '\\', text.len)) {
		if (!json_unescape(text, plain, sizeof(plain), &len))
			return;
		text = (struct slice){ plain, len };
	}
	set_field(s->d, f, v, text);
}

/* Base64 of little-endian float32: digits of 6 bits, padding and the backslash that may escape '/' left out. */
static void on_base64(struct side *s, int64_t *to, const struct json_value *v)
{
	if (v->index[0])
		return; /* the first embedding speaks for all */
	if (v->part & JSON_FIRST)
		s->digits = 0;
	for (size_t i = 0; i < v->text.len; i++)
		s->digits += v->text.ptr[i] != '=' && v->text.ptr[i] != '\\';
	if (!(v->part & JSON_LAST) || !s->digits)
		return;
	*to = (int64_t)(s->digits * 6 / 8 / 4);
	s->d->f.dims_whole = true;
}

/* The kinds that want a string's contents. */
static bool is_text(enum field_kind kind)
{
	return kind == FIELD_STR || kind == FIELD_CODE || kind == FIELD_STOP || kind == FIELD_HOOK;
}

void side_value(void *ctx, const struct json_value *v)
{
	struct side *s = ctx;
	const struct field *f = &s->set->rows[v->id];

	if (!recovered(s, v))
		return;
	if ((f->kind == FIELD_CONTENT || f->kind == FIELD_REFUSAL) && v->type == JSON_STRING) {
		if (v->text.len)
			decode_content(s->d);
		s->d->f.call.refusal |= f->kind == FIELD_REFUSAL && v->text.len;
	} else if (f->kind == FIELD_DIMS && v->type == JSON_STRING) {
		on_base64(s, (int64_t *)((char *)&s->d->f + f->to), v);
	} else if (v->type == JSON_STRING && is_text(f->kind)) {
		on_string(s, f, v);
	} else {
		set_field(s->d, f, v, v->text);
	}
}

void side_begin(struct side *s, struct decode *d, const struct field_set *set)
{
	s->d = d;
	s->set = set;
	s->before = NULL;
	s->guess = 0;
	s->used = s->bad = s->over = s->sniff = s->foreign = false;
	json_scan_init(&s->scan, set->paths, side_value, s);
}

void side_bad(struct side *s)
{
	if (!s->bad && s->d->certain)
		drop(KS_DROP_bad_json, 1);
	s->bad = true;
	s->d->x->incomplete |= INCOMPLETE_JSON;
}

void side_sniff(struct side *s)
{
	s->sniff = true;
}

/* False: it has not begun, or is something else. */
static bool begins(struct side *s, struct slice data)
{
	size_t i = 0;

	while (i < data.len && strchr(" \t\r\n\xef\xbb\xbf", data.ptr[i]))
		i++;
	if (i == data.len)
		return false;
	s->sniff = false;
	s->foreign = s->over = data.ptr[i] != '{' && data.ptr[i] != '[';
	return !s->over;
}

void side_feed(struct side *s, struct slice data)
{
	if (s->bad || s->over || (s->sniff && !begins(s, data)))
		return;
	s->used = true;
	if (json_scan_feed(&s->scan, data) == JSON_BAD)
		side_bad(s);
}

void side_gap(struct side *s)
{
	s->over |= s->sniff;
	if (s->over)
		return;
	s->used = true;
	if (!s->before) {
		s->before = arena_alloc(s->d->x->arena, sizeof(*s->before));
		if (s->before)
			*s->before = s->d->f;
	}
	json_scan_gap(&s->scan);
}

void side_end(struct side *s, bool whole)
{
	bool done;

	if (!s->used || s->over)
		return;
	s->over = true;
	done = json_scan_end(&s->scan) == JSON_DONE;
	if (s->guess && !(done && whole))
		s->d->f = *s->before;
	if (!done && whole && !s->bad && !s->guess && !s->before)
		side_bad(s);
}
