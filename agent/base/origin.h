/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a message comes from: process, connection, peer. These facts travel inside the records from flow
 * to span, borrowed; flow owns both structs, loop thread only. And why something is incomplete.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "event.h"

enum incomplete_bit {
#define INCOMPLETE(name, text, why) INCOMPLETE_BIT_##name,
#include "base/incomplete.def"
#undef INCOMPLETE
	INCOMPLETE_CNT,
};
enum incomplete { /* a set of reasons: uint32_t incomplete */
#define INCOMPLETE(name, text, why) INCOMPLETE_##name = 1u << INCOMPLETE_BIT_##name,
#include "base/incomplete.def"
#undef INCOMPLETE
};

struct proc_info { /* from KS_EV_IDENT; lives until the process is forgotten */
	uint32_t tgid;
	uint32_t ppid;
	uint32_t uid;
	uint64_t start_ns;
	bool known; /* an IDENT has arrived; until then only tgid and start_ns hold */
	char comm[16];
	char exe[KS_PATH_LEN];
	char service[KS_NAME_LEN];
	char container[KS_NAME_LEN];
};

struct conn_info { /* one stream; lives from its first record until after CHUNK_END */
	uint64_t id;
	uint64_t sock_id;
	const struct proc_info *proc; /* never NULL */
	uint64_t connect_ns, established_ns;
	uint64_t hs_start_ns, hs_end_ns;
	uint32_t netns;
	uint8_t source; /* enum ks_source */
	uint8_t role;	/* enum ks_role */
	uint8_t rung;	/* enum ks_rung */
	uint8_t family; /* AF_INET, AF_INET6, 0 unknown */
	uint16_t lport, rport;
	uint8_t laddr[16], raddr[16];
};
