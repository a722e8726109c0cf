/* SPDX-License-Identifier: Apache-2.0 */
/* Masking: what is kept, what is not, in one piece and at every split, and closed by default. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/redact.h"
#include "limits.h"

struct piece {
	struct ks_ev_data d;
	char data[4096];
};

/* One DATA record; the result is appended to out. */
static void push(struct redactor *r, uint64_t id, uint64_t offset, unsigned int part, const char *s,
		 size_t len, char *out)
{
	static struct piece p;

	memset(&p, 0, sizeof(p));
	p.d.h.kind = KS_EV_DATA;
	p.d.h.len = (uint32_t)(sizeof(p.d) + len);
	p.d.h.id = id;
	p.d.offset = offset;
	p.d.call_len = p.d.cap_len = (uint32_t)len;
	p.d.part = (uint16_t)part;
	memcpy(p.d.data, s, len);
	redactor_push(r, &p.d.h);
	memcpy(out + offset, p.d.data, len);
	out[offset + len] = 0;
}

static const char *mask(const char *s)
{
	static char out[8192];
	struct redactor *r = redactor_new();

	push(r, 1, 0, 0, s, strlen(s), out);
	redactor_free(r);
	return out;
}

#define HEAD \
	"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\r\n"

static void bodies(void **state)
{
	static const struct {
		const char *in, *want;
	} cases[] = {
		{ "{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"user\",\"content\":\"my \\\"secret\\\" text\"}]}",
		  "{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"user\",\"content\":\"xxxxxxxxxxxxxxxxxx\"}]}" },
		{ "{\"content\":[{\"type\":\"text\",\"text\":\"abc\"}],\"n\":12}",
		  "{\"content\":[{\"type\":\"text\",\"text\":\"xxx\"}],\"n\":12}" },
		{ "{\"input\":{\"model\":\"abc\",\"code\":\"rm\",\"n\":42}}",
		  "{\"input\":{\"model\":\"xxx\",\"code\":\"xx\",\"n\":11}}" },
		{ "{\"input\":[{\"role\":\"user\",\"content\":\"x y\"}]}",
		  "{\"input\":[{\"role\":\"user\",\"content\":\"xxx\"}]}" },
		{ "{\"prompt\":[-12.5e3,7],\"id\":\"a\"}",
		  "{\"prompt\":[-11.1e1,1],\"id\":\"a\"}" },
		{ "{\"stop\":[\"ab\",\"c\"],\"metadata\":{\"id\":\"q\",\"deep\":[{\"name\":\"w\"}]},\"id\":\"k\"}",
		  "{\"stop\":[\"xx\",\"x\"],\"metadata\":{\"id\":\"x\",\"deep\":[{\"name\":\"x\"}]},\"id\":\"k\"}" },
		{ "\"bare\"", "\"xxxx\"" },
		{ "{\"user\" : \"me\", \"usage\" : {\"total_tokens\" : 19}}",
		  "{\"user\" : \"xx\", \"usage\" : {\"total_tokens\" : 19}}" },
	};
	char in[1024], want[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		snprintf(in, sizeof(in), "%s%s", HEAD, cases[i].in);
		snprintf(want, sizeof(want), "%s%s", HEAD, cases[i].want);
		assert_string_equal(mask(in), want);
	}
}

static void heads(void **state)
{
	(void)state;
	assert_string_equal(
		mask("GET /v1/models?key=AIzaSecret&alt=sse HTTP/1.1\r\nAuthorization: Bearer sk-1\r\n"
		     "X-Api-Key:k\r\nAccept: a/b\r\n\r\n"),
		"GET /v1/models?xxx=xxxxxxxxxx&xxx=xxx HTTP/1.1\r\nAuthorization: xxxxxx xxxx\r\n"
		"X-Api-Key:x\r\nAccept: a/b\r\n\r\n");
}

static void streams(void **state)
{
	const char *in =
		"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
		"2c\r\nevent: x\ndata: {\"id\":\"c1\",\"delta\":{\"content\":\"he\r\n1f\r\nllo\"}}\n\n\r\n"
		"e\r\ndata: [DONE]\n\n\r\n9\r\ndata: hi\n\r\n0\r\n\r\n";
	const char *want =
		"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
		"2c\r\nevent: x\ndata: {\"id\":\"c1\",\"delta\":{\"content\":\"xx\r\n1f\r\nxxx\"}}\n\n\r\n"
		"e\r\ndata: [DONE]\n\n\r\n9\r\ndata: xx\n\r\n0\r\n\r\n";

	(void)state;
	assert_string_equal(mask(in), want);
}

