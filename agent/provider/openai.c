/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenAI chat completions, completions and embeddings, and the many servers that speak the same (wire.md sections 3.1,
 * 3.2, 3.4, 4). Field maps, and hooks for choices and tool calls, whose number stands beside them.
 */
#include "provider/openai.h"

enum hook {
	CHOICE,
	CHOICE_INDEX,
	CHOICE_FINISH,
	TOOL_INDEX, /* streamed: numbered by a member of their own */
	TOOL_ID,
	TOOL_NAME,
	CALL_ID, /* plain: numbered by position */
	CALL_NAME,
	FUNCTION, /* before there were tools */
	OUTPUT_TYPE,
	FILTERED,
};

const struct field openai_error[4] = {
	FAILURE("error"),
	CODE("error.code"), /* a number (vLLM, OpenRouter) says no more than the status, where there is one */
	STR("error.type", err_type),
	STR("type", flat_type),
};

void openai_output_type(struct decode *d, struct slice format)
{
	bool json =
		slice_eq(format, SLICE("json_object")) || slice_eq(format, SLICE("json_schema"));

	keep_into(d, &d->f.call.output_type, json ? SLICE("json") : format);
}

static uint32_t tool_key(int64_t choice, int64_t tool)
{
	return (uint32_t)(choice & 0xffff) << 16 | (uint32_t)(tool & 0xffff);
}

static void choice_hook(struct decode *d, int arg, const struct json_value *v, struct slice text)
{
	struct event_choice *c = event_choice(d, v->index[0]);

	if (!c)
		return;
	if (arg == CHOICE_INDEX)
		(void)json_int(text, &c->index);
	else if (arg == CHOICE_FINISH && v->type == JSON_STRING)
		keep_into(d, &c->finish, text);
}

static void tool_hook(struct decode *d, int arg, const struct json_value *v, struct slice text)
{
	struct event_tool *t = event_tool(d, v->index[0], v->index[1]);

	if (!t)
		return;
	if (arg == TOOL_INDEX)
		(void)json_int(text, &t->index);
	else if (v->type == JSON_STRING)
		keep_into(d, arg == TOOL_ID ? &t->id : &t->name, text);
}

static void hook(struct decode *d, int arg, const struct json_value *v, struct slice text)
{
	uint32_t key = tool_key(v->index[0], arg == FUNCTION ? 0xffff : v->index[1]);

	switch ((enum hook)arg) {
	case CHOICE:
	case CHOICE_INDEX:
	case CHOICE_FINISH:
		choice_hook(d, arg, v, text);
		break;
	case TOOL_INDEX:
	case TOOL_ID:
	case TOOL_NAME:
		tool_hook(d, arg, v, text);
		break;
	case CALL_ID:
		if (v->type == JSON_STRING)
			decode_tool(d, key, text, SLICE_NONE);
		break;
	case CALL_NAME:
	case FUNCTION:
		if (v->type == JSON_STRING)
			decode_tool(d, key, SLICE_NONE, text);
		break;
	case OUTPUT_TYPE:
		if (v->type == JSON_STRING)
			openai_output_type(d, text);
		break;
	case FILTERED:
		d->f.call.refusal |= v->type == JSON_BOOL && text.ptr[0] == 't';
		break;
	}
}

static void event_end(struct decode *d)
{
	struct event_facts *ev = &d->f.ev;
	bool finish = false;

	for (size_t i = 0; i < ev->choice_cnt; i++) {
		decode_finish(d, event_choice_index(ev, i), ev->choice[i].finish);
		finish |= ev->choice[i].finish.len > 0;
	}
	for (size_t i = 0; i < ev->tool_cnt; i++) {
		const struct event_tool *t = &ev->tool[i];
		int64_t index = t->index != CALL_UNSET ? t->index : t->at;

		decode_tool(d, tool_key(event_choice_index(ev, t->choice), index), t->id, t->name);
	}
	/* vLLM can send a running count with each chunk: it is the last one when no output comes with or after it */
	if (ev->usage && (!ev->choices || (finish && d->f.call.choice_count <= 1)))
		d->f.usage_last = true;
}

/* xAI, Perplexity: what a hole took may have been output tokens too. */
static bool counts_apart(const struct decode *d)
{
	struct slice name = slice_str(d->f.call.provider);

	return slice_eq(name, SLICE("x_ai")) || slice_eq(name, SLICE("perplexity"));
}

