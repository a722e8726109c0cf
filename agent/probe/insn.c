/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instruction lengths by table, see insn.h. What compilers do not put at the start of a function
 * (VEX, EVEX, far calls, I/O) is unknown. Pure.
 */
#include "probe/insn.h"

#include <string.h>

/* What follows an opcode: ModRM, and an immediate of that many bytes. */
enum {
	M = 0x10,    /* ModRM */
	Z = 0x20,    /* 4 bytes, 2 with prefix 66 */
	V = 0x40,    /* 8 bytes with REX.W, else as Z */
	BAD = 0x80,
	IMM = 0x0f,
};

/* One-byte opcodes; the prefixes, 0F and F6/F7 are taken out before. */
static const uint8_t one_byte[256] = {
#define ALU M, M, M, M, 1, Z, BAD, BAD
	[0x00] = ALU, ALU, ALU, ALU, ALU, ALU, ALU, ALU, /* add or adc sbb and sub xor cmp */
#undef ALU
	[0x60 ... 0x62] = BAD, [0x63] = M, [0x64 ... 0x67] = BAD,
	[0x68] = Z, [0x69] = M | Z, [0x6a] = 1, [0x6b] = M | 1, [0x6c ... 0x6f] = BAD,
	[0x70 ... 0x7f] = 1,
	[0x80] = M | 1, [0x81] = M | Z, [0x82] = BAD, [0x83] = M | 1, [0x84 ... 0x8b] = M,
	[0x8c ... 0x8e] = M, [0x8f] = BAD,
	[0x9a ... 0x9b] = BAD, [0xa0 ... 0xa3] = BAD, [0xa8] = 1, [0xa9] = Z,
	[0xb0 ... 0xb7] = 1, [0xb8 ... 0xbf] = V,
	[0xc0 ... 0xc1] = M | 1, [0xc2] = 2, [0xc4 ... 0xc5] = BAD, [0xc6] = M | 1, [0xc7] = M | Z, [0xc8] = 3,
	[0xca] = 2, [0xcd] = 1, [0xce] = BAD,
	[0xd0 ... 0xd3] = M, [0xd4 ... 0xd6] = BAD, [0xd8 ... 0xdf] = M,
	[0xe0 ... 0xe3] = 1, [0xe4 ... 0xe7] = BAD, [0xe8 ... 0xe9] = 4, [0xea] = BAD, [0xeb] = 1,
	[0xec ... 0xef] = BAD,
	[0xf0] = BAD, [0xf1] = BAD, [0xf2 ... 0xf3] = BAD, [0xf6 ... 0xf7] = M, [0xfe ... 0xff] = M,
};

/* 0F xx: ModRM unless said otherwise. */
static const uint8_t two_byte[256] = {
	[0x00 ... 0x03] = M, [0x04] = BAD, [0x05 ... 0x06] = 0, [0x07 ... 0x09] = 0, [0x0a] = BAD, [0x0b] = 0,
	[0x0c] = BAD, [0x0d] = M, [0x0e ... 0x0f] = BAD,
	[0x10 ... 0x23] = M, [0x24 ... 0x27] = BAD, [0x28 ... 0x2f] = M,
	[0x30 ... 0x35] = 0, [0x36] = BAD, [0x37] = 0, [0x38 ... 0x3f] = BAD,
	[0x40 ... 0x6f] = M, [0x70 ... 0x73] = M | 1, [0x74 ... 0x76] = M, [0x77] = 0, [0x78 ... 0x7b] = BAD,
	[0x7c ... 0x7f] = M,
	[0x80 ... 0x8f] = 4, [0x90 ... 0x9f] = M,
	[0xa0 ... 0xa2] = 0, [0xa3] = M, [0xa4] = M | 1, [0xa5] = M, [0xa6 ... 0xa7] = BAD, [0xa8 ... 0xaa] = 0,
	[0xab] = M, [0xac] = M | 1, [0xad ... 0xaf] = M,
	[0xb0 ... 0xb9] = M, [0xba] = M | 1, [0xbb ... 0xc1] = M, [0xc2] = M | 1, [0xc3] = M, [0xc4 ... 0xc6] = M | 1,
	[0xc7] = M, [0xc8 ... 0xcf] = 0, [0xd0 ... 0xff] = M,
};

struct cursor {
	const uint8_t *at, *end;
	bool word; /* prefix 66 */
	bool rep;  /* prefix F3 */
	bool other; /* any other prefix but REX */
	uint8_t rex;
};

static void prefixes(struct cursor *c)
{
	for (; c->at < c->end; c->at++) {
		if (*c->at == 0x66)
			c->word = true;
		else if (*c->at == 0xf3)
			c->rep = true;
		else if (memchr("\x26\x2e\x36\x3e\x64\x65\x67\xf0\xf2", *c->at, 9))
			c->other = true;
		else
			break;
	}
	if (c->at < c->end && (*c->at & 0xf0) == 0x40)
		c->rex = *c->at++;
}

/*
 * Bytes of ModRM, SIB and displacement at c->at; 0: they end beyond. SDM volume 2, section 2.1.5.
 */
