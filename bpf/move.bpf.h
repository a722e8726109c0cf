/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * From "a call moved n bytes of this stream" to records: look at the first bytes, decide how much
 * is worth copying, walk the buffers. Offsets advance by what was moved, copied or not.
 */
#pragma once

#include "emit.bpf.h"
#include "head.bpf.h"

/*
 * A call's progress lives in its own entry of the in-flight map, not in registers: what is loaded
 * from there is an unknown number to the verifier, so each turn of the copy loop looks like the
 * last one and is proven once (5.10 otherwise runs into its limit of a million instructions). The
 * entry belongs to the thread, and is deleted when the call is done.
 */
#define KS_ONCE(field) (*(volatile __typeof__(field) *)&(field))

/* n bytes are done with. */
static __always_inline void ks_step(struct ks_call *c, __u32 n)
{
	c->buf += n;
	c->left -= n;
	c->todo -= n;
	c->offset += n;
	c->part++;
}

/*
 * Go to the next segment of a vectored call; false: there is none. A segment may be empty. `vec` is
 * the one kind of vector that callers of this program can have, a constant: KS_BUF_IOV,
 * KS_BUF_USER_IOV, or KS_BUF_USER for never.
 */
static __always_inline bool ks_next_segment(struct ks_call *c, const enum ks_buf vec)
{
	struct iovec v = {};
	__u64 skip = c->skip;

	if (vec == KS_BUF_USER || c->kind != vec || !KS_ONCE(c->segs))
		return false;
	if (vec == KS_BUF_IOV)
		bpf_probe_read_kernel(&v, sizeof(v), (void *)c->iov);
	else
		bpf_probe_read_user(&v, sizeof(v), (void *)c->iov);
	c->segs--;
	c->iov += sizeof(v);
	if (skip > v.iov_len)
		skip = v.iov_len;
	c->skip -= skip;
	c->buf = (__u64)v.iov_base + skip;
	c->left = v.iov_len - skip;
	return true;
}

/*
 * The first bytes the call moved, zero-padded; 0 when they cannot be read. Leaves the call at its
 * first bytes.
 */
static __always_inline __u64 ks_first_word(struct ks_call *c, __u32 moved, const enum ks_buf vec)
{
	__u64 word = 0;
	__u32 n;

	if (c->kind == KS_BUF_NONE)
		return 0;
	if (c->kind == KS_BUF_USER)
		c->left = moved;
	for (int i = 0; i < 3 && !KS_ONCE(c->left); i++)
		if (!ks_next_segment(c, vec))
			return 0;
	n = KS_ONCE(c->left) < moved ? KS_ONCE(c->left) : moved;
	if (n >= KS_HEAD_LEN) {
		bpf_probe_read_user(&word, KS_HEAD_LEN, (void *)c->buf);
	} else {
		barrier_var(n); /* or the compiler drops the mask, which the verifier needs */
		bpf_probe_read_user(&word, n & (KS_HEAD_LEN - 1), (void *)c->buf);
	}
	return word;
}

/* One buffer: whole chunks, then the rest in the smallest slot that holds it. */
static __noinline int ks_copy_buffer(struct ks_move *m)
{
	struct ks_call *c = m->c;
	__u32 rest;

	for (int i = 0; i < KS_CALL_PARTS && KS_ONCE(c->todo) >= KS_CHUNK_CAP; i++) {
		ks_emit_sized(m, (void *)KS_ONCE(c->buf), KS_CHUNK_CAP, KS_CHUNK_CAP);
		ks_step(c, KS_CHUNK_CAP);
	}
	rest = KS_ONCE(c->todo);
	if (rest && rest < KS_CHUNK_CAP) {
		ks_emit_part(m, (void *)KS_ONCE(c->buf), rest);
		ks_step(c, rest);
	}
	return 0;
}

