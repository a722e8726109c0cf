/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/2 is recognised by its preface (RFC 9113 section 3.4), counted, and left alone. Loop thread. */
#include "base/drop.h"
#include "proto/conn.h"

static enum detect detect(struct slice in)
{
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
	size_t len = in.len < sizeof(preface) - 1 ? in.len : sizeof(preface) - 1;

	if (!len || memcmp(in.ptr, preface, len))
		return DETECT_NO;
	return len == sizeof(preface) - 1 ? DETECT_YES : DETECT_MORE;
}

static void start(struct conn *c, enum ks_dir dir)
{
	(void)dir;
	drop(KS_DROP_http2, 1);
	conn_verdict(c, KS_V_SKIP);
	conn_mute(c);
}

const struct protocol protocol_http2 = { .detect = detect, .start = start };
