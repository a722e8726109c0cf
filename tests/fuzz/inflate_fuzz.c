/* SPDX-License-Identifier: Apache-2.0 */
/* Content codings: byte 0 chooses them, byte 1 the piece size. Output stays within the ratio cap. */
#include <stdint.h>
#include <stdlib.h>

#include "limits.h"
#include "proto/inflate.h"

#define MUST(cond)               \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)

static void take(void *ctx, struct slice data)
{
	*(size_t *)ctx += data.len;
	MUST(data.len && data.len <= 64 * 1024);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const codings[] = { "gzip",	  "deflate",	"br",	       "zstd",
					       "gzip,br", "zstd, gzip", "deflate,zstd" };
	struct inflaters *all;
	struct inflate *f = NULL;
	size_t out = 0, in = 0, piece;

	if (len < 2)
		return 0;
	MUST(inflaters_new(&all) == 0);
	MUST(inflate_new(all, slice_str(codings[data[0] % 7]), &f) == 0 && f);
	piece = data[1] + 1u;
	for (size_t at = 2; at < len; at += piece) {
		size_t n = len - at < piece ? len - at : piece;
		char *copy = malloc(n);
		enum inflate_result result;

		memcpy(copy, data + at, n);
		in += n;
		result = inflate_push(f, (struct slice){ copy, n }, take, &out);
		free(copy);
		MUST(out <= KS_INFLATE_SLACK + (in + 1) * KS_INFLATE_RATIO);
		if (result == INFLATE_BAD)
			break;
	}
	inflate_free(f);
	inflaters_free(all);
	return 0;
}
