/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does this file hold TLS code, and where? Files are known by the symbols they define, never by their names: a
 * library, an interpreter with OpenSSL inside, an extension module. Privileged process; keeps no state.
 */
#pragma once

#include <stdint.h>

#include "probe/probe.h"
#include "probe/site.h"

struct tlslib {
	const char *kind;	       /* row name in tls_libs.def; static */
	enum ks_source source;
	uint64_t offset[TLS_FUNC_CNT]; /* in the file, where to attach; 0 = absent, or covered by another (site.h) */
	uint32_t funcs;		       /* bit set of enum tls_func: what the file defines */
	struct site read, write;
};

/* fd: a regular file opened for reading, borrowed. 0: found. -ENOENT: no TLS code. -ENOTSUP: TLS code that cannot
 * be probed: a return probe inside a Go program breaks it (its stacks move), and a foreign machine or word size
 * passes arguments differently; ret_lib->kind and funcs are filled then too. */
int tlslib_find(int fd, struct tlslib *ret_lib);
