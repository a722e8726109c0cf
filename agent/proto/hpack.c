/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A block is cut into its representations (RFC 7541 section 6), which go to nghttp2's inflater one by one, but those
 * that refer to an entry beyond the table. Entries are counted from the newest, so after a loss an empty table holds
 * what it should as far as it goes; an entry whose name is not known enters under a name that no field can have.
 * Loop thread; every byte of the tables comes from mem_new().
 */
#include "proto/hpack.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stdlib.h>

#include "limits.h"

#define UNKNOWN	     "?"  /* not a token (RFC 9110 section 5.6.2) */
#define TABLE_LEN    4096 /* at the start of a connection (RFC 9113 section 6.5.2) */
#define SIZE_UPDATE  0x20 /* RFC 7541 section 6.3 */
#define BLOCK_HEADER 16	  /* its length, and alignment */

struct hpacks {
	nghttp2_mem mem;
	size_t bytes;
};

/* Memory */

static void *mem_new(size_t len, void *ctx)
{
	struct hpacks *all = ctx;
	size_t *block;

	if (len > KS_HPACK_MEM - all->bytes)
		return NULL;
	block = malloc(len + BLOCK_HEADER);
	if (!block)
		return NULL;
	*block = len;
	all->bytes += len;
	return (char *)block + BLOCK_HEADER;
}

static void mem_free(void *ptr, void *ctx)
{
	struct hpacks *all = ctx;

	if (!ptr)
		return;
	ptr = (char *)ptr - BLOCK_HEADER;
	all->bytes -= *(size_t *)ptr;
	free(ptr);
}

static void *mem_zeroed(size_t cnt, size_t len, void *ctx)
{
	void *ptr = len && cnt > KS_HPACK_MEM / len ? NULL : mem_new(cnt * len, ctx);

	if (ptr)
		memset(ptr, 0, cnt * len);
	return ptr;
}

static void *mem_resize(void *old, size_t len, void *ctx)
{
	void *ptr = mem_new(len, ctx);
	size_t had = old ? *(size_t *)((char *)old - BLOCK_HEADER) : 0;

	if (!ptr)
		return NULL;
	memcpy(ptr, old, had < len ? had : len);
	mem_free(old, ctx);
	return ptr;
}

