/* SPDX-License-Identifier: Apache-2.0 */
/* The live table of `run -o table`: TIME PROC PROVIDER/MODEL STATUS TTFT DUR TOKENS, one span a line. Loop thread. */
#pragma once

#include <stdbool.h>

#include "export/buf.h"
#include "span/span.h"

/* Append the header, then one line for each span; color: ANSI colours. */
void live_header(struct buf *out, bool color);
void live_line(struct buf *out, bool color, const struct span *span);
