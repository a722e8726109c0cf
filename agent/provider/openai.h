/* SPDX-License-Identifier: Apache-2.0 */
/* What the APIs of the OpenAI family have in common. */
#pragma once

#include "provider/decode.h"

/* response_format.type, text.format.type: the value of gen_ai.output.type (semconv.md section 1). */
void openai_output_type(struct decode *d, struct slice format);
/* The error object of a body or an event; the last row is for bodies that are the object itself (Mistral, old vLLM). */
extern const struct field openai_error[4];
#define OPENAI_EVENT_ERROR { "", openai_error, 3 }
/* What clients of the family send. */
extern const struct header_sign openai_headers[];
