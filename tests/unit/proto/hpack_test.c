/* SPDX-License-Identifier: Apache-2.0 */
/* Header compression: the examples of RFC 7541 appendix C, broken blocks, and random ones of which some are lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <nghttp2/nghttp2.h>

#include "limits.h"
#include "proto/hpack.h"

struct list {
	char text[4096]; /* "name: value\n", ... */
	size_t len;
};

static void add(void *ctx, struct slice name, struct slice value)
{
	struct list *list = ctx;

	assert_true(list->len + name.len + value.len + 4 < sizeof(list->text));
	list->len += (size_t)sprintf(list->text + list->len, "%.*s: %.*s\n", (int)name.len,
				     name.ptr, (int)value.len, value.ptr);
}

static struct hpacks *all_new(void)
{
	struct hpacks *all;

	assert_int_equal(hpacks_new(&all), 0);
	return all;
}

static void all_free(struct hpacks *all)
{
	assert_int_equal(hpacks_used(all), 0);
	hpacks_free(all);
}

static size_t unhex(const char *hex, char *out)
{
	size_t len = 0;

	for (; *hex; hex += 2) {
		unsigned int byte;

		assert_int_equal(sscanf(hex, "%2x", &byte), 1);
		out[len++] = (char)byte;
	}
	return len;
}

static void check(struct hpack *h, struct hpacks *all, const char *hex, const char *want)
{
	struct list list = { .len = 0 };
	char block[512];
	struct slice in = { block, unhex(hex, block) };

	assert_int_equal(hpack_block(h, all, in, add, &list), HPACK_WHOLE);
	assert_string_equal(list.text, want);
}

#define FIRST  ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\n"
#define SECOND FIRST "cache-control: no-cache\n"
#define THIRD                                                                             \
	":method: GET\n:scheme: https\n:path: /index.html\n:authority: www.example.com\n" \
	"custom-key: custom-value\n"
#define DATE "date: Mon, 21 Oct 2013 20:13:2"
#define REST "location: https://www.example.com\n"

static const struct {
	const char *hex, *want;
	bool begins; /* a connection of its own */
} examples[] = {
	/* C.2 */
	{ "400a637573746f6d2d6b65790d637573746f6d2d686561646572", "custom-key: custom-header\n",
	  true },
	{ "040c2f73616d706c652f70617468", ":path: /sample/path\n", true },
	{ "100870617373776f726406736563726574", "password: secret\n", true },
	{ "82", ":method: GET\n", true },
	/* C.3 */
	{ "828684410f7777772e6578616d706c652e636f6d", FIRST, true },
	{ "828684be58086e6f2d6361636865", SECOND, false },
	{ "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565", THIRD, false },
	/* C.4 */
	{ "828684418cf1e3c2e5f23a6ba0ab90f4ff", FIRST, true },
	{ "828684be5886a8eb10649cbf", SECOND, false },
	{ "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf", THIRD, false },
	/* C.5: the encoder's table is smaller than ours */
	{ "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e17687474"
	  "70733a2f2f7777772e6578616d706c652e636f6d",
	  ":status: 302\ncache-control: private\n" DATE "1 GMT\n" REST, true },
	{ "4803333037c1c0bf", ":status: 307\ncache-control: private\n" DATE "1 GMT\n" REST, false },
	{ "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a"
	  "4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31",
	  ":status: 200\ncache-control: private\n" DATE "2 GMT\n" REST "content-encoding: gzip\n"
	  "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1\n",
	  false },
	/* C.6 */
	{ "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae"
	  "82ae43d3",
	  ":status: 302\ncache-control: private\n" DATE "1 GMT\n" REST, true },
	{ "4883640effc1c0bf", ":status: 307\ncache-control: private\n" DATE "1 GMT\n" REST, false },
	{ "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960"
	  "d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
	  ":status: 200\ncache-control: private\n" DATE "2 GMT\n" REST "content-encoding: gzip\n"
	  "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1\n",
	  false },
};

static void test_examples(void **state)
{
	struct hpacks *all = all_new();
	struct hpack h = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
		if (examples[i].begins) {
			hpack_done(&h);
			h = (struct hpack){ 0 };
		}
		check(&h, all, examples[i].hex, examples[i].want);
	}
	hpack_done(&h);
	all_free(all);
}

static enum hpack_result push(struct hpack *h, struct hpacks *all, const char *hex,
			      struct list *list)
{
	char block[256];
	struct slice in = { block, unhex(hex, block) };

	*list = (struct list){ .len = 0 };
	return hpack_block(h, all, in, add, list);
}

static void test_broken(void **state)
{
	static const char *const blocks[] = { "80",
					      "ff",
					      "40",
					      "4003",
					      "400161",
					      "40016105",
					      "ffffffffffff0f",
					      "ff80808080808001",
					      "0001ff",
					      "00016181ff",
					      "3f" };
	struct hpacks *all = all_new();
	struct hpack h = { 0 };
	struct list list;

	(void)state;
	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		assert_int_equal(push(&h, all, "82", &list), HPACK_WHOLE);
		if (push(&h, all, blocks[i], &list) == HPACK_WHOLE)
			assert_string_equal(blocks[i], "0001ff");
	}
	hpack_done(&h);
	all_free(all);
}

