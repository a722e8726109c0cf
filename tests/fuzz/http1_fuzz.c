/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection from chunks to messages. Input: records of one control byte (bit 0 direction, bits 1-2 kind: data,
 * data in single bytes, gap, end) and one length byte (times 1 or, bit 3 set, times 16), then the bytes.
 * Checks the order that message.h promises and that every exchange gets its DONE.
 */
#include <stdint.h>
#include <stdlib.h>

#include "proto/conn.h" /* to see that no buffer is left behind */

#define MUST(cond)               \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)

struct seen {
	bool req_end, resp_head, resp_end;
};

static int open_cnt;

static void take(void *ctx, const struct message *m)
{
	struct seen *seen = m->x->user;

	(void)ctx;
	if (!seen) {
		MUST(m->kind == MSG_HEAD && !m->response);
		seen = m->x->user = calloc(1, sizeof(*seen));
		open_cnt++;
	} else if (m->kind == MSG_HEAD) {
		MUST(m->response && !seen->resp_head);
		MUST(m->x->resp_start_ns >= m->x->req_start_ns);
		seen->resp_head = true;
	} else if (m->kind == MSG_BODY || m->kind == MSG_EVENT) {
		MUST(m->response ? seen->resp_head && !seen->resp_end : !seen->req_end);
		MUST(m->data.len || m->flags & MSG_LAST);
		for (size_t i = 0; i < m->data.len; i++) /* a sanitizer sees what is not ours */
			*(volatile const char *)&m->data.ptr[i];
	} else if (m->kind == MSG_END) {
		MUST(m->response ? seen->resp_head && !seen->resp_end : !seen->req_end);
		*(m->response ? &seen->resp_end : &seen->req_end) = true;
	} else if (m->kind == MSG_DONE) {
		MUST(seen->req_end && seen->resp_end == seen->resp_head);
		MUST(seen->resp_end || m->x->incomplete);
		free(seen);
		open_cnt--;
	}
}

static void push(struct proto *p, struct chunk *c, const uint8_t *at, size_t len)
{
	char *copy = malloc(len ? len : 1);

	memcpy(copy, at, len);
	c->data = (struct slice){ copy, len };
	c->ts_ns++;
	proto_push(p, c);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct proto *p;
	struct proc_info proc = { .tgid = 1 };
	struct conn_info conn = { .id = 1, .proc = &proc };
	void *state = NULL;
	struct chunk c = { .conn = &conn, .state = &state, .ts_ns = 1 };

	MUST(proto_new(&(struct proto_cfg){ 0 }, (struct message_sink){ NULL, take }, &p) == 0);
	for (size_t at = 0; at + 2 <= len;) {
		uint8_t control = data[at];
		size_t want = data[at + 1] * (control & 8 ? 16u : 1u), part;

		at += 2;
		c.dir = control & 1;
		c.kind = (control >> 1 & 3) == 2 ? CHUNK_GAP : CHUNK_DATA;
		c.gap_len = want;
		c.why = INCOMPLETE_LOST;
		if (c.kind == CHUNK_GAP) {
			push(p, &c, data, 0);
			continue;
		}
		want = want < len - at ? want : len - at;
		for (size_t end = at + want; at < end; at += part) {
			part = (control >> 1 & 3) == 1 ? 1 : end - at;
			push(p, &c, data + at, part);
		}
	}
	c.kind = CHUNK_END;
	c.why = len & 1 ? INCOMPLETE_STOPPED : 0;
	push(p, &c, data, 0);
	MUST(!open_cnt && !state && !proto_exchanges(p) && !pool_cnt(p->heads) &&
	     !arena_pool_bytes(p->arenas));
	proto_free(p);
	return 0;
}
