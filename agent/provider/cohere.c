/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cohere v2: chat and embeddings (wire.md section 8). What is billed counts, not what was processed (semconv.md section
 * 4). Any application may have a /v2/chat, so that at an unknown host the answer's mark is needed, too. Loop thread;
 * state is in the exchange's arena.
 */
#include "provider/decode.h"

enum hook {
	EVENT_TYPE,
	FINISH,
	CALL_ID, /* plain: by position */
	CALL_NAME,
	START_INDEX, /* an event: one call, by its index */
	START_ID,
	START_NAME,
	OUTPUT_TYPE,
};

/* The call of a tool-call-start event: the event's first pending tool. */
static void start_hook(struct decode *d, int arg, const struct json_value *v, struct slice text)
{
	struct event_facts *ev = &d->f.ev;
	struct event_tool *t = &ev->tool[0];

	if (ev->tool_cnt == 0)
		t->index = CALL_UNSET;
	ev->tool_cnt = 1;
	if (arg == START_INDEX)
		(void)json_int(text, &t->index);
	else if (v->type == JSON_STRING)
		keep_into(d, arg == START_ID ? &t->id : &t->name, text);
}

static void hook(struct decode *d, int arg, const struct json_value *v, struct slice text)
{
	switch ((enum hook)arg) {
	case START_INDEX:
	case START_ID:
	case START_NAME:
		start_hook(d, arg, v, text);
		return;
	default:
		if (v->type != JSON_STRING)
			return;
	}
	if (arg == EVENT_TYPE)
		keep_into(d, &d->f.ev.type, text);
	else if (arg == FINISH)
		decode_finish(d, 0, text);
	else if (arg == CALL_ID)
		decode_tool(d, v->index[0], text, SLICE_NONE);
	else if (arg == CALL_NAME)
		decode_tool(d, v->index[0], SLICE_NONE, text);
	else
		keep_into(d, &d->f.call.output_type,
			  slice_eq(text, SLICE("json_object")) ? SLICE("json") : text);
}

static void event_end(struct decode *d)
{
	struct event_facts *ev = &d->f.ev;

	if (slice_eq(ev->type, SLICE("message-end"))) {
		d->f.call.stream_done = true;
		d->f.usage_last = true;
	} else if (slice_eq(ev->type, SLICE("tool-call-start")) && ev->tool_cnt &&
		   ev->tool[0].index >= 0) {
		decode_tool(d, (uint32_t)ev->tool[0].index, ev->tool[0].id, ev->tool[0].name);
	}
}

static void finish(struct decode *d)
{
	struct ai_call *c = &d->f.call;

	if (d->x->incomplete && c->usage != CALL_USAGE_BODY)
		return; /* the billed counts may be lost */
	if (c->input_tokens == CALL_UNSET)
		c->input_tokens = d->f.other_input;
	if (c->output_tokens == CALL_UNSET)
		c->output_tokens = d->f.other_output;
}

static const struct field chat_request[] = {
	STR("model", call.model),
	SIGN("messages", SEEN_INPUT),
	ITEMS("messages[]", call.messages),
	ITEMS("tools[]", call.tools),
	STREAM("stream"),
	INT("max_tokens", call.max_tokens),
	INT("seed", call.seed),
	INT("k", call.top_k),
	DOUBLE("p", call.top_p),
	DOUBLE("temperature", call.temperature),
	DOUBLE("frequency_penalty", call.frequency_penalty),
	DOUBLE("presence_penalty", call.presence_penalty),
	STOP("stop_sequences[]"),
	HOOK("response_format.type", OUTPUT_TYPE),
};

static const struct field usage[] = {
	USAGE("billed_units.input_tokens", call.input_tokens),
	USAGE("billed_units.output_tokens", call.output_tokens),
	USAGE("tokens.input_tokens", other_input),
	USAGE("tokens.output_tokens", other_output),
	USAGE("cached_tokens", call.cache_read_tokens),
	SIGN("billed_units", SEEN_END),
};

static const struct field chat_answer[] = {
	STR("id", call.response_id),
	HOOK("finish_reason", FINISH),
	HOOK("message.tool_calls[].id", CALL_ID),
	HOOK("message.tool_calls[].function.name", CALL_NAME),
};

static const struct field events[] = {
	HOOK("type", EVENT_TYPE),
	STR("id", call.response_id),
	HOOK("index", START_INDEX),
	CONTENT("delta.message.content.text"),
	CONTENT("delta.message.content.thinking"),
	CONTENT("delta.message.tool_plan"),
	CONTENT("delta.message.tool_calls.function.arguments"),
	HOOK("delta.message.tool_calls.id", START_ID),
	HOOK("delta.message.tool_calls.function.name", START_NAME),
	HOOK("delta.finish_reason", FINISH),
	FAILURE("delta.error"),
};

static const struct field embed_request[] = {
	STR("model", call.model),
	INPUT("texts"),
	ITEMS("images[]", call.messages),
	ITEMS("inputs[]", call.messages),
	STR("embedding_types[]", call.encoding_format),
	INT("output_dimension", call.dimensions),
	SIGN("input_type", SEEN_LIMIT),
};

static const struct field embed_answer[] = {
	STR("id", call.response_id),
	DIMS("embeddings.float[][]", dims),
	USAGE("meta.billed_units.input_tokens", call.input_tokens),
	USAGE("meta.tokens.input_tokens", other_input),
};

static const struct api apis[] = {
	{
		.suffix = "/v2/chat",
		.op = CALL_CHAT,
		.need = SEEN_MODEL | SEEN_INPUT | SEEN_END,
		.request = { MAP("", chat_request) },
		.plain = { MAP("", chat_answer), MAP("usage.", usage) },
		.stream = { MAP("", events), MAP("delta.usage.", usage) },
		.hook = hook,
		.event_end = event_end,
		.finish = finish,
	},
	{
		.suffix = "/v2/embed",
		.op = CALL_EMBEDDINGS,
		.need = SEEN_MODEL | SEEN_LIMIT,
		.request = { MAP("", embed_request) },
		.plain = { MAP("", embed_answer) },
		.hook = hook,
		.finish = finish,
	},
};

static const struct header_sign headers[] = {
	{ "x-fern-sdk-name", "cohere" },
	{ "user-agent", "cohere/*" },
	{ NULL, NULL },
};

const struct provider provider_cohere = { .name = "cohere",
					  .apis = apis,
					  .api_cnt = sizeof(apis) / sizeof(apis[0]),
					  .headers = headers };
