/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only OR BSD-2-Clause */
/* The functions of a TLS library that are probed, for both sides, under OpenSSL's names: another library's
 * function of the same shape takes the same number (agent/probe/tls_libs.def). */
#pragma once

enum tls_func {
	TLS_SSL_READ, TLS_SSL_WRITE, TLS_SSL_READ_EX, TLS_SSL_WRITE_EX, TLS_SSL_WRITE_EX2,
	TLS_SSL_DO_HANDSHAKE, TLS_SSL_SET_FD, TLS_SSL_FREE,
	TLS_SSL_ACCEPT, /* the second one, where client and server have a handshake function each */
	TLS_FUNC_CNT,
};

/* The attach cookie tells one program where it stands: which function, and of which library (enum ks_source). */
#define TLS_COOKIE(func, source) ((__u64)(source) << 8 | (func))
#define TLS_COOKIE_FUNC(cookie)	  ((cookie) & 0xff)
#define TLS_COOKIE_SOURCE(cookie) ((__u8)((cookie) >> 8))
