/* SPDX-License-Identifier: Apache-2.0 */
/* What the APIs of the OpenAI family have in common. */
#pragma once

#include "provider/decode.h"

/* response_format.type, text.format.type: the value of gen_ai.output.type (semconv.md section 1). */
void openai_output_type(struct decode *d, struct slice format);
/* The error object of a body or an event, under the prefix "error.". */
extern const struct field openai_error[3];
