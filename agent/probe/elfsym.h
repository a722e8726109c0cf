/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Find functions by name in an ELF file of a stranger and say at which file offset they begin. Reads with pread()
 * into fixed buffers (a mapping of a hostile file would end in SIGBUS when it is cut), so memory is constant. The
 * bytes read of one file and the CPU time for it have caps; what lies beyond them is not found. Privileged process;
 * keeps no state.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELFSYM_NAMES 64 /* most names of one search */

struct elfsym_hit {
	uint64_t offset; /* of the first byte in the file; 0 when the function is absent */
	uint64_t size;	 /* bytes, as the symbol says */
	uint64_t text_start, text_end; /* file offsets of the executable segment it is in */
};

struct elfsym_file {
	bool elf; /* an executable or shared object, little endian, that could be read */
	bool is64;
	uint16_t machine; /* e_machine */
};

/* Search .dynsym by its hash table, and if that knows none of the names, .symtab (or .dynsym) by walking. Only
 * defined functions of nonzero size inside an executable segment count. fd: a regular file, opened for reading,
 * borrowed; its position is not used. names: cnt <= ELFSYM_NAMES, plain names without version. Returns how many
 * were found and fills ret_hits[cnt]; a file that is not ELF, or broken, has none.
 * Formats: System V gABI chapters 4 and 5; GNU hash as in glibc elf/dl-lookup.c (do_lookup_x). */
size_t elfsym_find(int fd, const char *const *names, size_t cnt, struct elfsym_file *ret_file,
		   struct elfsym_hit *ret_hits);

/* Was this file linked by the Go toolchain? By section .go.buildinfo, note "Go", or the build info magic at the
 * start of a data segment (Go: src/debug/buildinfo/buildinfo.go). fd as above. */
bool elfsym_is_go(int fd);
