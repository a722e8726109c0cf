/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Anything as a fixture of tests/provider/, through proto and provider: as it is and in single bytes it yields the same
 * calls (events in parts are scanned anew, whole ones may be compared with the one before), and with pieces lost it
 * does no harm.
 */
#include "unit/provider/fixture.h"

#define DUMP_MAX 16384

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct calls {
	char text[2][DUMP_MAX];
	size_t cnt;
};

static void on_call(void *ctx, const struct ai_call *call)
{
	struct calls *calls = ctx;

	call_dump(call, calls->text[calls->cnt++ > 0], DUMP_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fixture fx;
	static struct calls whole, bytes;
	struct call_sink to_whole = { &whole, on_call }, to_bytes = { &bytes, on_call };

	if (size > 32768)
		return 0;
	fixture_parse((const char *)data, size, &fx);
	memset(&whole, 0, sizeof(whole));
	memset(&bytes, 0, sizeof(bytes));
	fixture_feed(&fx, to_whole, 0, 0, 0);
	fixture_feed(&fx, to_bytes, 1, 0, 0);
	if (whole.cnt != bytes.cnt || strcmp(whole.text[0], bytes.text[0]) != 0 ||
	    strcmp(whole.text[1], bytes.text[1]) != 0)
		abort();
	fixture_feed(&fx, to_whole, 1 + size % 50, 3 + size % 7, size % 3);
	fixture_feed(&fx, to_whole, 0, 2, 1);
	fixture_done(&fx);
	return 0;
}
