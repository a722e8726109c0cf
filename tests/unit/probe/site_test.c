/* SPDX-License-Identifier: Apache-2.0 */
/* Where the probes are put: small libraries in the forms that OpenSSL 1.1 to 3.5, BoringSSL, LibreSSL and Node have, and
 * forms that must not be taken for them. The code says which; none of it is run. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "probe/tlslib.h"

#if defined(__x86_64__)

static char dir[] = "/tmp/site.XXXXXX";

#define FN(name, body) ".globl " name "\n.type " name ",@function\n" name ": " body "\n.size " name ",.-" name "\n.p2align 4\n"
#define HID(name, body) ".type " name ",@function\n" name ": " body "\n.size " name ",.-" name "\n.p2align 4\n"
#define DEAR_READ FN("SSL_read", "sub $0x18,%rsp; test %edx,%edx; js 1f; mov %rsp,%rcx; movslq %edx,%rdx; call ri; 1: ret")
#define DEAR_WRITE FN("SSL_write", "sub $0x18,%rsp; test %edx,%edx; js 1f; mov %rsp,%rcx; movslq %edx,%rdx; call wi; 1: ret")
#define DEAR_READ_EX FN("SSL_read_ex", "sub $8,%rsp; call ri; xor %edx,%edx; ret")
#define DEAR_WRITE_EX FN("SSL_write_ex", "sub $8,%rsp; call wi; xor %edx,%edx; ret")
#define INNER HID("ri", "push %r13; ret") HID("wi", "push %rbp; ret")

static void find(const char *code, struct tlslib *ret)
{
	char path[64], cmd[256];
	FILE *f;
	int fd;

	snprintf(path, sizeof(path), "%s/a.s", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, ".text\n%s.section .note.GNU-stack,\"\",@progbits\n", code);
	fclose(f);
	snprintf(cmd, sizeof(cmd), "gcc -shared -nostdlib -Wl,-Bsymbolic -o %s/a.so %s/a.s", dir, dir);
	assert_int_equal(system(cmd), 0);
	snprintf(path, sizeof(path), "%s/a.so", dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(tlslib_find(fd, ret), 0);
	close(fd);
}

static void openssl_3_0(void **state)
{
	struct tlslib l;

	(void)state;
	find(DEAR_READ DEAR_READ_EX DEAR_WRITE DEAR_WRITE_EX INNER, &l);
	assert_true(l.read.internal && l.write.internal && l.read.internal != l.write.internal);
	assert_true(l.offset[TLS_SSL_READ_EX] == l.read.internal && l.offset[TLS_SSL_WRITE_EX] == l.write.internal);
	assert_true(l.offset[TLS_SSL_READ] == 0 && l.offset[TLS_SSL_WRITE] == 0);
	assert_int_equal(l.read.first[0], 0x41);
	assert_int_equal(l.write.first[0], 0x55);
	assert_true(l.funcs & 1u << TLS_SSL_READ); /* still says what the file has */
}

/* As above with -fcf-protection and frame pointers. */
static void openssl_cet(void **state)
{
	struct tlslib l;

	(void)state;
	find(FN("SSL_read", "endbr64; push %rbp; mov %rsp,%rbp; sub $0x10,%rsp; test %edx,%edx; js 1f; call ri; 1: ret")
	     FN("SSL_read_ex", "endbr64; push %rbp; mov %rsp,%rbp; call ri; ret") DEAR_WRITE DEAR_WRITE_EX INNER, &l);
	assert_true(l.read.internal && l.offset[TLS_SSL_READ_EX] == l.read.internal && !l.offset[TLS_SSL_READ]);
}