/* Any kind. Bounded loops: bpf_loop() came with 5.17. */
static __noinline int ks_copy_segments(struct ks_move *m, const enum ks_buf vec)
{
	struct ks_call *c = m->c;

	for (int i = 0; i < KS_CALL_PARTS + KS_IOV_SEGS; i++) {
		__u32 n = KS_ONCE(c->todo);
		__u64 left = KS_ONCE(c->left);

		if (!n)
			return 0;
		if (!left) {
			if (!ks_next_segment(c, vec))
				return 0;
			continue;
		}
		if (n > left)
			n = left;
		if (n > KS_CHUNK_CAP)
			n = KS_CHUNK_CAP;
		ks_emit_part(m, (void *)KS_ONCE(c->buf), n);
		ks_step(c, n);
	}
	return 0;
}

static __always_inline int ks_open(struct ks_stream *s, __u32 tgid, __u32 tid, __u64 proc_start)
{
	bool mid = !s->born || s->bytes[KS_OUT] || s->bytes[KS_IN];

	s->tgid = tgid;
	s->tid = tid;
	s->proc_start = proc_start;
	if (ks_emit_stream(s, KS_EV_OPEN, mid ? KS_F_MIDSTREAM : 0))
		return -1;
	s->opened = 1;
	return 0;
}

/* Remember what a head says about the rest of the stream. */
static __always_inline void ks_note_head(struct ks_stream *s, enum ks_head head)
{
	if (head == KS_HEAD_CONNECT)
		s->http = KS_HTTP_CONNECT;
	else if (head == KS_HEAD_REQUEST || head == KS_HEAD_RESPONSE || head == KS_HEAD_H2)
		s->http = s->http == KS_HTTP_CONNECT && head == KS_HEAD_RESPONSE ? KS_HTTP_CONNECT
										 : KS_HTTP_YES;
}

/* Copy the first `cap` bytes of the call. */
static __always_inline void ks_copy_call(struct ks_move *m, __u32 cap, const enum ks_buf vec)
{
	struct ks_call *c = m->c;
	__u32 n = c->len;

	c->todo = n < cap ? n : cap;
	if (n > cap && cap == cfg.call_cap) {
		ks_count(KS_DROP_clipped, n - cap);
		c->flags |= KS_F_CLIPPED;
	} else if (n > cap) {
		ks_count(KS_SEEN_SKIPPED, n - cap);
		c->owed = KS_F_SKIPPED;
	}
	if (c->kind == KS_BUF_NONE)
		ks_emit_hole(m);
	else if (vec == KS_BUF_USER)
		ks_copy_buffer(m);
	else
		ks_copy_segments(m, vec);
}

static __always_inline void ks_emit_call(struct ks_stream *s, struct ks_call *c, __u32 cap,
					 const enum ks_buf vec)
{
	struct ks_move m = { .s = s, .c = c };

	m.now = bpf_ktime_get_ns();
	m.pid_tgid = bpf_get_current_pid_tgid();
	m.proc_start = ks_current_start();
	c->offset = s->bytes[c->dir & 1];
	c->flags = s->pending[c->dir & 1];
	if (!s->opened && ks_open(s, m.pid_tgid >> 32, (__u32)m.pid_tgid, m.proc_start))
		ks_missed(&m, c->len);
	else
		ks_copy_call(&m, cap, vec);
	ks_account(&m);
}

/*
 * The call moved n > 0 bytes of s; head is what they begin with. Process context, at the return of
 * the call.
 */
static __always_inline void ks_moved(struct ks_stream *s, struct ks_call *c, __u32 n,
				     enum ks_head head, const enum ks_buf vec)
{
	__u8 dir = c->dir & 1;
	__u32 cap;

	ks_count(KS_SEEN_CALLS, 1);
	ks_count(KS_SEEN_BYTES, n);
	ks_note_head(s, head);
	cap = ks_copy_cap(head, s->http, s->http && ks_verdict(s->id) == KS_V_SKIP, cfg.call_cap);
	c->len = n;
	if (cap) {
		ks_emit_call(s, c, cap, vec);
	} else {
		ks_count(KS_SEEN_SKIPPED, n);
		if (s->opened)
			s->pending[dir] |= KS_F_SKIPPED;
	}
	s->bytes[dir] += n;
}
