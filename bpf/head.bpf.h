/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What the first bytes of a call say: a pure function of eight bytes, also compiled for the host
 * (tests/bpf). RFC 9112 section 3 (request line), section 4 (status line); RFC 9113 section 3.4
 * (preface); RFC 8446 section 5.1 (record).
 */
#pragma once

enum ks_head {
	KS_HEAD_NONE,
	KS_HEAD_REQUEST,
	KS_HEAD_CONNECT, /* a request after which the stream may be anything */
	KS_HEAD_RESPONSE,
	KS_HEAD_H2,
	KS_HEAD_TLS,
};

#define KS_HEAD_LEN 8

/*
 * A literal of at most eight characters as the number a little-endian load of it gives, and the
 * mask of its length.
 */
#define KS_CH(s, i) \
	((i) < sizeof(s) - 1 ? (__u64)(__u8)(s)[(i) < sizeof(s) - 1 ? (i) : 0] << (8 * (i)) : 0)
#define KS_WORD(s)                                                                           \
	(KS_CH(s, 0) | KS_CH(s, 1) | KS_CH(s, 2) | KS_CH(s, 3) | KS_CH(s, 4) | KS_CH(s, 5) | \
	 KS_CH(s, 6) | KS_CH(s, 7))
#define KS_MASK(s)     (~0ULL >> (64 - 8 * (sizeof(s) - 1)))
#define KS_IS(word, s) (((word) & KS_MASK(s)) == KS_WORD(s))

/* word: the first eight bytes, little-endian, zero where the call moved fewer. */
static __always_inline enum ks_head ks_head_of(__u64 word)
{
	if (KS_IS(word, "POST ") || KS_IS(word, "GET ") || KS_IS(word, "PUT ") ||
	    KS_IS(word, "HEAD ") || KS_IS(word, "PATCH ") || KS_IS(word, "DELETE ") ||
	    KS_IS(word, "OPTIONS "))
		return KS_HEAD_REQUEST;
	if (KS_IS(word, "HTTP/1."))
		return KS_HEAD_RESPONSE;
	if (KS_IS(word, "CONNECT "))
		return KS_HEAD_CONNECT;
	if (KS_IS(word, "PRI * HT"))
		return KS_HEAD_H2;
	/* content types change_cipher_spec to application_data, versions SSL 3.0 to TLS 1.3 */
	if ((word & 0xff) >= 0x14 && (word & 0xff) <= 0x17 && ((word >> 8) & 0xff) == 3 &&
	    ((word >> 16) & 0xff) <= 4)
		return KS_HEAD_TLS;
	return KS_HEAD_NONE;
}

/*
 * The bytes of one call worth copying: all of an HTTP stream; of one that is not wanted, only where
 * a head begins.
 */
static __always_inline __u32 ks_copy_cap(enum ks_head head, bool http, bool skip, __u32 call_cap)
{
	if (!skip)
		return http ? call_cap : 0;
	if (head == KS_HEAD_REQUEST || head == KS_HEAD_CONNECT)
		return KS_CHUNK_CAP;
	return head == KS_HEAD_RESPONSE ? 4096 : 0;
}
