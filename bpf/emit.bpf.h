/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The one way into the rings. A record is reserved in a size class and filled in place: each byte
 * is copied once, into memory that belongs to this invocation even if it is preempted (tls.md
 * section 6.2). The consumer polls; it is woken early only when the ring fills.
 */
#pragma once

#include "task.bpf.h"

/*
 * How to submit the record of `len` bytes just reserved: a wakeup costs more than the record (an
 * interrupt to another CPU: bench.md section 2), so one record in wake_bytes of them gives it, the
 * one that crosses a multiple.
 */
static __noinline __u64 ks_wakeup(__u64 len)
{
	__u64 past = bpf_ringbuf_query(&ks_data, BPF_RB_PROD_POS) % cfg.wake_bytes;

	return past < len + BPF_RINGBUF_HDR_SZ ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

/*
 * What all DATA records of one call share. Its progress is in the call's own entry: see ks_copy().
 */
struct ks_move {
	struct ks_stream *s;
	struct ks_call *c;
	__u64 now;
	__u64 pid_tgid;
	__u64 proc_start;
	__u64 slot; /* bytes of the record being made: in memory, so that all sizes share their code */
};

static __always_inline void ks_data_head(struct ks_ev_data *e, struct ks_move *m, __u32 cap_len,
					 __u16 flags)
{
	e->h.kind = KS_EV_DATA;
	e->h.flags = flags;
	e->h.len = sizeof(*e) + cap_len;
	e->h.ts_ns = m->now;
	e->h.tgid = m->pid_tgid >> 32;
	e->h.tid = (__u32)m->pid_tgid;
	e->h.proc_start_ns = m->proc_start;
	e->h.id = m->s->id;
	e->sock_id = m->s->sock_id;
	e->offset = m->c->offset;
	e->enter_ns = m->c->enter_ns;
	e->call_len = m->c->len;
	e->cap_len = cap_len;
	e->dir = m->c->dir;
	e->source = m->s->source;
	e->part = m->c->part;
	e->pad = 0;
}

/* The ring had no room for a record that stands for n bytes: the next one says so. */
static __always_inline void ks_missed(struct ks_move *m, __u32 n)
{
	m->c->missed_records++;
	m->c->missed += n;
	m->c->flags |= KS_F_LOST;
}

static __always_inline void ks_delivered(struct ks_move *m)
{
	m->c->events++;
	m->c->flags &= KS_F_CLIPPED; /* the rest was said by this record */
}

/* One part of at most `size` (a constant) bytes from user memory. */
static __always_inline void ks_emit_sized(struct ks_move *m, const void *src, __u32 n,
					  const __u32 size)
{
	struct ks_ev_data *e = bpf_ringbuf_reserve(&ks_data, sizeof(*e) + size, 0);

	if (!e) {
		ks_missed(m, n);
		return;
	}
	m->slot = sizeof(*e) + size;
	barrier_var(
		n); /* the clamp must stay next to the copy: the verifier follows registers, not intentions */
	if (n > size)
		n = size;
	if (bpf_probe_read_user(e->data, n, src)) {
		ks_data_head(e, m, 0, m->c->flags | KS_F_FAULT);
		m->c->faulted += m->c->todo; /* one record for the rest of the call */
		m->c->todo = n;
	} else {
		ks_data_head(e, m, n, m->c->flags);
		m->c->copied += n;
	}
	ks_delivered(m);
	bpf_ringbuf_submit(e, ks_wakeup(m->slot));
}

/* One part; n is at most KS_CHUNK_CAP. */
static __always_inline void ks_emit_part(struct ks_move *m, const void *src, __u32 n)
{
	if (n <= 256)
		ks_emit_sized(m, src, n, 256);
	else if (n <= 512)
		ks_emit_sized(m, src, n, 512);
	else if (n <= 1024)
		ks_emit_sized(m, src, n, 1024);
	else if (n <= 2048)
		ks_emit_sized(m, src, n, 2048);
	else if (n <= 4096)
		ks_emit_sized(m, src, n, 4096);
	else if (n <= 8192)
		ks_emit_sized(m, src, n, 8192);
	else
		ks_emit_sized(m, src, n, KS_CHUNK_CAP);
}

/* Bytes that cannot be copied: the hole is said at once. */
static __always_inline void ks_emit_hole(struct ks_move *m)
{
	struct ks_ev_data *e = bpf_ringbuf_reserve(&ks_data, sizeof(*e), 0);

	ks_count(KS_DROP_kernel_buffer, m->c->len);
	m->s->lost[m->c->dir & 1] += m->c->len;
	m->c->todo = 0;
	if (!e) {
		ks_missed(m, 0);
		return;
	}
	ks_data_head(e, m, 0, m->c->flags | KS_F_FAULT);
	ks_delivered(m);
	bpf_ringbuf_submit(e, ks_wakeup(sizeof(*e)));
}

/* Once a call: into the counters, and to the stream what is still owed. */
static __always_inline void ks_account(struct ks_move *m)
{
	struct ks_call *c = m->c;
	__u8 dir = c->dir & 1;

	ks_count(KS_SEEN_EVENTS, c->events);
	ks_count(KS_SEEN_COPIED, c->copied);
	if (c->missed_records) {
		ks_count(KS_DROP_ring_full, c->missed);
		ks_count(KS_DROP_ring_full_records, c->missed_records);
	}
	if (c->faulted)
		ks_count(KS_DROP_fault, c->faulted);
	if (c->todo) { /* more segments than are followed */
		ks_count(KS_DROP_iov_segments, c->todo);
		c->flags |= KS_F_LOST;
	}
	m->s->lost[dir] += c->missed + c->faulted + c->todo;
	m->s->pending[dir] = (c->flags & ~KS_F_CLIPPED) | c->owed;
}

/*
 * OPEN, BIND, CLOSE. tgid and tid come from the stream: interrupts report for others. 0: delivered.
 */
static __always_inline int ks_emit_stream(struct ks_stream *s, __u16 kind, __u16 flags)
{
	struct ks_ev_stream *e = bpf_ringbuf_reserve(&ks_data, sizeof(*e), 0);

	if (!e) {
		ks_count(KS_DROP_ring_full_records, 1);
		return -1;
	}
	e->h.kind = kind;
	e->h.flags = flags;
	e->h.len = sizeof(*e);
	e->h.ts_ns = bpf_ktime_get_ns();
	e->h.tgid = s->tgid;
	e->h.tid = s->tid;
	e->h.proc_start_ns = s->proc_start;
	e->h.id = s->id;
	e->sock_id = s->sock_id;
	e->handle = s->handle;
	e->connect_ns = s->connect_ns;
	e->established_ns = s->established_ns;
	e->hs_start_ns = s->hs_start_ns;
	e->hs_end_ns = s->hs_end_ns;
	e->bytes[KS_OUT] = s->bytes[KS_OUT];
	e->bytes[KS_IN] = s->bytes[KS_IN];
	e->lost[KS_OUT] = s->lost[KS_OUT];
	e->lost[KS_IN] = s->lost[KS_IN];
	e->generation = s->generation;
	e->netns = s->netns;
	e->source = s->source;
	e->role = s->role;
	e->rung = s->rung;
	e->family = s->family;
	e->lport = s->lport;
	e->rport = s->rport;
	__builtin_memcpy(e->laddr, s->laddr, sizeof(e->laddr));
	__builtin_memcpy(e->raddr, s->raddr, sizeof(e->raddr));
	ks_count(KS_SEEN_EVENTS, 1);
	bpf_ringbuf_submit(e, ks_wakeup(sizeof(*e)));
	return 0;
}