/* Some servers leave reasoning out of the output tokens; the total tells (semconv.md section 4). */
static void all_output(struct decode *d)
{
	struct ai_call *c = &d->f.call;
	int64_t reasoning = c->reasoning_tokens != CALL_UNSET ? c->reasoning_tokens : 0;
	int64_t citations = d->f.citations != CALL_UNSET ? d->f.citations : 0;
	bool total = c->total_tokens != CALL_UNSET && c->input_tokens != CALL_UNSET;

	if (c->output_tokens == CALL_UNSET)
		return;
	if (counts_apart(d) && d->x->incomplete && c->usage != CALL_USAGE_NONE &&
	    !(total && c->total_tokens == c->input_tokens + c->output_tokens + reasoning &&
	      reasoning))
		c->output_tokens = CALL_UNSET;
	else if (slice_eq(slice_str(c->provider), SLICE("perplexity")))
		c->output_tokens += reasoning + citations;
	else if (total && c->total_tokens == c->input_tokens + c->output_tokens + reasoning)
		c->output_tokens += reasoning;
}

static void finish(struct decode *d)
{
	struct ai_call *c = &d->f.call;

	if (d->response.set == &d->route->plain)
		event_end(d);
	if (slice_eq(c->system_fingerprint, SLICE("fp_ollama")) && !d->host_known)
		c->provider = "ollama";
	all_output(d);
}

static const struct field sampling[] = {
	STR("model", call.model),
	STREAM("stream"),
	INT("max_tokens", call.max_tokens),
	INT("max_completion_tokens", call.max_tokens),
	INT("n", call.choice_count),
	INT("seed", call.seed),
	INT("random_seed", call.seed), /* Mistral */
	INT("top_k", call.top_k),
	DOUBLE("temperature", call.temperature),
	DOUBLE("top_p", call.top_p),
	DOUBLE("frequency_penalty", call.frequency_penalty),
	DOUBLE("presence_penalty", call.presence_penalty),
	STOP("stop"),
	STOP("stop[]"),
	STR("service_tier", call.req_service_tier),
};

static const struct field chat_request[] = {
	SIGN("messages", SEEN_INPUT),
	ITEMS("messages[]", call.messages),
	ITEMS("tools[]", call.tools),
	ITEMS("functions[]", call.tools),
	STR("reasoning_effort", call.reasoning_level),
	STR("reasoning.effort", call.reasoning_level),
	HOOK("response_format.type", OUTPUT_TYPE),
};

static const struct field prompt_request[] = {
	INPUT("prompt"),
};

static const struct field embeddings_request[] = {
	INPUT("input"),
	STR("model", call.model),
	STR("encoding_format", call.encoding_format),
	INT("dimensions", call.dimensions),
};

static const struct field answer[] = {
	STR("id", call.response_id),
	STR("model", call.response_model),
	STR("system_fingerprint", call.system_fingerprint),
	STR("service_tier", call.service_tier),
	SIGN("choices", SEEN_ANSWER),
	HOOK("choices[]", CHOICE),
	HOOK("choices[].index", CHOICE_INDEX),
	HOOK("choices[].finish_reason", CHOICE_FINISH),
	HOOK("choices[].content_filter_results.*.filtered", FILTERED), /* Azure */
	HINT("timings", "llama_cpp"),
	HINT("x_groq", "groq"),
	HINT("prompt_logprobs", "vllm"),
	HINT("kv_transfer_params", "vllm"),
};

static const struct field usage[] = {
	USAGE("prompt_tokens", call.input_tokens),
	USAGE("completion_tokens", call.output_tokens),
	USAGE("total_tokens", call.total_tokens),
	USAGE("prompt_tokens_details.cached_tokens", call.cache_read_tokens),
	USAGE("prompt_tokens_details.cache_write_tokens", call.cache_creation_tokens),
	USAGE("prompt_tokens_details.audio_tokens", call.input_audio_tokens),
	USAGE("completion_tokens_details.reasoning_tokens", call.reasoning_tokens),
	USAGE("completion_tokens_details.audio_tokens", call.output_audio_tokens),
	USAGE("completion_tokens_details.accepted_prediction_tokens",
	      call.accepted_prediction_tokens),
	USAGE("completion_tokens_details.rejected_prediction_tokens",
	      call.rejected_prediction_tokens),
	USAGE("prompt_cache_hit_tokens", call.cache_read_tokens), /* DeepSeek */
	USAGE("reasoning_tokens", call.reasoning_tokens),	  /* Perplexity */
	USAGE("citation_tokens", citations),
};

