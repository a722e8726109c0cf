/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The byte searches of the JSON scanner: 16 bytes at a time with SSE2, which every x86-64 has, else 8 with plain
 * arithmetic. None reads outside the bytes it is given. Only base/json_*.c include this.
 */
#pragma once

#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define JSON_INLINE static inline __attribute__((always_inline))

/* Eight bytes: 0x80 in each that equals c, exact up to the first match. */
JSON_INLINE uint64_t json_swar_eq(uint64_t word, uint8_t c)
{
	uint64_t x = word ^ (0x0101010101010101u * c);

	return (x - 0x0101010101010101u) & ~x & 0x8080808080808080u;
}

#ifdef __SSE2__
JSON_INLINE unsigned int json_mask_quote(const char *p)
{
	__m128i v = _mm_loadu_si128((const __m128i *)p);

	return (unsigned int)_mm_movemask_epi8(_mm_or_si128(
		_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'))));
}

/* 64 bytes without quote and backslash are skipped at once. */
JSON_INLINE const char *json_skip_plain(const char *p, const char *end)
{
	const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');

	for (; end - p >= 64; p += 64) {
		__m128i any = _mm_setzero_si128();

		for (int i = 0; i < 64; i += 16) {
			__m128i v = _mm_loadu_si128((const __m128i *)(p + i));

			any = _mm_or_si128(any, _mm_or_si128(_mm_cmpeq_epi8(v, quote),
							     _mm_cmpeq_epi8(v, slash)));
		}
		if (_mm_movemask_epi8(any))
			break;
	}
	return p;
}
#endif

/* The first '"' or '\\' in [p, end), or end. */
JSON_INLINE const char *json_find_quote(const char *p, const char *end)
{
#ifdef __SSE2__
	for (int near = 0; end - p >= 16; p += 16) {
		unsigned int mask = json_mask_quote(p);

		if (mask)
			return p + __builtin_ctz(mask);
		if (++near == 4)
			p = json_skip_plain(p + 16, end) - 16;
	}
#elif __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	for (; end - p >= 8; p += 8) {
		uint64_t word, mask;

		memcpy(&word, p, 8);
		mask = json_swar_eq(word, '"') | json_swar_eq(word, '\\');
		if (mask)
			return p + __builtin_ctzll(mask) / 8;
	}
#endif
	while (p < end && *p != '"' && *p != '\\')
		p++;
	return p;
}

/* How many bytes a and b have in common at their beginning, at most n. */
JSON_INLINE size_t json_common(const char *a, const char *b, size_t n)
{
	size_t i = 0;

#ifdef __SSE2__
	for (; i + 16 <= n; i += 16) {
		__m128i eq = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(a + i)),
					    _mm_loadu_si128((const __m128i *)(b + i)));
		unsigned int mask = (unsigned int)_mm_movemask_epi8(eq) ^ 0xffffu;

		if (mask)
			return i + (size_t)__builtin_ctz(mask);
	}
#endif
	for (; i + 8 <= n; i += 8) {
		uint64_t x, y;

		memcpy(&x, a + i, 8);
		memcpy(&y, b + i, 8);
		if (x != y)
			break;
	}
	while (i < n && a[i] == b[i])
		i++;
	return i;
}

/* Bit i of each mask stands for byte i of 64. */
struct json_block {
	uint64_t quote, slash, open, close;
};

/* p: 64 readable bytes. '[' and '{', ']' and '}' differ in bit 0x20 only. */
JSON_INLINE struct json_block json_block(const char *p)
{
	struct json_block b = { 0, 0, 0, 0 };

#ifdef __SSE2__
	for (int i = 0; i < 64; i += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(p + i));
		__m128i low = _mm_or_si128(v, _mm_set1_epi8(0x20));
		__m128i q = _mm_cmpeq_epi8(v, _mm_set1_epi8('"')),
			s = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
		__m128i o = _mm_cmpeq_epi8(low, _mm_set1_epi8('{')),
			c = _mm_cmpeq_epi8(low, _mm_set1_epi8('}'));

		b.quote |= (uint64_t)(uint32_t)_mm_movemask_epi8(q) << i;
		b.slash |= (uint64_t)(uint32_t)_mm_movemask_epi8(s) << i;
		b.open |= (uint64_t)(uint32_t)_mm_movemask_epi8(o) << i;
		b.close |= (uint64_t)(uint32_t)_mm_movemask_epi8(c) << i;
	}
#else
	for (int i = 0; i < 64; i++) {
		b.quote |= (uint64_t)(p[i] == '"') << i;
		b.slash |= (uint64_t)(p[i] == '\\') << i;
		b.open |= (uint64_t)((p[i] | 0x20) == '{') << i;
		b.close |= (uint64_t)((p[i] | 0x20) == '}') << i;
	}
#endif
	return b;
}

/* Bit i: the parity of bits 0..i. From quotes it makes "inside a string, opening quote included". */
JSON_INLINE uint64_t json_prefix_xor(uint64_t x)
{
	for (int i = 1; i < 64; i <<= 1)
		x ^= x << i;
	return x;
}
