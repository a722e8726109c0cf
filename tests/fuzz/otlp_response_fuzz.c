/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The collector's response. The first byte chooses the size of the pieces; the rest is the connection's input. Whole
 * or in pieces, the result must be the same.
 */
#include <stdint.h>
#include <stdlib.h>

#include "export/otlp.h"
#include "export/reply.h"
#include "limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static enum reply_result run(struct reply *r, struct slice in, size_t piece)
{
	enum reply_result result = REPLY_MORE;

	reply_reset(r);
	while (in.len && result == REPLY_MORE) {
		size_t n = piece < in.len ? piece : in.len;

		result = reply_push(r, (struct slice){ in.ptr, n });
		in = slice_from(in, n);
	}
	if (result == REPLY_MORE)
		result = reply_eof(r);
	if (r->body.len > KS_REPLY_BYTES)
		abort();
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct reply whole, pieces;
	static int ready;
	enum reply_result a, b;
	struct slice in;

	if (!ready++) {
		reply_init(&whole);
		reply_init(&pieces);
	}
	if (!len)
		return 0;
	in = (struct slice){ (const char *)data + 1, len - 1 };
	a = run(&whole, in, in.len);
	b = run(&pieces, in, (data[0] & 31) + 1u);
	if (a != b || (a == REPLY_DONE && (whole.status != pieces.status || whole.retry_after_s != pieces.retry_after_s ||
					   !slice_eq(buf_slice(&whole.body), buf_slice(&pieces.body)))))
		abort();
	if (a == REPLY_DONE)
		(void)otlp_rejected(buf_slice(&whole.body));
	(void)otlp_rejected(in);
	return 0;
}