static const struct field chat_plain[] = {
	REFUSAL("choices[].message.refusal"),
	HOOK("choices[].message.tool_calls[].id", CALL_ID),
	HOOK("choices[].message.tool_calls[].function.name", CALL_NAME),
	HOOK("choices[].message.tool_calls[].custom.name", CALL_NAME),
	HOOK("choices[].message.function_call.name", FUNCTION),
};

static const struct field chat_stream[] = {
	CONTENT("choices[].delta.content"),
	CONTENT("choices[].delta.content[].text"), /* Mistral, and the next */
	CONTENT("choices[].delta.content[].thinking[].text"),
	CONTENT("choices[].delta.reasoning_content"),
	CONTENT("choices[].delta.reasoning"),
	CONTENT("choices[].delta.audio.data"),
	CONTENT("choices[].delta.function_call.arguments"),
	CONTENT("choices[].delta.tool_calls[].function.arguments"),
	CONTENT("choices[].delta.tool_calls[].custom.input"),
	REFUSAL("choices[].delta.refusal"),
	HOOK("choices[].delta.tool_calls[].index", TOOL_INDEX),
	HOOK("choices[].delta.tool_calls[].id", TOOL_ID),
	HOOK("choices[].delta.tool_calls[].function.name", TOOL_NAME),
	HOOK("choices[].delta.tool_calls[].custom.name", TOOL_NAME),
	HOOK("choices[].delta.function_call.name", FUNCTION),
};

static const struct field text_stream[] = {
	CONTENT("choices[].text"),
};

static const struct field embeddings_answer[] = {
	STR("model", call.response_model),
	DIMS("data[].embedding", dims),
	DIMS("data[].embedding[]", dims),
};

static const struct api apis[] = {
	{
		.suffix = "/chat/completions",
		.type = "chat_completions",
		.op = CALL_CHAT,
		.need = SEEN_INPUT,
		.anywhere = SEEN_INPUT | SEEN_MODEL,
		.request = { MAP("", sampling), MAP("", chat_request) },
		.plain = { MAP("", answer), MAP("usage.", usage), MAP("", openai_error),
			   MAP("", chat_plain) },
		.stream = { MAP("", answer), MAP("usage.", usage), OPENAI_EVENT_ERROR,
			    MAP("", chat_stream), MAP("x_groq.usage.", usage) },
		.hook = hook,
		.event_end = event_end,
		.finish = finish,
	},
	{
		.suffix = "/completions",
		.op = CALL_TEXT_COMPLETION,
		.need = SEEN_INPUT,
		.request = { MAP("", sampling), MAP("", prompt_request) },
		.plain = { MAP("", answer), MAP("usage.", usage), MAP("", openai_error) },
		.stream = { MAP("", answer), MAP("usage.", usage), OPENAI_EVENT_ERROR,
			    MAP("", text_stream) },
		.hook = hook,
		.event_end = event_end,
		.finish = finish,
	},
	{
		.suffix = "/embeddings",
		.op = CALL_EMBEDDINGS,
		.need = SEEN_INPUT,
		.request = { MAP("", embeddings_request) },
		.plain = { MAP("", embeddings_answer), MAP("usage.", usage),
			   MAP("", openai_error) },
		.stream = { OPENAI_EVENT_ERROR },
		.hook = hook,
	},
};

const struct header_sign
	openai_headers
		[] = {
			{ "openai-*", NULL },
			{ "x-stainless-*", NULL }, /* the generator of the SDKs of OpenAI, Groq and others */
			{ "user-agent", "OpenAI/*" },
			{ "user-agent", "AsyncOpenAI/*" },
			{ NULL, NULL },
		};

const struct provider provider_openai = { .name = "openai",
					  .apis = apis,
					  .api_cnt = sizeof(apis) / sizeof(apis[0]),
					  .headers = openai_headers };
