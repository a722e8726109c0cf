/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only OR BSD-2-Clause */
/* The functions of a TLS library that are probed, for both sides: with a uprobe_multi link the number is the
 * attach cookie, which tells one program where it stands. */
#pragma once

enum tls_func {
	TLS_SSL_READ, TLS_SSL_WRITE, TLS_SSL_READ_EX, TLS_SSL_WRITE_EX, TLS_SSL_WRITE_EX2,
	TLS_SSL_DO_HANDSHAKE, TLS_SSL_SET_FD, TLS_SSL_FREE,
	TLS_FUNC_CNT,
};
