/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The choice of site.h, made by evidence in the code alone: the _ex function (OpenSSL:
 * ssl/ssl_lib.c, SSL_read_ex()) calls the internal one before it has touched an argument register,
 * so the internal one has its arguments; the plain function calls the same one; and that begins
 * with a push. Anything else stays with the symbols. Privileged process; all state on the stack.
 */
#include "probe/site.h"

#include <string.h>
#include <unistd.h>

#include "probe/insn.h"

#if defined(__x86_64__)

#define SITE_BYTES 96 /* of a function that are looked at; the call comes within 35 in OpenSSL 1.1.1 and 3.0 to 3.5 */

/* The functions of one direction. */
struct trio {
	enum tls_func plain, ex, ex2;
};

struct code {
	uint8_t bytes[SITE_BYTES];
	size_t len;
};

static void code_read(int fd, uint64_t offset, uint64_t size, struct code *ret)
{
	size_t want = size < SITE_BYTES ? (size_t)size : SITE_BYTES;
	ssize_t n = pread(fd, ret->bytes, want, (off_t)offset);

	ret->len = n > 0 ? (size_t)n : 0;
}

static bool code_is_cheap(const struct code *c)
{
	struct insn insn;

	return insn_decode(c->bytes, c->len, &insn) && insn.emulated;
}

/* Leaves the registers that carry arguments (System V ABI: rdi, rsi, rdx, rcx, r8) alone. */
static bool keeps_args(const struct insn *i, const uint8_t *code)
{
	static const uint8_t mov_rsp_rbp[] = { 0x48, 0x89, 0xe5 };

	return i->kind == INSN_ENDBR || i->kind == INSN_NOP || i->kind == INSN_PUSH || i->kind == INSN_SUB_RSP ||
	       (i->len == sizeof(mov_rsp_rbp) && memcmp(code, mov_rsp_rbp, sizeof(mov_rsp_rbp)) == 0);
}

/*
 * The file offset of the function that is called first, or jumped to in place of a call, before any
 * other jump; 0: none, or with `untouched` an argument may have been changed before. Offsets and
 * addresses differ by a constant within a segment.
 */
static uint64_t first_call(const struct elfsym_hit *hit, const struct code *c, bool untouched)
{
	struct insn insn;

	for (size_t at = 0; insn_decode(c->bytes + at, c->len - at, &insn); at += insn.len) {
		uint64_t to = hit->offset + at + insn.len + (uint64_t)(int64_t)insn.rel;

		if (insn.kind == INSN_CALL || (insn.kind == INSN_JMP && to - hit->offset >= hit->size))
			return to > hit->text_start && to < hit->text_end ? to : 0;
		if (insn.kind == INSN_JMP || insn.kind == INSN_END || (untouched && !keeps_args(&insn, c->bytes + at)))
			return 0;
	}
	return 0;
}

static const char *choose(int fd, const struct elfsym_hit *hits, const struct trio *t, uint64_t *offset,
			  struct site *ret)
{
	enum tls_func lead = hits[t->ex2].offset ? t->ex2 : t->ex;
	struct code plain, ex, inner;
	struct insn insn;
	uint64_t to;

	code_read(fd, hits[t->plain].offset, hits[t->plain].size, &plain);
	code_read(fd, hits[lead].offset, hits[lead].size, &ex);
	memcpy(ret->first, plain.bytes, plain.len < 2 ? plain.len : 2);
	if (!hits[t->plain].offset || !hits[lead].offset)
		return code_is_cheap(&plain) ? "the symbol is cheap" : "no second function to compare with";
	if (code_is_cheap(&plain) && code_is_cheap(&ex))
		return "the symbols are cheap";
	to = first_call(&hits[lead], &ex, true);
	if (!to || first_call(&hits[t->plain], &plain, false) != to)
		return "no common internal function";
	code_read(fd, to, hits[lead].text_end - to, &inner);
	if (!insn_decode(inner.bytes, inner.len, &insn) || insn.kind != INSN_PUSH || !insn.emulated)
		return "the internal function is dear, too";
	ret->internal = to;
	memcpy(ret->first, inner.bytes, 2);
	offset[t->plain] = 0;
	offset[lead] = to;
	/* OpenSSL 3.3: SSL_write_ex() calls SSL_write_ex2(), or has it inlined */
	if (lead != t->ex && hits[t->ex].offset) {
		code_read(fd, hits[t->ex].offset, hits[t->ex].size, &ex);
		uint64_t ex_to = first_call(&hits[t->ex], &ex, false);
		if (ex_to == to || ex_to == hits[t->ex2].offset)
			offset[t->ex] = 0;
	}
	return "an internal function begins with push";
}

void site_choose(int fd, const struct elfsym_hit hits[TLS_FUNC_CNT], uint64_t offset[TLS_FUNC_CNT],
		 struct site *ret_read, struct site *ret_write)
{
	static const struct trio reads = { TLS_SSL_READ, TLS_SSL_READ_EX, TLS_SSL_READ_EX };
	static const struct trio writes = { TLS_SSL_WRITE, TLS_SSL_WRITE_EX, TLS_SSL_WRITE_EX2 };

	*ret_read = *ret_write = (struct site){ 0 };
	ret_read->why = choose(fd, hits, &reads, offset, ret_read);
	ret_write->why = choose(fd, hits, &writes, offset, ret_write);
}

#else

void site_choose(int fd, const struct elfsym_hit hits[TLS_FUNC_CNT], uint64_t offset[TLS_FUNC_CNT],
		 struct site *ret_read, struct site *ret_write)
{
	(void)fd;
	(void)hits;
	(void)offset;
	*ret_read = *ret_write = (struct site){ .why = "this machine's code is not read" };
}

#endif
