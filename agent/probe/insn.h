/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lengths of x86-64 instructions, and the few kinds that matter to where a probe stands. Pure; any
 * thread; reads only the bytes it is given. Maps: Intel SDM volume 2, appendix A (one-byte, 0F, 0F
 * 38 and 0F 3A opcode maps).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INSN_MAX 15 /* bytes of the longest instruction (SDM volume 2, section 2.3.11) */

enum insn_kind {
	INSN_OTHER,
	INSN_PUSH,    /* push of a 64-bit register */
	INSN_NOP,     /* one byte 90 */
	INSN_ENDBR,   /* endbr64 */
	INSN_SUB_RSP, /* sub $imm,%rsp */
	INSN_CALL,    /* call rel32 */
	INSN_JMP,     /* jmp rel */
	INSN_JCC,     /* conditional jump, rel */
	INSN_END,     /* what follows in memory does not follow in time: ret, indirect jump, trap, halt */
};

struct insn {
	uint8_t len;
	enum insn_kind kind;
	int32_t rel; /* CALL, JMP, JCC: target minus the end of the instruction */
	/*
	 * A breakpoint on it is emulated by every kernel since 5.0, not executed out of line and
	 * single-stepped (13 times the cost: bench.md section 1). Linux: arch/x86/kernel/uprobes.c,
	 * branch_setup_xol_ops() and push_setup_xol_ops().
	 */
	bool emulated;
};

/*
 * Decode the instruction at code[0], of len bytes at hand. False: unknown, or it does not end
 * within len.
 */
bool insn_decode(const uint8_t *code, size_t len, struct insn *ret_insn);
