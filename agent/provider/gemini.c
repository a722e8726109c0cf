/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gemini and Vertex AI (wire.md section 6): the path names the model and the method. A stream is server-sent events
 * with alt=sse, else one array whose elements are the events; each record has the counts so far, thoughts and tool use
 * apart (semconv.md section 4). Loop thread; state is in the exchange's arena.
 */
#include "provider/recognise.h"

enum hook {
	ELEMENT, /* of the array */
	CHOICE,
	CHOICE_INDEX,
	CHOICE_FINISH,
	TOOL_ID,
	TOOL_NAME,
	TOOL_OFFERED,
	BLOCKED,
	MIME_TYPE,
	MODALITY,
};

static void choice_hook(struct decode *d, int arg, const struct json_value *v, struct slice text,
			size_t level)
{
	struct event_choice *c = event_choice(d, v->index[level]);

	if (!c)
		return;
	if (arg == CHOICE_INDEX)
		(void)json_int(text, &c->index);
	else if (arg == CHOICE_FINISH && v->type == JSON_STRING)
		keep_into(d, &c->finish, text);
}

/* A call comes whole in one part: the record's number and the places in it name it. */
static void tool_hook(struct decode *d, int arg, const struct json_value *v, struct slice text,
		      size_t level)
{
	uint32_t key =
		d->f.event_cnt << 12 | (v->index[level] & 0xf) << 8 | (v->index[level + 1] & 0xff);

	if (v->type != JSON_STRING)
		return;
	decode_content(d);
	if (arg == TOOL_ID)
		decode_tool(d, key, text, SLICE_NONE);
	else
		decode_tool(d, key, SLICE_NONE, text);
}

