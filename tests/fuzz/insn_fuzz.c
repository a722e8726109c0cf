/* SPDX-License-Identifier: Apache-2.0 */
/* The length decoder on any bytes: it stays inside them, moves on, and says the same whatever follows the instruction. The bytes
 * are copied to a block of their own size, so that the address sanitizer sees one read too many. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "probe/insn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *code = malloc(len ? len : 1);
	struct insn insn, again;

	if (!code)
		return 0;
	if (len)
		memcpy(code, data, len);
	for (size_t at = 0; insn_decode(code + at, len - at, &insn); at += insn.len) {
		if (insn.len == 0 || insn.len > INSN_MAX || insn.len > len - at || insn.kind > INSN_END)
			abort();
		if (!insn_decode(code + at, insn.len, &again) || again.len != insn.len || again.kind != insn.kind)
			abort();
		if (insn_decode(code + at, insn.len - 1u, &again) && again.len == insn.len)
			abort();
	}
	free(code);
	return 0;
}
