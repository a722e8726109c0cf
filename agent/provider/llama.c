/* SPDX-License-Identifier: Apache-2.0 */
/*
 * llama.cpp's own completion API (wire.md section 11); its OpenAI endpoints are openai.c's. The counts are on every
 * event, the last one says stop. The path is anybody's: the answer's mark is needed. Loop thread; state is in the
 * exchange's arena.
 */
#include "provider/openai.h"

enum hook {
	STOPPED,
	STOP_TYPE,
};

static void hook(struct decode *d, int arg, const struct json_value *v, struct slice text)
{
	if (arg == STOPPED)
		d->f.ev.last = v->type == JSON_BOOL && text.ptr[0] == 't';
	else if (v->type == JSON_STRING && !slice_eq(text, SLICE("none")))
		decode_finish(d, 0, text); /* eos, limit, word */
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
	if (d->f.call.max_tokens < 0)
		d->f.call.max_tokens = CALL_UNSET; /* -1: no limit */
}

static const struct field request[] = {
	STR("model", call.model),
	INPUT("prompt"),
	STREAM("stream"),
	INT("n_predict", call.max_tokens),
	INT("max_tokens", call.max_tokens),
	INT("seed", call.seed),
	INT("top_k", call.top_k),
	DOUBLE("temperature", call.temperature),
	DOUBLE("top_p", call.top_p),
	DOUBLE("frequency_penalty", call.frequency_penalty),
	DOUBLE("presence_penalty", call.presence_penalty),
	STOP("stop[]"),
};

static const struct field answer[] = {
	STR("model", call.response_model),
	CONTENT("content"),
	HOOK("stop", STOPPED),
	HOOK("stop_type", STOP_TYPE),
	USAGE("tokens_evaluated", call.input_tokens),
	USAGE("tokens_predicted", call.output_tokens),
	USAGE("timings.cache_n", call.cache_read_tokens),
	SIGN("generation_settings", SEEN_END),
	SIGN("tokens_cached", SEEN_END),
	SIGN("id_slot", SEEN_END),
};

static const struct api apis[] = {
	{
		.suffix = "/completion",
		.op = CALL_TEXT_COMPLETION,
		.need = SEEN_INPUT | SEEN_END,
		.request = { MAP("", request) },
		.plain = { MAP("", answer), OPENAI_EVENT_ERROR },
		.stream = { MAP("", answer), OPENAI_EVENT_ERROR },
		.hook = hook,
		.event_end = event_end,
		.finish = finish,
	},
};

const struct provider provider_llama = { .name = "llama_cpp",
					 .apis = apis,
					 .api_cnt = sizeof(apis) / sizeof(apis[0]) };
