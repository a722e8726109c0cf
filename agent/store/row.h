/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A span on its way to the writer: the columns and the JSON line in one run of bytes, so that it travels through a
 * queue. Packed on the loop thread, read on the writer's.
 */
#pragma once

#include <stdint.h>

#include "base/slice.h"
#include "limits.h"
#include "span/span.h"

#define ROW_TEXT_CAP (KS_VALUE_CAP * 2) /* one text column */

enum row_text { ROW_NAME, ROW_PROVIDER, ROW_MODEL, ROW_RESPONSE_MODEL, ROW_SERVICE, ROW_ERROR_TYPE, ROW_INCOMPLETE,
		ROW_TEXT_CNT };

struct row {
	uint64_t start_ns, duration_ns;
	int64_t pid, http_status, input_tokens, output_tokens; /* INT64_MIN: none */
	double ttfc_s;					       /* NAN: none */
	uint8_t trace_id[16];
	uint8_t kind, error;
	uint16_t text_len[ROW_TEXT_CNT]; /* the texts follow, then the JSON line without its newline */
};

/* Fill row and texts (each at most ROW_TEXT_CAP, borrowed, but ROW_INCOMPLETE which is joined into `joined`). */
void row_make(const struct span *span, struct row *ret, struct slice ret_text[ROW_TEXT_CNT],
	      char joined[ROW_TEXT_CAP]);
