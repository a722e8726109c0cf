/* SPDX-License-Identifier: Apache-2.0 */
/* Find the store's columns in a span. Loop thread; nothing is kept. */
#include "store/row.h"

#include <math.h>

enum found { IN_ATTRS, IN_RESOURCE };

static const struct {
	enum semconv key;
	enum found where;
	enum row_text text;
} texts[] = {
	{ SC_GEN_AI_PROVIDER_NAME, IN_ATTRS, ROW_PROVIDER },
	{ SC_GEN_AI_REQUEST_MODEL, IN_ATTRS, ROW_MODEL },
	{ SC_GEN_AI_RESPONSE_MODEL, IN_ATTRS, ROW_RESPONSE_MODEL },
	{ SC_SERVICE_NAME, IN_RESOURCE, ROW_SERVICE },
	{ SC_ERROR_TYPE, IN_ATTRS, ROW_ERROR_TYPE },
};

static struct slice cut(struct slice s)
{
	if (s.len > ROW_TEXT_CAP)
		s.len = ROW_TEXT_CAP;
	return s;
}

static const struct attr *find(const struct span *span, enum found where, enum semconv key)
{
	const struct attr *at = where == IN_ATTRS ? span->attrs : span->resource;
	size_t cnt = where == IN_ATTRS ? span->attr_cnt : span->resource_cnt;

	for (size_t i = 0; i < cnt; i++)
		if (!strcmp(at[i].key, semconv_name[key]))
			return &at[i];
	return NULL;
}

static int64_t number(const struct span *span, enum found where, enum semconv key)
{
	const struct attr *a = find(span, where, key);

	return a && a->type == ATTR_INT ? a->i : INT64_MIN;
}

static struct slice join(const struct attr *a, char joined[ROW_TEXT_CAP])
{
	size_t len = 0;

	if (!a || a->type != ATTR_STRS)
		return SLICE_NONE;
	for (size_t i = 0; i < a->strs.cnt; i++) {
		struct slice s = a->strs.at[i];

		if (len + 1 + s.len > ROW_TEXT_CAP)
			break;
		if (len)
			joined[len++] = ',';
		memcpy(joined + len, s.ptr, s.len);
		len += s.len;
	}
	return (struct slice){ joined, len };
}

void row_make(const struct span *span, struct row *ret, struct slice text[ROW_TEXT_CNT], char joined[ROW_TEXT_CAP])
{
	const struct attr *ttfc = find(span, IN_ATTRS, SC_GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK);

	memset(ret, 0, sizeof(*ret));
	memset(text, 0, ROW_TEXT_CNT * sizeof(text[0]));
	ret->start_ns = span->start_ns;
	ret->duration_ns = span->end_ns - span->start_ns;
	ret->kind = (uint8_t)span->kind;
	ret->error = span->status == SPAN_ERROR;
	memcpy(ret->trace_id, span->trace_id, sizeof(ret->trace_id));
	ret->pid = number(span, IN_RESOURCE, SC_PROCESS_PID);
	ret->http_status = number(span, IN_ATTRS, SC_HTTP_RESPONSE_STATUS_CODE);
	ret->input_tokens = number(span, IN_ATTRS, SC_GEN_AI_USAGE_INPUT_TOKENS);
	ret->output_tokens = number(span, IN_ATTRS, SC_GEN_AI_USAGE_OUTPUT_TOKENS);
	ret->ttfc_s = ttfc && ttfc->type == ATTR_DOUBLE ? ttfc->d : NAN;
	text[ROW_NAME] = cut(span->name);
	text[ROW_INCOMPLETE] = join(find(span, IN_ATTRS, SC_INCOMPLETE), joined);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const struct attr *a = find(span, texts[i].where, texts[i].key);

		if (a && a->type == ATTR_STR)
			text[texts[i].text] = cut(a->str);
	}
	for (int i = 0; i < ROW_TEXT_CNT; i++)
		ret->text_len[i] = (uint16_t)text[i].len;
}
