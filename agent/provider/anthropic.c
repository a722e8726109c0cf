/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Anthropic Messages (wire.md section 5). Counts in a stream are cumulative: the first event has those of the input,
 * the last those of the output. input_tokens leaves cached tokens out; the sum is made at the end (semconv.md
 * section 4). Loop thread; state is in the exchange's arena.
 */
#include "provider/recognise.h"

enum hook {
	EVENT_TYPE,
	STOP_REASON,
	BLOCK_TYPE, /* a content block: by position in a plain answer, by `index` in an event */
	BLOCK_ID,
	BLOCK_NAME,
	START_TYPE,
	START_ID,
	START_NAME,
	START_INDEX,
	OUTPUT_TYPE,
};

static bool is_tool(struct slice type)
{
	static const struct slice types[] = { SLICE("tool_use"), SLICE("server_tool_use"),
					      SLICE("mcp_tool_use") };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (slice_eq(type, types[i]))
			return true;
	return false;
}

static void block_close(struct decode *d)
{
	struct facts *f = &d->f;

	if (f->item_open && is_tool(f->item_type))
		decode_tool(d, f->item_index, f->item_id, f->item_name);
	f->item_open = false;
	f->item_type = f->item_id = f->item_name = SLICE_NONE;
}

static void block_hook(struct decode *d, int arg, const struct json_value *v, struct slice text)
{
	struct facts *f = &d->f;

	if (f->item_open && f->item_index != v->index[0])
		block_close(d);
	f->item_open = true;
	f->item_index = v->index[0];
	if (v->type == JSON_STRING)
		keep_into(d,
			  arg == BLOCK_TYPE ? &f->item_type
			  : arg == BLOCK_ID ? &f->item_id
					    : &f->item_name,
			  text);
}

/* The block of a content_block_start event: the event's first pending tool. */
static void start_hook(struct decode *d, int arg, const struct json_value *v, struct slice text)
{
	struct event_facts *ev = &d->f.ev;
	struct event_tool *t = &ev->tool[0];

	if (ev->tool_cnt == 0)
		t->index = CALL_UNSET;
	ev->tool_cnt = 1;
	if (arg == START_INDEX)
		(void)json_int(text, &t->index);
	else if (v->type != JSON_STRING)
		return;
	else if (arg == START_TYPE)
		ev->choices = is_tool(text);
	else
		keep_into(d, arg == START_ID ? &t->id : &t->name, text);
}

static void hook(struct decode *d, int arg, const struct json_value *v, struct slice text)
{
	switch ((enum hook)arg) {
	case EVENT_TYPE:
		if (v->type == JSON_STRING)
			keep_into(d, &d->f.ev.type, text);
		break;
	case STOP_REASON:
		if (v->type == JSON_STRING)
			decode_finish(d, 0, text);
		break;
	case BLOCK_TYPE:
	case BLOCK_ID:
	case BLOCK_NAME:
		block_hook(d, arg, v, text);
		break;
	case START_TYPE:
	case START_ID:
	case START_NAME:
	case START_INDEX:
		start_hook(d, arg, v, text);
		break;
	case OUTPUT_TYPE:
		if (v->type == JSON_STRING)
			keep_into(d, &d->f.call.output_type,
				  slice_eq(text, SLICE("json_schema")) ? SLICE("json") : text);
		break;
	}
}

static void event_end(struct decode *d)
{
	struct event_facts *ev = &d->f.ev;

	if (slice_eq(ev->type, SLICE("message_start")))
		d->f.start_seen = true;
	else if (slice_eq(ev->type, SLICE("message_delta")) && ev->usage && d->f.call.finish_cnt)
		d->f.usage_last = true;
	else if (slice_eq(ev->type, SLICE("message_stop")))
		d->f.call.stream_done = true;
	if (ev->tool_cnt && ev->choices && ev->tool[0].index >= 0)
		decode_tool(d, (uint32_t)ev->tool[0].index, ev->tool[0].id, ev->tool[0].name);
}

static void finish(struct decode *d)
{
	struct ai_call *c = &d->f.call;
	bool plain = d->response.set == &d->route->plain;
	bool cache = c->cache_read_tokens != CALL_UNSET && c->cache_creation_tokens != CALL_UNSET;

	block_close(d);
	if (d->f.plain_input == CALL_UNSET)
		return;
	/* Behind a hole that took message_start, a missing cache count is not known to be none. */
	if (!plain && !d->f.start_seen && !cache)
		return;
	if (plain && c->usage == CALL_USAGE_PARTIAL && !cache)
		return;
	c->input_tokens = d->f.plain_input;
	c->input_tokens += c->cache_read_tokens != CALL_UNSET ? c->cache_read_tokens : 0;
	c->input_tokens += c->cache_creation_tokens != CALL_UNSET ? c->cache_creation_tokens : 0;
}