/* Every way to refer to an entry that was not seen, and entries behind it. */
static void test_unknown(void **state)
{
	struct hpacks *all = all_new();
	struct hpack h = { 0 };
	struct list list;

	(void)state;
	check(&h, all, "400161016240016301644001650166", "a: b\nc: d\ne: f\n");
	hpack_forget(&h);
	assert_int_equal(push(&h, all, "82be84", &list), HPACK_HOLES); /* 62 */
	assert_string_equal(list.text, ":method: GET\n:path: /\n");
	assert_int_equal(push(&h, all, "0f2f0178", &list), HPACK_HOLES); /* 62: x */
	assert_int_equal(push(&h, all, "7e017840016701687f000179", &list),
			 HPACK_HOLES); /* 62: x, g: h, 63: y */
	assert_string_equal(list.text, "g: h\n");
	assert_int_equal(push(&h, all, "bfbec0c1", &list),
			 HPACK_HOLES); /* g: h, then what has no name */
	assert_string_equal(list.text, "g: h\n");
	check(&h, all, "203fe11f400169016abe", "i: j\ni: j\n"); /* the encoder empties its table */
	check(&h, all, "3fe1ff3f40016b016cbebf",
	      "k: l\nk: l\ni: j\n"); /* and makes it larger than ours */
	assert_true(hpacks_used(all) > 0);
	hpack_done(&h);
	all_free(all);
}

static uint32_t seed = 1;
static uint32_t roll(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

/* What is given is a part of what was sent, in its order; when nothing is said to be missing it is all. */
static void compare(const struct list *sent, const struct list *seen, enum hpack_result result)
{
	const char *at = sent->text;

	assert_int_not_equal(result, HPACK_BAD);
	if (result == HPACK_WHOLE)
		assert_string_equal(sent->text, seen->text);
	for (const char *line = seen->text; *line; line = strchr(line, '\n') + 1) {
		size_t len = (size_t)(strchr(line, '\n') - line) + 1;

		while (*at && strncmp(at, line, len))
			at = strchr(at, '\n') + 1;
		assert_true(*at);
		at += len;
	}
}

static void test_random(void **state)
{
	struct hpacks *all = all_new();
	size_t whole = 0, holes = 0;

	(void)state;
	for (int round = 0; round < 300; round++) {
		struct hpack h = { 0 };
		nghttp2_hd_deflater *d;

		assert_int_equal(nghttp2_hd_deflate_new(&d, 1 << (8 + roll(10))), 0);
		for (int i = 0; i < 100; i++) {
			struct list sent = { .len = 0 }, seen = { .len = 0 };
			char text[16][2][24];
			uint8_t block[4096];
			nghttp2_nv nv[16];
			size_t cnt = 1 + roll(16);
			ssize_t len;

			if (!roll(20))
				nghttp2_hd_deflate_change_table_size(d, 1u << (7 + roll(11)));
			for (size_t k = 0; k < cnt; k++) {
				int n = sprintf(text[k][0], "name-%u", roll(20)),
				    v = sprintf(text[k][1], "value-%u",
						roll(4) ? roll(5) : roll(9999));

				nv[k] = (nghttp2_nv){ (uint8_t *)text[k][0], (uint8_t *)text[k][1],
						      (size_t)n, (size_t)v,
						      roll(9) ? 0 : NGHTTP2_NV_FLAG_NO_INDEX };
				add(&sent, slice_str(text[k][0]), slice_str(text[k][1]));
			}
			len = nghttp2_hd_deflate_hd(d, block, sizeof(block), nv, cnt);
			assert_true(len > 0);
			if (round && !roll(15)) {
				hpack_forget(&h);
				continue;
			}
			enum hpack_result result = hpack_block(
				&h, all, (struct slice){ (char *)block, (size_t)len }, add, &seen);
			compare(&sent, &seen, result);
			whole += result == HPACK_WHOLE;
			holes += result == HPACK_HOLES;
		}
		nghttp2_hd_deflate_del(d);
		hpack_done(&h);
	}
	print_message("%zu blocks whole, %zu with holes\n", whole, holes);
	assert_true(whole > holes && holes);
	all_free(all);
}

/* Tables fill up to the limit and no further; then blocks are bad, and others go on when there is room. */
static void test_memory(void **state)
{
	struct hpacks *all = all_new();
	size_t cnt = 40000, bad = 0;
	struct hpack *h = calloc(cnt, sizeof(*h));
	char block[3000] = "\x40\x01z\x7f\xb1\x16";
	struct list list;

	(void)state;
	assert_non_null(h);
	memset(block + 6, 'v', sizeof(block) - 6);
	for (size_t i = 0; i < cnt; i++) {
		list.len = 0;
		bad += hpack_block(&h[i], all,
				   (struct slice){ block, 6 + 127 + 0x31 + (0x16 << 7) }, add,
				   &list) == HPACK_BAD;
		assert_true(hpacks_used(all) <= KS_HPACK_MEM);
	}
	assert_true(bad && bad < cnt);
	for (size_t i = 0; i < cnt; i++)
		hpack_done(&h[i]);
	assert_int_equal(push(h, all, "82", &list), HPACK_WHOLE);
	hpack_done(h);
	free(h);
	all_free(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples), cmocka_unit_test(test_broken),
		cmocka_unit_test(test_unknown),	 cmocka_unit_test(test_random),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
