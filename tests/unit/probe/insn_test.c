/* SPDX-License-Identifier: Apache-2.0 */
/* The length decoder against objdump, instruction by instruction, over code that is installed here; and by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "probe/insn.h"

static const struct {
	const char *code;
	size_t len;
	struct insn is;
} rows[] = {
#define ROW(text, ...) { text, sizeof(text) - 1, { sizeof(text) - 1, __VA_ARGS__ } }
	ROW("\x55", INSN_PUSH, 0, true),
	ROW("\x41\x55", INSN_PUSH, 0, true),
	ROW("\x48\x55", INSN_PUSH, 0, false), /* uprobes.c: two bytes only with REX.B alone */
	ROW("\x66\x55", INSN_PUSH, 0, false),
	ROW("\x90", INSN_NOP, 0, true),
	ROW("\xf3\x90", INSN_OTHER, 0, false), /* pause */
	ROW("\xf3\x0f\x1e\xfa", INSN_ENDBR, 0, false),
	ROW("\xf3\x0f\x1e\xfb", INSN_OTHER, 0, false), /* endbr32 */
	ROW("\x48\x83\xec\x18", INSN_SUB_RSP, 0, false),
	ROW("\x48\x81\xec\x18\x01\x00\x00", INSN_SUB_RSP, 0, false),
	ROW("\x49\x83\xec\x18", INSN_OTHER, 0, false), /* sub $0x18,%r12 */
	ROW("\x48\x83\xc4\x18", INSN_OTHER, 0, false), /* add */
	ROW("\xe8\x3d\xfe\xff\xff", INSN_CALL, -0x1c3, true),
	ROW("\xe9\x01\x00\x00\x00", INSN_JMP, 1, true),
	ROW("\xeb\xfe", INSN_JMP, -2, true),
	ROW("\x78\x2f", INSN_JCC, 0x2f, true),
	ROW("\x0f\x84\x44\x03\x00\x00", INSN_JCC, 0x344, true),
	ROW("\xc3", INSN_END, 0, false),
	ROW("\xff\xa0\xb8\x00\x00\x00", INSN_END, 0, false), /* jmp *0xb8(%rax) */
	ROW("\xff\x50\x60", INSN_OTHER, 0, false),		 /* call *0x60(%rax) */
	ROW("\x64\x48\x8b\x04\x25\x28\x00\x00\x00", INSN_OTHER, 0, false),
	ROW("\x48\xb8\x01\x02\x03\x04\x05\x06\x07\x08", INSN_OTHER, 0, false),
	ROW("\x66\xb8\x01\x02", INSN_OTHER, 0, false),
	ROW("\xf6\x87\xf1\x09\x00\x00\x01", INSN_OTHER, 0, false), /* testb $1,0x9f1(%rdi) */
	ROW("\xf7\xd8", INSN_OTHER, 0, false),			       /* neg %eax */
#undef ROW
};

static void by_hand(void **state)
{
	struct insn insn;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const uint8_t *code = (const uint8_t *)rows[i].code;

		assert_true(insn_decode(code, rows[i].len, &insn));
		assert_int_equal(insn.len, rows[i].is.len);
		assert_int_equal(insn.kind, rows[i].is.kind);
		assert_int_equal(insn.rel, rows[i].is.rel);
		assert_int_equal(insn.emulated, rows[i].is.emulated);
		for (size_t cut = 0; cut < rows[i].len; cut++)
			if (insn_decode(code, cut, &insn)) /* a prefix alone may be an instruction of its own: never longer */
				assert_true(insn.len <= cut);
	}
}

static void unknown(void **state)
{
	static const char *const codes[] = { "\x66\xe8\x00\x00\x00\x00\x00", "\x06\x90", "\xc5\xf8\x77\x90", "\x62\xf1\x7c\x48",
					     "\x0f\x04\x90\x90" };
	uint8_t prefixes[32];
	struct insn insn;

	(void)state;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		assert_false(insn_decode((const uint8_t *)codes[i], strlen(codes[i]) + 1, &insn));
	memset(prefixes, 0x66, sizeof(prefixes));
	assert_false(insn_decode(prefixes, sizeof(prefixes), &insn));
	assert_false(insn_decode(prefixes, 0, &insn));
}

/* One line of objdump -d: address, bytes, text, with tabs between. 0: no instruction, or one that is none. */
static size_t parse_line(const char *line, uint8_t code[32])
{
	const char *at = strchr(line, '\t'), *end = at ? strchr(at + 1, '\t') : NULL;
	size_t n = 0;

	if (!end || strstr(end, "(bad)") || strstr(end, "rex.") || strstr(end, ".byte"))
		return 0;
	while (++at < end && n < 32) {
		char *next;
		unsigned long byte = strtoul(at, &next, 16);

		if (next == at || next > end)
			break;
		code[n++] = (uint8_t)byte;
		at = next;
	}
	return n;
}

/* Every instruction that is known has objdump's length, and few are unknown. */
static void compare(const char *file, const char *more, unsigned long least)
{
	unsigned long same = 0, not_known = 0, wrong = 0;
	char cmd[256], line[1024];
	uint8_t code[32];
	struct insn insn;
	FILE *f;

	if (access(file, R_OK))
		return;
	snprintf(cmd, sizeof(cmd), "objdump -d -w --insn-width=16 %s %s 2>/dev/null", more, file);
	f = popen(cmd, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		size_t n = parse_line(line, code);

		if (n == 0)
			continue;
		if (!insn_decode(code, n, &insn))
			not_known++;
		else if (insn.len == n)
			same++;
		else if (wrong++ < 10)
			print_error("%u instead of %zu: %s", insn.len, n, line);
	}
	pclose(f);
	print_message("%s: %lu of the same length, %lu unknown, %lu wrong\n", file, same, not_known, wrong);
	assert_int_equal(wrong, 0);
	assert_true(same + not_known == 0 || (same >= least && not_known * 50 < same)); /* 0: no objdump */
}

static void as_objdump(void **state)
{
	(void)state;
#if defined(__x86_64__)
	compare("/usr/lib/x86_64-linux-gnu/libssl.so.3", "", 50000);
	compare("/usr/lib/x86_64-linux-gnu/libgnutls.so.30", "", 100000);
	compare("/usr/bin/node", "--start-address=0x1200000 --stop-address=0x1300000", 0);
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_hand),
		cmocka_unit_test(unknown),
		cmocka_unit_test(as_objdump),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
