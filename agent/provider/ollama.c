/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ollama's own API (wire.md section 10): answers are lines of JSON unless the request says "stream": false; the last
 * one has the counts. Any application may have an /api/chat, so that on an unknown port the answer's mark is needed,
 * too. Loop thread; state is in the exchange's arena.
 */
#include "provider/decode.h"

enum hook {
	DONE,
	DONE_REASON,
	TOOL_ID,
	TOOL_NAME,
	FORMAT,
	PROMPT,
};

static void tool_hook(struct decode *d, int arg, const struct json_value *v, struct slice text)
{
	/* calls come whole, in one event or several: the event's number and the place in it name them */
	uint32_t key = d->f.event_cnt << 8 | (v->index[0] & 0xff);

	if (v->type != JSON_STRING)
		return;
	decode_content(d);
	if (arg == TOOL_ID)
		decode_tool(d, key, text, SLICE_NONE);
	else
		decode_tool(d, key, SLICE_NONE, text);
}

static void hook(struct decode *d, int arg, const struct json_value *v, struct slice text)
{
	switch ((enum hook)arg) {
	case DONE:
		d->f.evidence |= SEEN_END;
		d->f.ev.last = v->type == JSON_BOOL && text.ptr[0] == 't';
		break;
	case DONE_REASON:
		if (v->type != JSON_STRING)
			break;
		decode_finish(d, 0, text);
		/* an empty prompt warms a model or drops it */
		d->f.no_call = slice_eq(text, SLICE("load")) || slice_eq(text, SLICE("unload"));
		break;
	case TOOL_ID:
	case TOOL_NAME:
		tool_hook(d, arg, v, text);
		break;
	case FORMAT: /* "json", or a schema */
		if (v->type == JSON_OBJECT || (v->type == JSON_STRING && text.len))
			keep_into(d, &d->f.call.output_type, SLICE("json"));
		break;
	case PROMPT:
		d->f.evidence |= SEEN_INPUT;
		if (v->type == JSON_STRING && text.len)
			d->f.call.messages = 1;
		break;
	}
}

static void event_end(struct decode *d)
{
	if (!d->f.ev.last)
		return;
	d->f.call.stream_done = true;
	d->f.usage_last = true;
}

static void finish(struct decode *d)
{
	struct ai_call *c = &d->f.call;

	if (!d->f.stream_said && json_scan_end(&d->request.scan) == JSON_DONE && !d->request.before)
		c->stream = true;
	if (c->max_tokens < 0)
		c->max_tokens = CALL_UNSET; /* -1, -2: no limit */
	/* a hole may have taken the "load" of an empty prompt */
	if (d->x->incomplete && !d->f.usage_seen && c->messages == CALL_UNSET)
		d->f.no_call = true;
}

static const struct field request[] = {
	STR("model", call.model),
	STREAM("stream"),
	STR("think", call.reasoning_level),
	HOOK("format", FORMAT),
	INT("options.num_predict", call.max_tokens),
	INT("options.seed", call.seed),
	INT("options.top_k", call.top_k),
	DOUBLE("options.temperature", call.temperature),
	DOUBLE("options.top_p", call.top_p),
	DOUBLE("options.frequency_penalty", call.frequency_penalty),
	DOUBLE("options.presence_penalty", call.presence_penalty),
	STOP("options.stop"),
	STOP("options.stop[]"),
};

static const struct field chat_request[] = {
	SIGN("messages", SEEN_INPUT),
	ITEMS("messages[]", call.messages),
	ITEMS("tools[]", call.tools),
};

static const struct field generate_request[] = {
	HOOK("prompt", PROMPT),
};

static const struct field embed_request[] = {
	STR("model", call.model),
	INPUT("input"),
	INT("dimensions", call.dimensions),
};

static const struct field answer[] = {
	STR("model", call.response_model),	 HOOK("done", DONE),
	HOOK("done_reason", DONE_REASON),	 USAGE("prompt_eval_count", call.input_tokens),
	USAGE("eval_count", call.output_tokens), FAILURE("error"),
};

static const struct field chat_answer[] = {
	CONTENT("message.content"),
	CONTENT("message.thinking"),
	EACH("message.tool_calls[].id", TOOL_ID),
	EACH("message.tool_calls[].function.name", TOOL_NAME),
};

static const struct field generate_answer[] = {
	CONTENT("response"),
	CONTENT("thinking"),
};

static const struct field embed_answer[] = {
	STR("model", call.response_model),
	DIMS("embeddings[][]", dims),
	USAGE("prompt_eval_count", call.input_tokens),
	FAILURE("error"),
};

static const struct api apis[] = {
	{
		.suffix = "/api/chat",
		.op = CALL_CHAT,
		.need = SEEN_MODEL | SEEN_INPUT | SEEN_END,
		.request = { MAP("", request), MAP("", chat_request) },
		.plain = { MAP("", answer), MAP("", chat_answer) },
		.stream = { MAP("", answer), MAP("", chat_answer) },
		.hook = hook,
		.event_end = event_end,
		.finish = finish,
	},
	{
		.suffix = "/api/generate",
		.op = CALL_TEXT_COMPLETION,
		.need = SEEN_MODEL | SEEN_INPUT | SEEN_END,
		.request = { MAP("", request), MAP("", generate_request) },
		.plain = { MAP("", answer), MAP("", generate_answer) },
		.stream = { MAP("", answer), MAP("", generate_answer) },
		.hook = hook,
		.event_end = event_end,
		.finish = finish,
	},
	{
		.suffix = "/api/embed",
		.op = CALL_EMBEDDINGS,
		.need = SEEN_MODEL | SEEN_INPUT,
		.request = { MAP("", embed_request) },
		.plain = { MAP("", embed_answer) },
		.hook = hook,
	},
};

static const struct header_sign headers[] = {
	{ "user-agent", "ollama-*" }, /* ollama-python, ollama-js */
	{ "user-agent", "ollama/*" },
	{ NULL, NULL },
};

const struct provider provider_ollama = { .name = "ollama",
					  .apis = apis,
					  .api_cnt = sizeof(apis) / sizeof(apis[0]),
					  .headers = headers,
					  .port = 11434 };
