/* SPDX-License-Identifier: Apache-2.0 */
/* traceparent, a newline, tracestate: what is accepted has the form that W3C trace-context demands. */
#include <stdint.h>
#include <stdlib.h>

#include "span/context.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct slice all = { (const char *)data, len };
	const char *end = len ? memchr(all.ptr, '\n', len) : NULL;
	size_t first = end ? (size_t)(end - all.ptr) : len;
	struct slice parent = { all.ptr, first }, state = slice_from(all, first + 1);
	struct trace_parent p = { .flags = 0x80 };

	if (traceparent_parse(parent, &p)) {
		uint8_t any_trace = 0, any_parent = 0;

		for (int i = 0; i < 16; i++)
			any_trace |= p.trace_id[i];
		for (int i = 0; i < 8; i++)
			any_parent |= p.parent_id[i];
		if (!any_trace || !any_parent || p.flags & ~3 || parent.len < 55)
			abort();
	} else if (p.flags != 0x80) {
		abort(); /* untouched on failure */
	}
	if (tracestate_valid(state) && (state.len > 512 || !memchr(state.ptr, '=', state.len)))
		abort();
	return 0;
}
