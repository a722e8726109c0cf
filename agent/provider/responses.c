/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenAI Responses (wire.md section 3.3). A streamed answer wraps the same object, under "response.", in its lifecycle
 * events, so that the plain map serves both.
 */
#include "provider/openai.h"

enum hook {
	EVENT_TYPE,
	ITEM_TYPE, /* an output item: in the answer numbered by position, in an event named by output_index */
	ITEM_ID,
	ITEM_NAME,
	ADDED_TYPE,
	ADDED_ID,
	ADDED_NAME,
	ADDED_INDEX,
	OUTPUT_TYPE,
};

static bool is_tool(struct slice type)
{
	static const struct slice types[] = { SLICE("function_call"), SLICE("custom_tool_call"),
					      SLICE("mcp_call") };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (slice_eq(type, types[i]))
			return true;
	return false;
}

/* Members come in any order: what an item is may follow its name. */
static void item_close(struct decode *d)
{
	struct facts *f = &d->f;

	if (f->item_open && is_tool(f->item_type))
		decode_tool(d, f->item_index, f->item_id, f->item_name);
	f->item_open = false;
	f->item_type = f->item_id = f->item_name = SLICE_NONE;
}

static void item_hook(struct decode *d, int arg, const struct json_value *v, struct slice text)
{
	struct facts *f = &d->f;

	if (f->item_open && f->item_index != v->index[0])
		item_close(d);
	f->item_open = true;
	f->item_index = v->index[0];
	if (v->type != JSON_STRING)
		return;
	f->evidence |= arg == ITEM_TYPE ? SEEN_ANSWER : 0;
	keep_into(d,
		  arg == ITEM_TYPE ? &f->item_type
		  : arg == ITEM_ID ? &f->item_id
				   : &f->item_name,
		  text);
}

/* "response.output_item.added": one item an event, kept in the event's first pending tool. */
static void added_hook(struct decode *d, int arg, const struct json_value *v, struct slice text)
{
	struct event_facts *ev = &d->f.ev;
	struct event_tool *t = &ev->tool[0];

	if (ev->tool_cnt == 0)
		t->index = CALL_UNSET;
	ev->tool_cnt = 1;
	if (arg == ADDED_INDEX)
		(void)json_int(text, &t->index);
	else if (v->type != JSON_STRING)
		return;
	else if (arg == ADDED_TYPE)
		ev->choices = is_tool(text);
	else
		keep_into(d, arg == ADDED_ID ? &t->id : &t->name, text);
}

static void hook(struct decode *d, int arg, const struct json_value *v, struct slice text)
{
	switch ((enum hook)arg) {
	case EVENT_TYPE:
		if (v->type == JSON_STRING)
			keep_into(d, &d->f.ev.type, text);
		break;
	case ITEM_TYPE:
	case ITEM_ID:
	case ITEM_NAME:
		item_hook(d, arg, v, text);
		break;
	case ADDED_TYPE:
	case ADDED_ID:
	case ADDED_NAME:
	case ADDED_INDEX:
		added_hook(d, arg, v, text);
		break;
	case OUTPUT_TYPE:
		if (v->type == JSON_STRING)
			openai_output_type(d, text);
		break;
	}
}

static void event_end(struct decode *d)
{
	static const struct slice ends[] = { SLICE("response.completed"),
					     SLICE("response.incomplete"),
					     SLICE("response.failed") };
	struct event_facts *ev = &d->f.ev;

	item_close(d);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		d->f.call.stream_done |= slice_eq(ev->type, ends[i]);
	if (ev->content && !slice_ends(ev->type, SLICE(".delta")))
		ev->content = false;
	if (slice_starts(ev->type, SLICE("response.refusal.")))
		d->f.call.refusal = true;
	d->f.error |= slice_eq(ev->type, SLICE("error"));
	if (ev->tool_cnt && ev->choices && ev->tool[0].index >= 0)
		decode_tool(d, (uint32_t)ev->tool[0].index, ev->tool[0].id, ev->tool[0].name);
}

static void finish(struct decode *d)
{
	struct facts *f = &d->f;

	item_close(d);
	decode_finish(d, 0, f->why_incomplete);
	/* a hole may have taken the status that came last */
	if (d->holed && d->response.set == &d->route->stream && !f->call.stream_done)
		f->call.response_status = SLICE_NONE;
}

static const struct field request[] = {
	STR("model", call.model),
	INPUT("input"),
	STREAM("stream"),
	INT("max_output_tokens", call.max_tokens),
	DOUBLE("temperature", call.temperature),
	DOUBLE("top_p", call.top_p),
	ITEMS("tools[]", call.tools),
	STR("reasoning.effort", call.reasoning_level),
	HOOK("text.format.type", OUTPUT_TYPE),
	STR("previous_response_id", call.previous_response_id),
	STR("conversation", call.conversation_id),
	STR("conversation.id", call.conversation_id),
	STR("service_tier", call.req_service_tier),
};

static const struct field answer[] = {
	STR("id", call.response_id),
	STR("model", call.response_model),
	STR("status", call.response_status),
	STR("service_tier", call.service_tier),
	STR("conversation.id", call.conversation_id),
	STR("incomplete_details.reason", why_incomplete),
	HOOK("output[].type", ITEM_TYPE),
	HOOK("output[].call_id", ITEM_ID),
	HOOK("output[].name", ITEM_NAME),
	REFUSAL("output[].content[].refusal"),
	USAGE("usage.input_tokens", call.input_tokens),
	USAGE("usage.input_tokens_details.cached_tokens", call.cache_read_tokens),
	USAGE("usage.input_tokens_details.cache_write_tokens", call.cache_creation_tokens),
	USAGE("usage.output_tokens", call.output_tokens),
	USAGE("usage.output_tokens_details.reasoning_tokens", call.reasoning_tokens),
	USAGE("usage.total_tokens", call.total_tokens),
};

static const struct field events[] = {
	HOOK("type", EVENT_TYPE),
	SIGN("response", SEEN_ANSWER),
	CONTENT("delta"),
	HOOK("output_index", ADDED_INDEX),
	HOOK("item.type", ADDED_TYPE),
	HOOK("item.call_id", ADDED_ID),
	HOOK("item.name", ADDED_NAME),
	CODE("code"),
};

static const struct api apis[] = {
	{
		.suffix = "/responses",
		.type = "responses",
		.op = CALL_CHAT,
		.need = SEEN_INPUT | SEEN_MODEL,
		.request = { MAP("", request) },
		.plain = { MAP("", answer), MAP("", openai_error) },
		.stream = { MAP("", events),
			    MAP("response.", answer),
			    { "response.", openai_error, 3 },
			    OPENAI_EVENT_ERROR },
		.hook = hook,
		.event_end = event_end,
		.finish = finish,
	},
};

const struct provider provider_responses = { .name = "openai",
					     .apis = apis,
					     .api_cnt = sizeof(apis) / sizeof(apis[0]),
					     .headers = openai_headers };
