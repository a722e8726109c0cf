/* SPDX-License-Identifier: Apache-2.0 */
/* The collector's responses, whole and cut at every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "export/reply.h"
#include "limits.h"

struct want {
	const char *text;
	enum reply_result result;
	bool eof;
	int status;
	const char *body;
	bool keep_alive;
};

static const struct want cases[] = {
	{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", REPLY_DONE, false, 200, "ab", true },
	{ "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", REPLY_DONE, false, 200, "", true },
	{ "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", REPLY_DONE, false, 200, "a", false },
	{ "HTTP/1.1 200 OK\nContent-Length: 1\nConnection: close\n\na", REPLY_DONE, false, 200, "a", false },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nT: 1\r\n\r\n",
	  REPLY_DONE, false, 200, "abc0123456789", true },
	{ "HTTP/1.1 200 OK\r\n\r\nto the end", REPLY_DONE, true, 200, "to the end", false },
	{ "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", REPLY_DONE, false, 204, "", true },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", REPLY_BAD, true, 200, "ab", false },
	{ "HTTP/2 200 OK\r\n\r\n", REPLY_BAD, false, 0, "", false },
	{ "HTTP/1.1 2x0 OK\r\n\r\n", REPLY_BAD, false, 2, "", false },
	{ "HTTP/1.1 200 OK\r\nno colon\r\n\r\n", REPLY_BAD, false, 200, "", false },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", REPLY_BAD, false, 200, "", false },
	{ "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", REPLY_BAD, false, 200, "", false },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", REPLY_BAD, false, 200, "", false },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", REPLY_BAD, false, 200, "a", false },
	{ "HTTP/1.1 101 Switching\r\n\r\n", REPLY_BAD, false, 0, "", false },
};

static void whole_and_cut(void **state)
{
	static struct reply r;

	(void)state;
	reply_init(&r);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct slice text = slice_str(cases[i].text);

		for (size_t cut = 0; cut <= text.len; cut++) {
			enum reply_result result;

			reply_reset(&r);
			result = reply_push(&r, (struct slice){ text.ptr, cut });
			if (result != REPLY_BAD)
				result = reply_push(&r, slice_from(text, cut));
			if (cases[i].eof)
				result = reply_eof(&r);
			assert_int_equal(result, cases[i].result);
			assert_int_equal(r.keep_alive, cases[i].keep_alive);
			if (result != REPLY_DONE)
				continue;
			assert_int_equal(r.status, cases[i].status);
			assert_true(slice_eq(buf_slice(&r.body), slice_str(cases[i].body)));
		}
	}
	reply_done(&r);
}

static void retry_after(void **state)
{
	static struct reply r;

	(void)state;
	reply_init(&r);
	reply_push(&r, SLICE("HTTP/1.1 503 Busy\r\nRetry-After: 17\r\nContent-Length: 0\r\n\r\n"));
	assert_true(r.retry_after_s == 17);
	reply_reset(&r);
	reply_push(&r, SLICE("HTTP/1.1 429 No\r\nretry-after:  Sun, 06 Nov 1994 08:49:37 GMT \r\nContent-Length: 0\r\n\r\n"));
	assert_true(r.retry_after_s == -1 && r.retry_after_at == 784111777);
	reply_reset(&r);
	reply_push(&r, SLICE("HTTP/1.1 429 No\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n"));
	assert_true(r.retry_after_s == -1 && r.retry_after_at == 0);
	reply_done(&r);
}

static void bounded(void **state)
{
	static char big[REPLY_LINE + 1];
	static struct reply r;
	enum reply_result result = REPLY_MORE;

	(void)state;
	memset(big, 'x', sizeof(big));
	reply_init(&r);
	assert_int_equal(reply_push(&r, (struct slice){ big, sizeof(big) }), REPLY_BAD);
	reply_reset(&r);
	assert_int_equal(reply_push(&r, SLICE("HTTP/1.1 200 OK\r\nContent-Length: 4194305\r\n\r\n")), REPLY_BAD);
	assert_true(r.too_large);
	reply_reset(&r);
	reply_push(&r, SLICE("HTTP/1.1 200 OK\r\n\r\n"));
	for (int i = 0; i < KS_REPLY_BYTES / REPLY_LINE + 1 && result == REPLY_MORE; i++)
		result = reply_push(&r, (struct slice){ big, sizeof(big) });
	assert_int_equal(result, REPLY_BAD);
	assert_true(r.too_large);
	reply_reset(&r);
	reply_push(&r, SLICE("HTTP/1.1 200 OK\r\n"));
	for (int i = 0; i < REPLY_LINES; i++)
		result = reply_push(&r, SLICE("a: b\r\n"));
	assert_int_equal(result, REPLY_BAD);
	reply_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_and_cut), cmocka_unit_test(retry_after), cmocka_unit_test(bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
