/* SPDX-License-Identifier: Apache-2.0 */
/* What headers say about a call, as rows. Of several rows for one field the first that fits wins. Loop thread. */
#include "provider/recognise.h"

enum header_kind { HEADER_STR, HEADER_INT, HEADER_SECONDS, HEADER_MILLISECONDS, HEADER_HINT };

struct header_row {
	struct slice name;
	enum header_kind kind;
	size_t to;	    /* offset in struct ai_call */
	struct slice value; /* HINT: what the value begins with; then the provider */
	const char *hint;
};

#define ROW(name, kind, member) \
	{ SLICE(name), HEADER_##kind, offsetof(struct ai_call, member), SLICE_NONE, NULL }

static const struct header_row request_rows[] = {
	ROW("user-agent", STR, user_agent),
	ROW("traceparent", STR, traceparent),
	ROW("tracestate", STR, tracestate),
	ROW("x-stainless-retry-count", INT, retry_count),
};

static const struct header_row response_rows[] = {
	ROW("x-request-id", STR, request_id),
	ROW("request-id", STR, request_id),
	ROW("apim-request-id", STR, request_id),
	ROW("x-amzn-requestid", STR, request_id),
	ROW("x-generation-id", STR, request_id),
	ROW("openai-processing-ms", INT, processing_ms),
	ROW("retry-after-ms", MILLISECONDS, retry_after_s),
	ROW("retry-after", SECONDS, retry_after_s), /* its other form, a date, is left out */
	ROW("x-ratelimit-limit-requests", INT, limit_requests),
	ROW("x-ratelimit-limit-tokens", INT, limit_tokens),
	ROW("x-ratelimit-remaining-requests", INT, remaining_requests),
	ROW("x-ratelimit-remaining-tokens", INT, remaining_tokens),
	ROW("anthropic-ratelimit-requests-limit", INT, limit_requests),
	ROW("anthropic-ratelimit-requests-remaining", INT, remaining_requests),
	ROW("anthropic-ratelimit-tokens-limit", INT, limit_tokens),
	ROW("anthropic-ratelimit-tokens-remaining", INT, remaining_tokens),
	{ SLICE("server"), HEADER_HINT, 0, SLICE("llama.cpp"), "llama_cpp" },
	{ SLICE("azureml-model-session"), HEADER_HINT, 0, SLICE(""), "azure.ai.openai" },
	{ SLICE("apim-request-id"), HEADER_HINT, 0, SLICE(""), "azure.ai.openai" },
};

static void take(struct decode *d, const struct header_row *row, struct slice value)
{
	void *to = (char *)&d->f.call + row->to;
	double *seconds = to;
	int64_t *count = to;

	switch (row->kind) {
	case HEADER_STR:
		if (((struct slice *)to)->len == 0)
			keep_into(d, to, value);
		break;
	case HEADER_INT:
		if (*count == CALL_UNSET)
			(void)json_int(value, count);
		break;
	case HEADER_SECONDS:
	case HEADER_MILLISECONDS:
		if (!isnan(*seconds) || !json_double(value, seconds))
			break;
		if (row->kind == HEADER_MILLISECONDS)
			*seconds /= 1000;
		break;
	case HEADER_HINT:
		if (slice_starts(value, row->value))
			d->f.hint = slice_str(row->hint);
		break;
	}
}

static void take_all(struct decode *d, const struct message *head, const struct header_row *rows,
		     size_t cnt)
{
	for (size_t i = 0; i < cnt; i++) {
		const struct header *h = header_find(head->headers, head->header_cnt, rows[i].name);

		if (h && h->value.len)
			take(d, &rows[i], h->value);
	}
}

void request_headers(struct decode *d, const struct message *head)
{
	take_all(d, head, request_rows, sizeof(request_rows) / sizeof(request_rows[0]));
}

void response_headers(struct decode *d, const struct message *head)
{
	take_all(d, head, response_rows, sizeof(response_rows) / sizeof(response_rows[0]));
}
