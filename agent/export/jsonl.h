/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A span as one line of JSON: trace_id, span_id, parent_span_id ("" for none), name, kind (CLIENT, SERVER, INTERNAL),
 * start_time_unix_nano, end_time_unix_nano (integers), status {code: UNSET, OK or ERROR, message}, attributes {},
 * events [{name, time_unix_nano, attributes}], resource {}. Invalid UTF-8 becomes U+FFFD. Any thread.
 */
#pragma once

#include "export/buf.h"
#include "span/span.h"

/* Append the line, newline included. Check buf->failed after. */
void jsonl_format(struct buf *buf, const struct span *span);