static const struct field request[] = {
	STR("model", call.model),
	SIGN("messages", SEEN_INPUT),
	ITEMS("messages[]", call.messages),
	ITEMS("tools[]", call.tools),
	STREAM("stream"),
	INT("max_tokens", call.max_tokens),
	INT("top_k", call.top_k),
	DOUBLE("temperature", call.temperature),
	DOUBLE("top_p", call.top_p),
	STOP("stop_sequences[]"),
	STR("output_config.effort", call.reasoning_level),
	HOOK("output_config.format.type", OUTPUT_TYPE),
	STR("service_tier", call.req_service_tier),
};

/* Of a message, plain or inside message_start. */
static const struct field message[] = {
	STR("id", call.response_id),
	STR("model", call.response_model),
	HOOK("stop_reason", STOP_REASON),
	SIGN("usage", SEEN_ANSWER),
};

static const struct field input_usage[] = {
	USAGE("input_tokens", plain_input),
	USAGE("cache_read_input_tokens", call.cache_read_tokens),
	USAGE("cache_creation_input_tokens", call.cache_creation_tokens),
	USAGE("cache_creation.ephemeral_5m_input_tokens", call.cache_creation_5m_tokens),
	USAGE("cache_creation.ephemeral_1h_input_tokens", call.cache_creation_1h_tokens),
	STR("service_tier", call.service_tier),
};

static const struct field output_usage[] = {
	USAGE("output_tokens", call.output_tokens),
	USAGE("output_tokens_details.thinking_tokens", call.reasoning_tokens),
};

static const struct field plain[] = {
	HOOK("content[].type", BLOCK_TYPE), HOOK("content[].id", BLOCK_ID),
	HOOK("content[].name", BLOCK_NAME), FAILURE("error"),
	STR("error.type", err_code),
};

static const struct field events[] = {
	HOOK("type", EVENT_TYPE),
	/* what message_start says of the output is where counting begins */
	USAGE("message.usage.output_tokens", start_output),
	HOOK("delta.stop_reason", STOP_REASON),
	CONTENT("delta.text"),
	CONTENT("delta.partial_json"),
	CONTENT("delta.thinking"),
	HOOK("index", START_INDEX),
	HOOK("content_block.type", START_TYPE),
	HOOK("content_block.id", START_ID),
	HOOK("content_block.name", START_NAME),
	USAGE("usage.output_tokens", call.output_tokens),
	USAGE("usage.output_tokens_details.thinking_tokens", call.reasoning_tokens),
	FAILURE("error"),
	STR("error.type", err_code),
};

#define MESSAGES                                                                                   \
	.op = CALL_CHAT, .request = { MAP("", request) },                                          \
	.plain = { MAP("", message), MAP("usage.", input_usage), MAP("usage.", output_usage),      \
		   MAP("", plain) },                                                               \
	.stream = { MAP("", events), MAP("message.", message), MAP("message.usage.", input_usage), \
		    MAP("usage.", input_usage) },                                                  \
	.hook = hook, .event_end = event_end, .finish = finish

static const struct api apis[] = {
	{
		.suffix = "/v1/messages",
		.need = SEEN_INPUT | SEEN_MODEL | SEEN_LIMIT,
		.anywhere = SEEN_INPUT | SEEN_MODEL | SEEN_LIMIT,
		MESSAGES,
	},
	/* Claude on Vertex AI */
	{
		.suffix = ":rawPredict",
		.within = "/publishers/anthropic/",
		.need = SEEN_INPUT | SEEN_LIMIT,
		.model = path_model,
		MESSAGES,
	},
	{
		.suffix = ":streamRawPredict",
		.within = "/publishers/anthropic/",
		.need = SEEN_INPUT | SEEN_LIMIT,
		.model = path_model,
		MESSAGES,
	},
};

static const struct header_sign headers[] = {
	{ "anthropic-*", NULL },
	{ "user-agent", "Anthropic/*" },
	{ "user-agent", "AsyncAnthropic/*" },
	{ NULL, NULL },
};

const struct provider provider_anthropic = { .name = "anthropic",
					     .apis = apis,
					     .api_cnt = sizeof(apis) / sizeof(apis[0]),
					     .headers = headers };
