/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where to put the probes of a TLS library. The kernel emulates few instructions under a breakpoint
 * and single-steps the rest, which costs 13 times as much (bench.md section 1); SSL_read() and
 * SSL_write() of most builds begin with one of the rest, but hand over at once to an internal
 * function that begins with a push and has the arguments and the meaning of the _ex function.
 * Privileged process; keeps no state.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "probe/elfsym.h"
#include "probe/probe.h"

/* What was chosen for one direction. */
struct site {
	uint64_t internal; /* file offset of the internal function that is probed; 0: the exported functions are */
	uint8_t first[2];  /* how the code under the hot probe begins */
	const char *why;   /* static */
};

/*
 * Choose for reading and for writing. fd: the library, borrowed. hits: its exported functions.
 * offset: theirs at call, where to attach at return: an internal function takes the place of the
 * _ex function whose arguments it has, and the functions that call it are 0. On other machines than
 * x86-64 nothing is changed.
 */
void site_choose(int fd, const struct elfsym_hit hits[TLS_FUNC_CNT], uint64_t offset[TLS_FUNC_CNT],
		 struct site *ret_read, struct site *ret_write);
