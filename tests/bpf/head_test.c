/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel side decides from the first eight bytes of a call (bpf/head.bpf.h), compiled for the host. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <linux/types.h>

#include "limits.h"

#include "head.bpf.h"

static __u64 word(const char *s)
{
	__u64 w = 0;
	size_t n = strlen(s);

	memcpy(&w, s, n < sizeof(w) ? n : sizeof(w));
	return w;
}

static void test_heads(void **state)
{
	(void)state;
	static const char *const requests[] = { "POST /v1", "GET / HT", "PUT /a b", "HEAD / H",
						"PATCH /x", "DELETE /", "OPTIONS " };

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		assert_int_equal(ks_head_of(word(requests[i])), KS_HEAD_REQUEST);
	assert_int_equal(ks_head_of(word("CONNECT ")), KS_HEAD_CONNECT);
	assert_int_equal(ks_head_of(word("HTTP/1.1")), KS_HEAD_RESPONSE);
	assert_int_equal(ks_head_of(word("HTTP/1.0")), KS_HEAD_RESPONSE);
	assert_int_equal(ks_head_of(word("PRI * HT")), KS_HEAD_H2);
}

static void test_not_heads(void **state)
{
	(void)state;
	static const char *const others[] = { "",	    "P",	"POST",	    "POSTGRES",
					      "post /v1",   " GET / H", "GET\t/ H", "HTTP/2 2",
					      "HTTP/1",	    "{\"a\":",	"PRI *",    "data: {",
					      "\n\r\nHTTP", "SSH-2.0-" };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(ks_head_of(word(others[i])), KS_HEAD_NONE);
}

static void test_tls_records(void **state)
{
	(void)state;
	assert_int_equal(ks_head_of(word("\x16\x03\x01\x02")), KS_HEAD_TLS);
	assert_int_equal(ks_head_of(word("\x17\x03\x03\x40")), KS_HEAD_TLS);
	assert_int_equal(ks_head_of(word("\x14\x03\x04\x01")), KS_HEAD_TLS);
	assert_int_equal(ks_head_of(word("\x13\x03\x01\x02")), KS_HEAD_NONE);
	assert_int_equal(ks_head_of(word("\x18\x03\x01\x02")), KS_HEAD_NONE);
	assert_int_equal(ks_head_of(word("\x16\x03\x05\x02")), KS_HEAD_NONE);
	assert_int_equal(ks_head_of(word("\x16\x02\x01\x02")), KS_HEAD_NONE);
}

static void test_caps(void **state)
{
	(void)state;
	const __u32 all = KS_CALL_CAP;

	assert_int_equal(ks_copy_cap(KS_HEAD_NONE, false, false, all), 0);
	assert_int_equal(ks_copy_cap(KS_HEAD_NONE, true, false, all), all);
	assert_int_equal(ks_copy_cap(KS_HEAD_REQUEST, true, false, all), all);
	assert_int_equal(ks_copy_cap(KS_HEAD_NONE, true, true, all), 0);
	assert_int_equal(ks_copy_cap(KS_HEAD_REQUEST, true, true, all), 16384);
	assert_int_equal(ks_copy_cap(KS_HEAD_CONNECT, true, true, all), 16384);
	assert_int_equal(ks_copy_cap(KS_HEAD_RESPONSE, true, true, all), 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_heads),
		cmocka_unit_test(test_not_heads),
		cmocka_unit_test(test_tls_records),
		cmocka_unit_test(test_caps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
