/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Raw event records, as from a ring or a recording that somebody made up, through flow and proto. Each record lies in
 * a block of its exact size. Small tables, so that they overflow.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "flow/flow.h"
#include "proto/proto.h"

#define MUST(cond)               \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)

static void take(void *ctx, const struct message *m)
{
	(void)ctx;
	MUST(m->x->conn->proc);
	if (m->kind == MSG_HEAD && !m->response && m->target.len)
		m->x->ignore = m->target.ptr[m->target.len - 1] == 'i';
}

static void pass(void *ctx, const struct chunk *c)
{
	proto_push(ctx, c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct proto *p;
	struct flow *f;

	if (!p)
		MUST(proto_new(&(struct proto_cfg){ 4, 3, NULL, NULL },
			       (struct message_sink){ NULL, take }, &p) == 0);
	MUST(flow_new(&(struct flow_cfg){ 4, 3 }, (struct chunk_sink){ p, pass }, &f) == 0);
	while (len >= sizeof(struct ks_hdr)) {
		struct ks_hdr h, *copy;
		size_t take_len;

		memcpy(&h, data, sizeof(h));
		take_len = h.len < sizeof(h) ? sizeof(h) : h.len < len ? h.len : len;
		h.len = h.len > take_len ? (uint32_t)take_len
					 : h.len; /* the reader of a file checks this */
		copy = malloc(take_len);
		memcpy(copy, data, take_len);
		copy->len = h.len;
		(void)flow_push(f, copy);
		free(copy);
		data += take_len;
		len -= take_len;
	}
	flow_free(f);
	MUST(!proto_exchanges(p));
	return 0;
}