static void closed_by_default(void **state)
{
	(void)state;
	assert_string_equal(mask("lo world\"}]}"), "xxxxxxxxxxxx"); /* joined in the middle */
	assert_string_equal(mask("GET secret\nmore"),
			    "xxxxxxxxxxxxxxx"); /* text that begins like a head */
	assert_string_equal(mask("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\nhello"),
			    "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\nxxxxx");
	assert_string_equal(
		mask("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n\r\n{\"id\""),
		"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n\r\nxxxxx");
	/* announced as JSON, but it is not: only what may be a chunk size, a number or a literal stays */
	assert_string_equal(mask(HEAD "5\r\nMy PIN\r\n"), HEAD "5\r\nxx xxx\r\n");
	assert_string_equal(mask(HEAD "{my secret} key"), HEAD "{xx sexret} xxx");
	/* a name with a blank before its colon, and a value that goes on in the next line, are still a credential */
	assert_string_equal(mask("GET / HTTP/1.1\r\nAuthorization : Bearer a\r\n sk-1\r\nA: b\r\n\r\n"),
			    "GET / HTTP/1.1\r\nAuthorization : xxxxxx x\r\n xxxx\r\nA: b\r\n\r\n");
	/* a line break inside a string is no JSON: nothing after it is trusted */
	assert_string_equal(mask(HEAD "{\"a\":\"b\nc\",\"id\":\"d\"}"),
			    HEAD "{\"a\":\"x\nxxxxxxxxxxxx");
}

static void holes(void **state)
{
	struct redactor *r = redactor_new();
	char out[1024];
	const char *head = HEAD "{\"id\":\"";

	(void)state;
	push(r, 1, 0, 0, head, strlen(head), out);
	push(r, 1, strlen(head) + 5, 0, "abc", 3, out); /* five bytes are missing */
	assert_string_equal(out + strlen(head) + 5, "xxx");
	push(r, 1, strlen(head) + 8, 0, head, strlen(head),
	     out); /* the next call begins with a head */
	assert_memory_equal(out + strlen(head) + 8, head, strlen(head));
	redactor_free(r);
}

static void every_split(void **state)
{
	const char *s = HEAD
		"{\"model\":\"gpt\",\"messages\":[{\"role\":\"user\",\"content\":\"a\\\"b\"}],\"x\":[1,2],\"id\":\"q\"}";
	const char *want = HEAD
		"{\"model\":\"gpt\",\"messages\":[{\"role\":\"user\",\"content\":\"xxxx\"}],\"x\":[1,1],\"id\":\"q\"}";
	size_t len = strlen(s), first = strcspn(s, "\n") + 1;
	char out[1024];

	(void)state;
	for (size_t at = first; at < len;
	     at++) { /* the first line decides, and comes in one call */
		struct redactor *r = redactor_new();
		push(r, 7, 0, 0, s, at, out);
		push(r, 7, at, 1, s + at, len - at, out);
		assert_string_equal(out, want);
		redactor_free(r);
	}
}

/* Whatever comes: same length, and no letter of a text that was never announced as readable. */
static void noise(void **state)
{
	static const char set[] = "\"{}[]:,\\\r\n0aZ data";
	struct redactor *r = redactor_new();
	char in[300], out[8192];

	(void)state;
	srand(1);
	for (int i = 0; i < 20000; i++) {
		size_t len = (size_t)rand() % sizeof(in);
		for (size_t j = 0; j < len; j++)
			in[j] = set[(size_t)rand() % (sizeof(set) - 1)];
		push(r, (uint64_t)i % 9000, 0, 0, in, len, out);
		for (size_t j = 0; j < len; j++)
			assert_int_equal(out[j], 'x');
	}
	redactor_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bodies),      cmocka_unit_test(heads),
		cmocka_unit_test(streams),     cmocka_unit_test(holes),
		cmocka_unit_test(every_split), cmocka_unit_test(closed_by_default),
		cmocka_unit_test(noise),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