/* responseMimeType, responseModalities: the value of gen_ai.output.type (semconv.md section 1). */
static void output_type(struct decode *d, struct slice text)
{
	static const struct {
		struct slice from, to;
	} types[] = {
		{ SLICE("application/json"), SLICE("json") },
		{ SLICE("text/plain"), SLICE("text") },
		{ SLICE("IMAGE"), SLICE("image") },
		{ SLICE("AUDIO"), SLICE("speech") },
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (slice_ieq(text, types[i].from))
			keep_into(d, &d->f.call.output_type, types[i].to);
}

static void hook(struct decode *d, int arg, const struct json_value *v, struct slice text)
{
	/* in an array the first index is the record's */
	size_t level = d->route->api->array && d->response.set == &d->route->plain;

	switch ((enum hook)arg) {
	case ELEMENT:
		event_next(d);
		break;
	case CHOICE:
	case CHOICE_INDEX:
	case CHOICE_FINISH:
		choice_hook(d, arg, v, text, level);
		break;
	case TOOL_ID:
	case TOOL_NAME:
		tool_hook(d, arg, v, text, level);
		break;
	case TOOL_OFFERED:
		d->f.call.tools = d->f.call.tools == CALL_UNSET ? 1 : d->f.call.tools + 1;
		break;
	case BLOCKED:
		if (v->type == JSON_STRING)
			d->f.call.refusal = d->f.ev.last = true;
		break;
	case MIME_TYPE:
	case MODALITY:
		if (v->type == JSON_STRING)
			output_type(d, text);
		break;
	}
}

static void event_end(struct decode *d)
{
	struct event_facts *ev = &d->f.ev;

	for (size_t i = 0; i < ev->choice_cnt; i++) {
		decode_finish(d, event_choice_index(ev, i), ev->choice[i].finish);
		ev->last |= ev->choice[i].finish.len > 0;
	}
	if (!ev->last)
		return;
	d->f.call.stream_done = d->f.call.stream;
	d->f.usage_last |= ev->usage;
}

static int64_t count(int64_t v)
{
	return v != CALL_UNSET ? v : 0;
}

/* Behind a hole the total tells whether each part is there. */
static void add_up(struct decode *d)
{
	struct facts *f = &d->f;
	struct ai_call *c = &f->call;
	int64_t input = count(f->plain_input) + count(f->tool_input);
	int64_t output = count(f->plain_output) + count(c->reasoning_tokens);

	if (d->x->incomplete && c->total_tokens != input + output)
		return;
	if (f->plain_input != CALL_UNSET || f->tool_input != CALL_UNSET)
		c->input_tokens = input;
	if (f->plain_output != CALL_UNSET || c->reasoning_tokens != CALL_UNSET)
		c->output_tokens = output;
}

static void finish(struct decode *d)
{
	if (d->response.set == &d->route->plain && d->route->api->array)
		event_done(d);
	else if (d->response.set == &d->route->plain)
		event_end(d);
	add_up(d);
}

static const struct field request[] = {
	SIGN("contents", SEEN_INPUT),
	ITEMS("contents[]", call.messages),
	HOOK("tools[].functionDeclarations[]", TOOL_OFFERED),
	HOOK("tools[].function_declarations[]", TOOL_OFFERED),
};

/* Both spellings are accepted. */
static const struct field config[] = {
	DOUBLE("temperature", call.temperature),
	DOUBLE("topP", call.top_p),
	DOUBLE("top_p", call.top_p),
	INT("topK", call.top_k),
	INT("top_k", call.top_k),
	INT("candidateCount", call.choice_count),
	INT("candidate_count", call.choice_count),
	INT("maxOutputTokens", call.max_tokens),
	INT("max_output_tokens", call.max_tokens),
	INT("seed", call.seed),
	DOUBLE("presencePenalty", call.presence_penalty),
	DOUBLE("presence_penalty", call.presence_penalty),
	DOUBLE("frequencyPenalty", call.frequency_penalty),
	DOUBLE("frequency_penalty", call.frequency_penalty),
	STOP("stopSequences[]"),
	STOP("stop_sequences[]"),
	HOOK("responseMimeType", MIME_TYPE),
	HOOK("response_mime_type", MIME_TYPE),
	HOOK("responseModalities[]", MODALITY),
	HOOK("response_modalities[]", MODALITY),
	STR("thinkingConfig.thinkingLevel", call.reasoning_level),
	STR("thinking_config.thinking_level", call.reasoning_level),
};

static const struct field record[] = {
	STR("responseId", call.response_id),
	STR("modelVersion", call.response_model),
	SIGN("candidates", SEEN_ANSWER),
	HOOK("candidates[]", CHOICE),
	HOOK("candidates[].index", CHOICE_INDEX),
	HOOK("candidates[].finishReason", CHOICE_FINISH),
	CONTENT("candidates[].content.parts[].text"),
	CONTENT("candidates[].content.parts[].inlineData.data"),
	EACH("candidates[].content.parts[].functionCall.id", TOOL_ID),
	EACH("candidates[].content.parts[].functionCall.name", TOOL_NAME),
	HOOK("promptFeedback.blockReason", BLOCKED),
};

static const struct field usage[] = {
	USAGE("promptTokenCount", plain_input),
	USAGE("toolUsePromptTokenCount", tool_input),
	USAGE("cachedContentTokenCount", call.cache_read_tokens),
	USAGE("candidatesTokenCount", plain_output),
	USAGE("thoughtsTokenCount", call.reasoning_tokens),
	USAGE("totalTokenCount", call.total_tokens),
};

static const struct field error[] = {
	FAILURE("error"),
	CODE("error.code"),
	STR("error.status", err_type),
};

static const struct field element[] = {
	HOOK("[]", ELEMENT),
};

static const struct field embed_request[] = {
	INPUT("requests"),
	{ "content", FIELD_INPUT, 0, 0, 0, NULL },
	INT("outputDimensionality", call.dimensions),
};

static const struct field embed_answer[] = {
	ITEMS("embedding.values[]", dims),
	DIMS("embeddings[].values[]", dims),
	SIGN("embedding", SEEN_ANSWER),
};

#define REQUEST \
	{ MAP("", request), MAP("generationConfig.", config), MAP("generation_config.", config) }

static const struct api apis[] = {
	{
		.suffix = ":generateContent",
		.op = CALL_GENERATE_CONTENT,
		.need = SEEN_INPUT,
		.model = path_model,
		.request = REQUEST,
		.plain = { MAP("", record), MAP("usageMetadata.", usage), MAP("", error) },
		.stream = { MAP("", record), MAP("usageMetadata.", usage), MAP("", error) },
		.hook = hook,
		.event_end = event_end,
		.finish = finish,
	},
	{
		.suffix = ":streamGenerateContent",
		.op = CALL_GENERATE_CONTENT,
		.need = SEEN_INPUT,
		.model = path_model,
		.streams = true,
		.array = true,
		.request = REQUEST,
		.plain = { MAP("", element), MAP("[].", record), MAP("[].usageMetadata.", usage),
			   MAP("[].", error), MAP("", error) },
		.stream = { MAP("", record), MAP("usageMetadata.", usage), MAP("", error) },
		.hook = hook,
		.event_end = event_end,
		.finish = finish,
	},
	{
		.suffix = ":embedContent",
		.op = CALL_EMBEDDINGS,
		.need = SEEN_INPUT,
		.model = path_model,
		.request = { MAP("", embed_request) },
		.plain = { MAP("", embed_answer), MAP("", error) },
		.hook = hook,
	},
	{
		.suffix = ":batchEmbedContents",
		.op = CALL_EMBEDDINGS,
		.need = SEEN_INPUT,
		.model = path_model,
		.request = { MAP("", embed_request) },
		.plain = { MAP("", embed_answer), MAP("", error) },
		.hook = hook,
	},
};

static const struct header_sign headers[] = {
	{ "x-goog-api-client", NULL },
	{ "x-goog-api-key", NULL },
	{ NULL, NULL },
};

const struct provider provider_gemini = { .name = "gcp.gen_ai",
					  .apis = apis,
					  .api_cnt = sizeof(apis) / sizeof(apis[0]),
					  .headers = headers };
