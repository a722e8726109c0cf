/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast the JSON scanner is: chat events plain and repeated, a request with long strings, nested skipped values.
 * Prints "name value unit": the median of rounds, each of about 20 ms of CPU time of this thread.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json.h"

#define ROUNDS 21
#define DOCS 512

static const struct json_path paths[] = {
	{ "id", 0, false },
	{ "model", 1, false },
	{ "service_tier", 2, false },
	{ "system_fingerprint", 3, false },
	{ "choices[].index", 4, false },
	{ "choices[].delta.content", 5, true },
	{ "choices[].delta.refusal", 6, true },
	{ "choices[].delta.tool_calls[].function.name", 7, false },
	{ "choices[].finish_reason", 8, false },
	{ "usage.prompt_tokens", 9, false },
	{ "usage.completion_tokens", 10, false },
	{ "error.code", 11, false },
	{ "messages[]", 12, false },
	{ "stream", 13, false },
};

static uint64_t values;

static void on_value(void *ctx, const struct json_value *v)
{
	(void)ctx;
	values += v->text.len + (unsigned int)v->id;
}

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static struct slice docs[DOCS];
static size_t doc_cnt;
static uint64_t bytes;

static void doc_add(const char *text, size_t len)
{
	char *copy = malloc(len);

	memcpy(copy, text, len);
	docs[doc_cnt++] = (struct slice){ copy, len };
	bytes += len;
}

static void docs_clear(void)
{
	while (doc_cnt)
		free((void *)(uintptr_t)docs[--doc_cnt].ptr);
	bytes = 0;
}

static void scan_all(struct json_scan *s)
{
	for (size_t i = 0; i < doc_cnt; i++) {
		json_scan_reset(s);
		json_scan_feed(s, docs[i]);
	}
}

static void repeat_all(struct json_scan *s, struct json_repeat *r, const struct json_paths *compiled)
{
	for (size_t i = 0; i < doc_cnt; i++) {
		if (json_repeat_match(r, docs[i], on_value, NULL))
			continue;
		json_scan_reset(s);
		json_scan_feed(s, docs[i]);
		json_repeat_learn(r, compiled, docs[i]);
	}
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void bench(const char *name, bool repeat)
{
	struct json_paths *compiled = json_paths_new(paths, sizeof(paths) / sizeof(paths[0]));
	double rate[ROUNDS];
	struct json_repeat r;
	struct json_scan s;

	json_scan_init(&s, compiled, on_value, NULL);
	json_repeat_init(&r);
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t start = cpu_ns(), now, loops = 0;

		do {
			for (int i = 0; i < 8; i++, loops++)
				if (repeat)
					repeat_all(&s, &r, compiled);
				else
					scan_all(&s);
			now = cpu_ns();
		} while (now - start < 20000000u);
		rate[round] = (double)(loops * bytes) / (double)(now - start);
	}
	qsort(rate, ROUNDS, sizeof(rate[0]), by_value);
	printf("%-28s %6.2f GB/s  [%.2f-%.2f]  %6.1f ns/document\n", name, rate[ROUNDS / 2], rate[2], rate[ROUNDS - 3],
	       (double)bytes / (double)doc_cnt / rate[ROUNDS / 2]);
	json_paths_free(compiled);
}

static void chat_events(void)
{
	static const char *const words[] = { " the", " quick", " brown", " fox", ",", " jumps", "\\n\\n", " over", " a", " lazy", " dog", "." };
	char doc[1024];

	for (unsigned int i = 0; i < DOCS; i++) {
		int len = snprintf(doc, sizeof(doc),
				   "{\"id\":\"chatcmpl-AbCdEfGhIjKlMnOpQrStUvWxYz012\",\"object\":\"chat.completion.chunk\",\"created\":1763900000,"
				   "\"model\":\"gpt-4o-2024-08-06\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_44709d6fcb\","
				   "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"},\"logprobs\":null,\"finish_reason\":null}],"
				   "\"usage\":null,\"obfuscation\":\"%.*s\"}",
				   words[i * 7 % 12], (int)(i * 5 % 16), "aB3dE6gH9jK2mN5pQ8");

		doc_add(doc, (size_t)len);
	}
}

static void request(bool nested)
{
	size_t cap = 256 * 1024, len = 0;
	char *doc = malloc(cap + 1024);

	len += (size_t)sprintf(doc, "{\"model\":\"gpt-4o\",\"stream\":true,\"%s\":[", nested ? "tools" : "messages");
	while (len < cap)
		len += (size_t)sprintf(doc + len, "%s",
				       nested ? "{\"type\":\"function\",\"function\":{\"name\":\"get\",\"parameters\":{\"a\":{\"type\":\"string\"},"
						"\"required\":[\"a\",\"b\"]}}}," :
				       "{\"role\":\"user\",\"content\":\"Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod "
				       "tempor incididunt ut labore et dolore magna aliqua. Ut enim ad minim veniam, quis nostrud "
				       "exercitation ullamco laboris nisi ut aliquip ex ea commodo consequat. Duis aute irure dolor in "
				       "reprehenderit in voluptate velit esse cillum dolore eu fugiat nulla pariatur.\\n\\nExcepteur "
				       "sint occaecat cupidatat non proident, sunt in culpa qui officia deserunt mollit anim id est "
				       "laborum. Sed ut perspiciatis unde omnis iste natus error sit voluptatem accusantium.\"},");
	doc[len - 1] = ']';
	doc[len++] = '}';
	doc_add(doc, len);
	free(doc);
}

static void long_string(void)
{
	size_t len = 256 * 1024;
	char *doc = malloc(len);

	memset(doc, 'x', len);
	memcpy(doc, "{\"data\":\"", 9);
	memcpy(doc + len - 2, "\"}", 2);
	doc_add(doc, len);
	free(doc);
}

int main(void)
{
	chat_events();
	bench("json_chat_plain", false);
	bench("json_chat_repeat", true);
	docs_clear();
	request(false);
	bench("json_request_messages", false);
	docs_clear();
	request(true);
	bench("json_request_tools", false);
	docs_clear();
	long_string();
	bench("json_long_string", false);
	docs_clear();
	return values == 0;
}
