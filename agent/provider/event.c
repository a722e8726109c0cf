/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The events of a stream, one document each. Most differ from the one before in a few strings: what is whole and small
 * is compared with it, the rest is scanned. Loop thread; what is held is in the exchange's arena.
 */
#include "provider/decode.h"

void event_done(struct decode *d)
{
	struct ai_call *c = &d->f.call;

	d->f.event_cnt++;
	if (d->route->api->event_end)
		d->route->api->event_end(d);
	if (!d->f.ev.content)
		return;
	c->chunks++;
	c->last_chunk_ns = d->f.ev.content_ns;
	if (!c->first_content_ns && !d->no_first_content)
		c->first_content_ns = d->f.ev.content_ns;
}

void event_next(struct decode *d)
{
	if (d->f.ev.begun)
		event_done(d);
	event_init(&d->f.ev);
	d->f.ev.begun = true;
}

/* "[DONE]" ends a stream of the OpenAI family; what else is no JSON some servers send to keep a stream alive. */
static bool is_document(struct decode *d, struct slice data)
{
	size_t i = 0;

	if (slice_starts(data, SLICE("[DONE]"))) {
		d->f.call.stream_done = true;
		return false;
	}
	while (i < data.len && strchr(" \t\r\n\xef\xbb\xbf", data.ptr[i]))
		i++;
	return i < data.len && (data.ptr[i] == '{' || data.ptr[i] == '[');
}

static void scan_begin(struct decode *d)
{
	event_init(&d->f.ev);
	json_scan_reset(&d->response.scan);
	d->response.bad = false;
}

static void scan_end(struct decode *d)
{
	struct side *s = &d->response;

	if (json_scan_end(&s->scan) != JSON_DONE)
		side_bad(s);
	event_done(d);
}

/* An event in one piece. */
static void whole(struct decode *d, struct slice data)
{
	struct json_repeat *repeat = &d->hold->repeat;
	struct side *s = &d->response;

	d->event = EVENT_SKIP;
	if (!is_document(d, data))
		return;
	d->f.ev.content = false;
	if (json_repeat_match(repeat, data, side_value, s)) {
		event_done(d);
		return;
	}
	scan_begin(d);
	side_feed(s, data);
	scan_end(d);
	json_repeat_learn(repeat, s->set->paths, s->bad ? SLICE_NONE : data);
}

static bool hold_add(struct event_hold *hold, struct slice data)
{
	if (data.len > sizeof(hold->data) - hold->len)
		return false;
	if (data.len)
		memcpy(hold->data + hold->len, data.ptr, data.len);
	hold->len += data.len;
	return true;
}

/* What was held, and now this, is more than is held. */
static void overflow(struct decode *d, struct slice data)
{
	struct event_hold *hold = d->hold;
	struct slice held = { hold->data, hold->len };

	d->event = is_document(d, held.len ? held : data) ? EVENT_SCAN : EVENT_SKIP;
	if (d->event == EVENT_SKIP)
		return;
	json_repeat_learn(&hold->repeat, d->response.set->paths, SLICE_NONE);
	scan_begin(d);
	side_feed(&d->response, held);
}

static bool hold_new(struct decode *d)
{
	d->hold = arena_alloc(d->x->arena, sizeof(*d->hold));
	if (!d->hold) {
		d->x->incomplete |= INCOMPLETE_LIMIT;
		return false;
	}
	json_repeat_init(&d->hold->repeat);
	return true;
}

void event_feed(struct decode *d, struct slice data, uint8_t flags)
{
	if (!d->hold && !hold_new(d))
		return;
	if (flags & MSG_FIRST) {
		if (flags & MSG_LAST) {
			whole(d, data);
			return;
		}
		d->hold->len = 0;
		d->event = EVENT_HELD;
	}
	if (d->event == EVENT_HELD && !hold_add(d->hold, data))
		overflow(d, data);
	if (d->event == EVENT_SCAN)
		side_feed(&d->response, data);
	if (!(flags & MSG_LAST))
		return;
	if (d->event == EVENT_HELD)
		whole(d, (struct slice){ d->hold->data, d->hold->len });
	else if (d->event == EVENT_SCAN)
		scan_end(d);
	d->event = EVENT_SKIP;
}

void event_gap(struct decode *d)
{
	d->event = EVENT_SKIP;
	if (d->hold)
		json_repeat_learn(&d->hold->repeat, d->response.set->paths, SLICE_NONE);
}

struct event_choice *event_choice(struct decode *d, uint32_t at)
{
	struct event_facts *ev = &d->f.ev;

	ev->choices = true;
	if (at >= PENDING_CHOICES) {
		d->x->incomplete |= INCOMPLETE_LIMIT;
		return NULL;
	}
	while (ev->choice_cnt <= at)
		ev->choice[ev->choice_cnt++] = (struct event_choice){ .index = CALL_UNSET };
	return &ev->choice[at];
}

struct event_tool *event_tool(struct decode *d, uint32_t choice, uint32_t at)
{
	struct event_facts *ev = &d->f.ev;
	struct event_tool *t = ev->tool;

	for (; t < ev->tool + ev->tool_cnt; t++)
		if (t->choice == choice && t->at == at)
			return t;
	if (ev->tool_cnt == PENDING_TOOLS || choice > UINT16_MAX || at > UINT16_MAX) {
		d->x->incomplete |= INCOMPLETE_LIMIT;
		return NULL;
	}
	ev->tool_cnt++;
	*t = (struct event_tool){ .choice = (uint16_t)choice,
				  .at = (uint16_t)at,
				  .index = CALL_UNSET };
	return t;
}

int64_t event_choice_index(const struct event_facts *ev, size_t at)
{
	return at < ev->choice_cnt && ev->choice[at].index != CALL_UNSET ? ev->choice[at].index
									 : (int64_t)at;
}
