/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One HTTP/2 connection from chunks to messages. Input as of http1_fuzz: records of one control byte (bit 0 direction,
 * bits 1-2 kind: data, data in single bytes, gap, end) and one length byte (times 1 or, bit 3 set, times 16), then the
 * bytes. The first byte says whether the stream was joined late. Then header compression alone, fed the same bytes
 * in blocks with losses. Checks the order that message.h promises, that every exchange gets its DONE, and that no
 * memory is left behind.
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

static struct proto *p;
static struct hpacks *all;
static int open_cnt;

/* So that what is left then is a leak. */
static void done(void)
{
	proto_free(p);
	hpacks_free(all);
}

static void touch(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) /* a sanitizer sees what is not ours */
		*(volatile const char *)&s.ptr[i];
}

static void take(void *ctx, const struct message *m)
{
	struct seen *seen = m->x->user;

	(void)ctx;
	if (!seen) {
		MUST(m->kind == MSG_HEAD && !m->response);
		seen = m->x->user = calloc(1, sizeof(*seen));
		open_cnt++;
		MUST(open_cnt <= KS_H2_STREAMS);
	} else if (m->kind == MSG_HEAD) {
		MUST(m->response && !seen->resp_head && m->status >= 100);
		MUST(m->x->resp_start_ns >= m->x->req_start_ns);
		seen->resp_head = true;
	} else if (m->kind == MSG_BODY || m->kind == MSG_EVENT) {
		MUST(m->response ? seen->resp_head && !seen->resp_end : !seen->req_end);
		MUST(m->data.len || m->flags & MSG_LAST);
		touch(m->data);
	} else if (m->kind == MSG_END) {
		MUST(m->response ? seen->resp_head && !seen->resp_end : !seen->req_end);
		*(m->response ? &seen->resp_end : &seen->req_end) = true;
	} else if (m->kind == MSG_DONE) {
		MUST(seen->req_end && seen->resp_end == seen->resp_head);
		MUST(seen->resp_end || m->x->incomplete);
		free(seen);
		open_cnt--;
	}
	touch(m->target);
	for (size_t i = 0; i < m->header_cnt; i++) {
		touch(m->headers[i].name);
		touch(m->headers[i].value);
	}
}

static void push(struct chunk *c, const uint8_t *at, size_t len)
{
	char *copy = malloc(len ? len : 1);

	memcpy(copy, at, len);
	c->data = (struct slice){ copy, len };
	c->ts_ns++;
	proto_push(p, c);
	free(copy);
}

static void field(void *ctx, struct slice name, struct slice value)
{
	(void)ctx;
	touch(name);
	touch(value);
}

static void blocks(const uint8_t *data, size_t len)
{
	struct hpack h = { 0 };

	for (size_t at = 0; at + 1 < len;) {
		size_t want = data[at] & 0x7f, left = len - at - 1;

		if (data[at] & 0x80)
			hpack_forget(&h);
		want = want < left ? want : left;
		hpack_block(&h, all, (struct slice){ (const char *)data + at + 1, want }, field,
			    NULL);
		at += want + 1;
	}
	hpack_done(&h);
	MUST(!hpacks_used(all));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct proc_info proc = { .tgid = 1 };
	struct conn_info conn = { .id = 1, .proc = &proc };
	void *state = NULL;
	struct chunk c = { .conn = &conn, .state = &state, .ts_ns = 1 };

	if (!p)
		MUST(proto_new(&(struct proto_cfg){ 0 }, (struct message_sink){ NULL, take }, &p) ==
			     0 &&
		     hpacks_new(&all) == 0 && atexit(done) == 0);
	if (len && data[0] & 1) {
		c.kind = CHUNK_GAP;
		c.why = INCOMPLETE_MIDSTREAM;
		push(&c, data, 0);
	}
	for (size_t at = 1; at + 2 <= len;) {
		uint8_t control = data[at];
		size_t want = data[at + 1] * (control & 8 ? 16u : 1u), part;

		at += 2;
		c.dir = control & 1;
		c.kind = (control >> 1 & 3) == 2 ? CHUNK_GAP : CHUNK_DATA;
		c.gap_len = want;
		c.why = INCOMPLETE_LOST;
		if (c.kind == CHUNK_GAP) {
			push(&c, data, 0);
			continue;
		}
		want = want < len - at ? want : len - at;
		for (size_t end = at + want; at < end; at += part) {
			part = (control >> 1 & 3) == 1 ? 1 : end - at;
			push(&c, data + at, part);
		}
	}
	c.kind = CHUNK_END;
	c.why = len & 1 ? INCOMPLETE_STOPPED : 0;
	push(&c, data, 0);
	MUST(!open_cnt && !state && !proto_exchanges(p) && !pool_cnt(p->heads) &&
	     !arena_pool_bytes(p->arenas) && !hpacks_used(p->hpacks));
	blocks(data, len);
	return 0;
}
