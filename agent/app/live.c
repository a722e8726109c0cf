/* SPDX-License-Identifier: Apache-2.0 */
/* Formats spans for a person. Reads the span's attributes by their names in semconv.def; keeps nothing. */
#include "app/live.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "span/semconv.h"

static const struct attr *find(const struct attr *at, size_t cnt, enum semconv key)
{
	for (size_t i = 0; i < cnt; i++)
		if (strcmp(at[i].key, semconv_name[key]) == 0)
			return &at[i];
	return NULL;
}

/* Text from the wire: what a terminal would act on becomes '?'. Returns out. */
static const char *text(char *out, size_t len, const struct attr *a)
{
	size_t n = 0;

	if (!a || a->type != ATTR_STR)
		return "-";
	for (; n < a->str.len && n + 1 < len; n++)
		out[n] = isprint((unsigned char)a->str.ptr[n]) ? a->str.ptr[n] : '?';
	out[n] = 0;
	return n ? out : "-";
}

static const char *seconds(char *out, size_t len, double s)
{
	if (s < 1)
		snprintf(out, len, "%.0fms", s * 1000);
	else
		snprintf(out, len, s < 100 ? "%.2fs" : "%.0fs", s);
	return out;
}

void live_header(struct buf *out, bool color)
{
	buf_printf(out, "%s%-12s %-22s %-44s %-8s %8s %8s %s%s\n", color ? "\033[1m" : "", "TIME",
		   "PROC", "PROVIDER/MODEL", "STATUS", "TTFT", "DUR", "TOKENS in/out",
		   color ? "\033[0m" : "");
}

static void status_put(char *out, size_t len, const struct span *s)
{
	const struct attr *code = find(s->attrs, s->attr_cnt, SC_HTTP_RESPONSE_STATUS_CODE);
	const struct attr *type = find(s->attrs, s->attr_cnt, SC_ERROR_TYPE);
	char word[16];

	if (code && code->type == ATTR_INT)
		snprintf(out, len, "%d", (int)code->i);
	else
		snprintf(out, len, "%s",
			 type			   ? text(word, sizeof(word), type)
			 : s->status == SPAN_ERROR ? "error"
						   : "ok");
}

static void tokens_put(char *out, size_t len, const struct span *s)
{
	const struct attr *in = find(s->attrs, s->attr_cnt, SC_GEN_AI_USAGE_INPUT_TOKENS);
	const struct attr *end = find(s->attrs, s->attr_cnt, SC_GEN_AI_USAGE_OUTPUT_TOKENS);
	size_t n = in ? (size_t)snprintf(out, len, "%lld/", (long long)in->i)
		      : (size_t)snprintf(out, len, "-/");

	if (end)
		snprintf(out + n, len - n, "%lld", (long long)end->i);
	else
		snprintf(out + n, len - n, "-");
}

void live_line(struct buf *out, bool color, const struct span *s)
{
	char when[16], name[24], proc[40], provider[32], model[64], both[100], status[16],
		ttft[16] = "-", dur[16], tokens[48];
	const struct attr *pid = find(s->resource, s->resource_cnt, SC_PROCESS_PID);
	const struct attr *first =
		find(s->attrs, s->attr_cnt, SC_GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK);
	time_t start = (time_t)(s->start_ns / 1000000000u);
	struct tm tm;

	localtime_r(&start, &tm);
	strftime(when, sizeof(when), "%H:%M:%S", &tm);
	snprintf(when + 8, sizeof(when) - 8, ".%03d", (int)(s->start_ns / 1000000u % 1000));
	snprintf(proc, sizeof(proc), "%s:%d",
		 text(name, sizeof(name) - 8,
		      find(s->resource, s->resource_cnt, SC_PROCESS_EXECUTABLE_NAME)),
		 pid ? (int)pid->i : 0);
	snprintf(both, sizeof(both), "%s%s/%s", s->kind == SPAN_SERVER ? "<- " : "",
		 text(provider, sizeof(provider),
		      find(s->attrs, s->attr_cnt, SC_GEN_AI_PROVIDER_NAME)),
		 text(model, sizeof(model), find(s->attrs, s->attr_cnt, SC_GEN_AI_REQUEST_MODEL)));
	status_put(status, sizeof(status), s);
	if (first && first->type == ATTR_DOUBLE)
		seconds(ttft, sizeof(ttft), first->d);
	seconds(dur, sizeof(dur), (double)(s->end_ns - s->start_ns) / 1e9);
	tokens_put(tokens, sizeof(tokens), s);
	buf_printf(out, "%-12s %-22s %-44s %s%-8s%s %8s %8s %s\n", when, proc, both,
		   color && s->status == SPAN_ERROR ? "\033[31m" : "", status,
		   color && s->status == SPAN_ERROR ? "\033[0m" : "", ttft, dur, tokens);
}