static size_t modrm_len(const struct cursor *c)
{
	size_t have = (size_t)(c->end - c->at), n = 1;
	uint8_t mod, rm;

	if (have < 1)
		return 0;
	mod = c->at[0] >> 6;
	rm = c->at[0] & 7;
	if (mod == 3)
		return 1;
	if (rm == 4) {
		if (have < 2)
			return 0;
		n++;
		if (mod == 0 && (c->at[1] & 7) == 5)
			n += 4;
	} else if (mod == 0 && rm == 5) {
		n += 4;
	}
	return n + (mod == 1 ? 1 : mod == 2 ? 4 : 0);
}

static size_t imm_len(const struct cursor *c, uint8_t form)
{
	size_t n = form & IMM;

	if (form & V && c->rex & 8)
		n += 8;
	else if (form & (V | Z))
		n += c->word && !(c->rex & 8) ? 2 : 4;
	return n;
}

/* The opcode's row; op is its last byte. */
static uint8_t opcode(struct cursor *c, uint8_t *map, uint8_t *op)
{
	uint8_t form;

	*map = 0;
	if (c->at == c->end)
		return BAD;
	*op = *c->at++;
	if (*op != 0x0f) {
		form = one_byte[*op];
		/* test, the first two of group 3, has an immediate */
		if ((*op == 0xf6 || *op == 0xf7) && c->at < c->end && (*c->at & 0x30) == 0)
			form |= *op == 0xf6 ? 1 : Z;
		return form;
	}
	*map = 0x0f;
	if (c->at == c->end)
		return BAD;
	*op = *c->at++;
	if (*op != 0x38 && *op != 0x3a)
		return two_byte[*op];
	*map = *op;
	if (c->at == c->end)
		return BAD;
	*op = *c->at++;
	return *map == 0x38 ? M : M | 1;
}

static int32_t rel32(const uint8_t *p)
{
	return (int32_t)((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
}

static bool is_end(uint8_t op, uint8_t reg)
{
	switch (op) {
	case 0xc2: /* ret and its relatives */
	case 0xc3:
	case 0xca:
	case 0xcb:
	case 0xcc: /* int3 */
	case 0xcf: /* iret */
	case 0xf4: /* hlt */
		return true;
	default:
		return op == 0xff && (reg == 4 || reg == 5); /* jmp *r/m */
	}
}

static enum insn_kind kind_one(uint8_t op, const uint8_t *code, const uint8_t *rest)
{
	switch (op) {
	case 0x50 ... 0x57:
		return INSN_PUSH;
	case 0x70 ... 0x7f:
		return INSN_JCC;
	case 0x81:
	case 0x83:
		return code[0] == 0x48 && rest[0] == 0xec ? INSN_SUB_RSP : INSN_OTHER;
	case 0x90:
		return code[0] == 0x90 ? INSN_NOP : INSN_OTHER; /* with prefixes: pause, xchg %r8 */
	case 0xe8:
		return INSN_CALL;
	case 0xe9:
	case 0xeb:
		return INSN_JMP;
	default:
		return is_end(op, one_byte[op] & M ? rest[0] >> 3 & 7 : 0) ? INSN_END : INSN_OTHER;
	}
}

static enum insn_kind kind_two(uint8_t op, const uint8_t *code, size_t len)
{
	if ((op & 0xf0) == 0x80)
		return INSN_JCC;
	if (op == 0x0b) /* ud2 */
		return INSN_END;
	return len == 4 && memcmp(code, "\xf3\x0f\x1e\xfa", 4) == 0 ? INSN_ENDBR : INSN_OTHER;
}

static bool is_emulated(const struct insn *i, const uint8_t *code, const struct cursor *c)
{
	switch (i->kind) {
	case INSN_PUSH:
		return i->len == 1 || (i->len == 2 && code[0] == 0x41);
	case INSN_NOP:
		return true;
	case INSN_CALL:
	case INSN_JMP:
	case INSN_JCC:
		return !c->rep && !c->other;
	default:
		return false;
	}
}

bool insn_decode(const uint8_t *code, size_t len, struct insn *ret_insn)
{
	struct cursor c = { .at = code, .end = code + (len < INSN_MAX ? len : INSN_MAX) };
	struct insn insn = { 0 };
	const uint8_t *rest;
	uint8_t map, op = 0, form;
	size_t n = 0;

	prefixes(&c);
	form = opcode(&c, &map, &op);
	if (form & BAD)
		return false;
	rest = c.at;
	if (form & M) {
		n = modrm_len(&c);
		if (n == 0)
			return false;
	}
	n += imm_len(&c, form);
	if (n > (size_t)(c.end - c.at))
		return false;
	insn.len = (uint8_t)((size_t)(c.at - code) + n);
	insn.kind = map == 0 ? kind_one(op, code, rest) : map == 0x0f ? kind_two(op, code, insn.len) : INSN_OTHER;
	if (insn.kind == INSN_CALL || insn.kind == INSN_JMP || insn.kind == INSN_JCC) {
		if (c.word) /* Intel ignores the prefix, AMD does not */
			return false;
		insn.rel = n == 4 ? rel32(rest) : (int8_t)rest[0];
	}
	insn.emulated = is_emulated(&insn, code, &c);
	*ret_insn = insn;
	return true;
}
