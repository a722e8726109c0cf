/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From chunks to messages: finds out what a stream speaks, undoes framing and content coding, pairs requests with
 * responses. Credentials stop here: their header values and query parameters are emptied. Loop thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "event.h"
#include "flow/chunk.h"
#include "proto/message.h"

struct proto;

struct proto_cfg {
	uint32_t conn_max;     /* as flow's; 0 means the cap of limits.h */
	uint32_t exchange_max; /* 0 means the cap of limits.h */
	/* Tell the kernel about a stream: KS_V_KEEP once an exchange is wanted, KS_V_SKIP when it is not worth
	 * copying (KS_SKIP_CALLS, KS_SKIP_BYTES, or no protocol we know). May be NULL. */
	void (*verdict)(void *ctx, uint64_t stream_id, enum ks_verdict verdict);
	void *verdict_ctx;
};

/* -ENOMEM. The caller frees with proto_free(). All memory but decoder state is reserved here and touched on use. */
int proto_new(const struct proto_cfg *cfg, struct message_sink sink, struct proto **ret);
/* Every stream must have had its CHUNK_END: free flow first. NULL is fine. */
void proto_free(struct proto *p);
void proto_push(struct proto *p, const struct chunk *chunk);
/* Exchanges open now. */
size_t proto_exchanges(const struct proto *p);
/* Worst-case memory of such a proto, in bytes. */
size_t proto_bytes(const struct proto_cfg *cfg);