/* SSL_write_ex2() has the internal arguments; SSL_write_ex() jumps to it. */
static void openssl_3_3(void **state)
{
	struct tlslib l;

	(void)state;
	find(DEAR_READ DEAR_READ_EX DEAR_WRITE FN("SSL_write_ex2", "sub $8,%rsp; call wi; ret")
	     FN("SSL_write_ex", "mov %rcx,%r8; xor %ecx,%ecx; jmp SSL_write_ex2") INNER, &l);
	assert_true(l.write.internal && l.offset[TLS_SSL_WRITE_EX2] == l.write.internal);
	assert_true(!l.offset[TLS_SSL_WRITE_EX] && !l.offset[TLS_SSL_WRITE]);
	/* a third function that goes elsewhere keeps its probe: the outermost call counts */
	find(DEAR_READ DEAR_READ_EX DEAR_WRITE FN("SSL_write_ex2", "sub $8,%rsp; call wi; ret")
	     FN("SSL_write_ex", "sub $8,%rsp; call ri; ret") INNER, &l);
	assert_true(l.write.internal && l.offset[TLS_SSL_WRITE_EX]);
}

static void symbols(const char *code, const char *why)
{
	struct tlslib l;

	find(code, &l);
	assert_int_equal(l.read.internal, 0);
	assert_true(l.offset[TLS_SSL_READ]);
	assert_string_equal(l.read.why, why);
}

static void stay_with_symbols(void **state)
{
#define WRITES DEAR_WRITE DEAR_WRITE_EX
	static const char none[] = "no common internal function";

	(void)state;
	/* Node */
	symbols(FN("SSL_read", "push %rbp; call ri; ret") FN("SSL_read_ex", "push %rbp; call ri; ret") WRITES INNER,
		"the symbols are cheap");
	/* BoringSSL */
	symbols(FN("SSL_read", "push %rbp; ret") FN("SSL_write", "push %rbp; ret"), "the symbol is cheap");
	symbols(FN("SSL_read", "sub $8,%rsp; call ri; ret") FN("SSL_write", "push %rbp; ret") INNER,
		"no second function to compare with");
	/* LibreSSL: one calls the other */
	symbols(DEAR_READ FN("SSL_read_ex", "sub $8,%rsp; call SSL_read; ret") WRITES INNER, none);
	/* an argument is touched first */
	symbols(DEAR_READ FN("SSL_read_ex", "sub $8,%rsp; mov %rcx,%r8; call ri; ret") WRITES INNER, none);
	symbols(DEAR_READ FN("SSL_read_ex", "sub $8,%rsp; mov (%rdi),%rdi; call ri; ret") WRITES INNER, none);
	/* another function, a jump before the call, a call through a register, no call at all */
	symbols(DEAR_READ FN("SSL_read_ex", "sub $8,%rsp; call wi; ret") WRITES INNER, none);
	symbols(DEAR_READ FN("SSL_read_ex", "sub $8,%rsp; jmp 1f; nop; 1: call ri; ret") WRITES INNER, none);
	symbols(DEAR_READ FN("SSL_read_ex", "sub $8,%rsp; call *%rax; call ri; ret") WRITES INNER, none);
	symbols(FN("SSL_read", "sub $8,%rsp; ret; call ri") DEAR_READ_EX WRITES INNER, none);
	/* code that is not known, calls out of the text */
	symbols(DEAR_READ FN("SSL_read_ex", "vzeroupper; call ri; ret") WRITES INNER, none);
	symbols(FN("SSL_read", "sub $8,%rsp; .byte 0xe8; .long 0x7ffffff0; ret")
		FN("SSL_read_ex", "sub $8,%rsp; .byte 0xe8; .long 0x7ffffff0; ret") WRITES INNER, none);
	/* nothing gained */
	symbols(DEAR_READ DEAR_READ_EX WRITES HID("ri", "sub $8,%rsp; ret") HID("wi", "push %rbp; ret"),
		"the internal function is dear, too");
}

static int setup(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	char cmd[64];

	(void)state;
	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	return system(cmd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(openssl_3_0),
		cmocka_unit_test(openssl_cet),
		cmocka_unit_test(openssl_3_3),
		cmocka_unit_test(stay_with_symbols),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

#else

static void no_code_is_read(void **state)
{
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(no_code_is_read) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