int hpacks_new(struct hpacks **ret)
{
	struct hpacks *all = calloc(1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	all->mem = (nghttp2_mem){ all, mem_new, mem_free, mem_zeroed, mem_resize };
	*ret = all;
	return 0;
}

void hpacks_free(struct hpacks *all)
{
	free(all);
}

size_t hpacks_used(const struct hpacks *all)
{
	return all->bytes;
}

size_t hpacks_bytes(void)
{
	return sizeof(struct hpacks) + KS_HPACK_MEM;
}

/* The table */

void hpack_done(struct hpack *h)
{
	if (h->inflater)
		nghttp2_hd_inflate_del(h->inflater);
	h->inflater = NULL;
}

struct taker {
	hpack_fn fn;
	void *ctx;
	bool holes;
};

/* Bytes of one representation, the last ones or not. */
static bool feed(struct hpack *h, struct slice in, bool last, struct taker *taker)
{
	nghttp2_nv nv;
	int flags = 0;
	ssize_t len = nghttp2_hd_inflate_hd2(h->inflater, &nv, &flags, (const uint8_t *)in.ptr,
					     in.len, last);

	if (len < 0 || (size_t)len != in.len)
		return false;
	if (flags & NGHTTP2_HD_INFLATE_EMIT) {
		struct slice name = { (const char *)nv.name, nv.namelen },
			     value = { (const char *)nv.value, nv.valuelen };

		if (slice_eq(name, SLICE(UNKNOWN)))
			taker->holes = true;
		else
			taker->fn(taker->ctx, name, value);
	}
	return !last || nghttp2_hd_inflate_end_headers(h->inflater) == 0;
}

static bool resize(struct hpack *h, uint32_t len)
{
	char text[8];
	size_t at = 1;

	text[0] = (char)(SIZE_UPDATE | (len < 31 ? len : 31));
	if (len >= 31) { /* RFC 7541 section 5.1 */
		for (len -= 31; len >= 128; len >>= 7)
			text[at++] = (char)(0x80 | (len & 0x7f));
		text[at++] = (char)len;
	}
	return feed(h, (struct slice){ text, at }, true, NULL);
}

void hpack_forget(struct hpack *h)
{
	uint32_t len = h->table ? h->table : TABLE_LEN;

	if (h->inflater && !(resize(h, 0) && resize(h, len)))
		hpack_done(h);
}

/* The encoder may use any size up to what the other side allows; what it does use it says (RFC 7541 section 4.2). */
static bool ready(struct hpack *h, struct hpacks *all)
{
	if (h->inflater)
		return true;
	if (nghttp2_hd_inflate_new2(&h->inflater, &all->mem) != 0) {
		h->inflater = NULL;
		return false;
	}
	if (nghttp2_hd_inflate_change_table_size(h->inflater, KS_H2_TABLE) == 0 &&
	    (!h->table || resize(h, h->table)))
		return true;
	hpack_done(h);
	return false;
}

/* Representations */

/* RFC 7541 section 5.1: an integer of a `bits`-bit prefix at the front of *in. */
static bool integer(struct slice *in, int bits, uint32_t *ret)
{
	uint64_t value, max = (1u << bits) - 1;

	if (!in->len)
		return false;
	value = (unsigned char)*in->ptr & max;
	*in = slice_from(*in, 1);
	if (value == max) {
		bool more = true;

		for (int shift = 0; more && shift <= 28; shift += 7) {
			if (!in->len)
				return false;
			value += (uint64_t)(*in->ptr & 0x7f) << shift;
			more = *in->ptr & 0x80;
			*in = slice_from(*in, 1);
		}
		if (more || value > UINT32_MAX)
			return false;
	}
	*ret = (uint32_t)value;
	return true;
}

/* RFC 7541 section 5.2: step over a string. */
static bool string(struct slice *in)
{
	uint32_t len;

	if (!integer(in, 7, &len) || len > in->len)
		return false;
	*in = slice_from(*in, len);
	return true;
}

struct item { /* one representation */
	enum { INDEXED, INSERT, PLAIN, RESIZE } kind;
	uint32_t index; /* of the field or its name; the new size */
	struct slice raw, value;
};

static bool item_next(struct slice *in, struct item *ret)
{
	unsigned char first = (unsigned char)*in->ptr;
	int bits = first & 0x80 ? 7 : first & 0x40 ? 6 : first & 0x20 ? 5 : 4;

	ret->kind = bits == 7 ? INDEXED : bits == 6 ? INSERT : bits == 5 ? RESIZE : PLAIN;
	if (!integer(in, bits, &ret->index))
		return false;
	if (ret->kind == INSERT || ret->kind == PLAIN) {
		if (!ret->index && !string(in))
			return false;
		ret->value = *in;
		if (!string(in))
			return false;
		ret->value.len -= in->len;
	}
	return true;
}

static bool item_take(struct hpack *h, const struct item *item, struct taker *taker)
{
	static const char unknown[] = "\x40\x01" UNKNOWN; /* a new name, to be inserted */

	if (item->kind == RESIZE) {
		h->table = item->index < KS_H2_TABLE ? item->index : KS_H2_TABLE;
		return resize(h, h->table);
	}
	if (item->index <= nghttp2_hd_inflate_get_num_table_entries(h->inflater))
		return feed(h, item->raw, true, taker);
	taker->holes = true;
	return item->kind != INSERT ||
	       (feed(h, SLICE(unknown), false, taker) && feed(h, item->value, true, taker));
}

enum hpack_result hpack_block(struct hpack *h, struct hpacks *all, struct slice block, hpack_fn fn,
			      void *ctx)
{
	struct taker taker = { fn, ctx, false };
	struct item item;

	if (!ready(h, all))
		return HPACK_BAD;
	while (block.len) {
		struct slice rest = block;

		item = (struct item){ 0 };
		if (!item_next(&rest, &item))
			break;
		item.raw = (struct slice){ block.ptr, block.len - rest.len };
		if (!item_take(h, &item, &taker))
			break;
		block = rest;
	}
	if (block.len) { /* the inflater may be in the middle of something */
		hpack_done(h);
		return HPACK_BAD;
	}
	return taker.holes ? HPACK_HOLES : HPACK_WHOLE;
}
