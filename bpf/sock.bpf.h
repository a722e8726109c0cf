/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What all socket families share: the entry and the return of a call on a TCP socket, and how it
 * relates to a TLS call around it on the same thread. The families differ only in where the
 * arguments come from.
 */
#pragma once

#include "stream.bpf.h"

static __always_inline void ks_sock_enter(struct sock *sk, struct ks_call *call)
{
	__u64 key = bpf_get_current_pid_tgid();
	struct ks_stream *s = ks_sock_find(sk);

	if (s &&
	    s->tls) { /* ciphertext: nothing to copy, and nothing to learn unless it is not bound yet */
		struct ks_call *outer = bpf_map_lookup_elem(&ks_calls, &key);

		if (!outer || outer->owner == s->tls_key.handle)
			return;
	}
	call->owner = (__u64)sk;
	call->seq = ks_seq(sk, call->dir);
	call->enter_ns = bpf_ktime_get_ns();
	if (bpf_map_update_elem(&ks_sockcalls, &key, call, BPF_ANY))
		ks_count(KS_DROP_calls_full, 1);
}

/*
 * Inside a library call: TLS records on the wire bind the two (tls.md section 1.2: callbacks may do
 * other I/O inside, so the first record must look like one). True when the bytes are ciphertext.
 */
static __always_inline bool ks_sock_nested(struct ks_stream *sock, __u64 pid_tgid,
					   enum ks_head head)
{
	struct ks_call *outer = bpf_map_lookup_elem(&ks_calls, &pid_tgid);
	struct ks_stream *s;

	if (!outer || (!sock->tls && head != KS_HEAD_TLS))
		return sock->tls;
	sock->tls = 1;
	s = bpf_map_lookup_elem(&ks_streams, &sock->tls_key);
	if (s && s->sock_id == sock->id && s->handle != outer->owner)
		return true; /* another handle, used inside a callback of this one */
	s = ks_tls_get(outer->owner);
	if (s)
		ks_bind(s, sock, KS_RUNG_NESTED);
	return true;
}

/*
 * The entry is of this very call: TCP counted as much since then as the call says. An older one may
 * be left when programs were not run (ks_catch_up()); its buffer holds other bytes.
 */
static __always_inline bool ks_is_current(struct sock *sk, const struct ks_call *call, __u32 n)
{
	__u8 dir = call->dir & 1;
	__u32 seq = ks_seq(sk, dir), moved = seq - call->seq;

	return moved == n || moved - ks_fin(sk, dir, seq, moved - n) == n;
}

static __always_inline void ks_sock_done(struct ks_call *call, __u32 n, __u64 pid_tgid,
					 const enum ks_buf vec)
{
	struct sock *sk = (struct sock *)call->owner;
	struct ks_stream *s = ks_sock_find(sk);
	enum ks_head head;

	if (!s)
		s = ks_sock_make(sk, KS_ROLE_UNKNOWN, 0, false);
	if (!s)
		return;
	if (!s->rport)
		ks_read_tuple(s, sk);
	head = ks_head_of(ks_first_word(call, n, vec));
	if (ks_sock_nested(s, pid_tgid, head)) {
		s->bytes[call->dir & 1] += n;
		return;
	}
	/* a body may begin like a TLS record; the tunnel after a CONNECT is one */
	if (head == KS_HEAD_TLS && s->http != KS_HTTP_YES) {
		s->tls = 1;
		s->bytes[call->dir & 1] += n;
		return;
	}
	if (!ks_is_current(sk, call, n + call->later))
		n = 0;
	ks_catch_up(s, sk, call->dir, n, call->later);
	if (!n)
		return;
	ks_moved(s, call, n, head, vec);
}

static __always_inline void ks_sock_return(__s64 ret, const enum ks_buf vec)
{
	__u64 key = bpf_get_current_pid_tgid();
	struct ks_call *call = bpf_map_lookup_elem(&ks_sockcalls, &key);

	if (!call)
		return;
	if (ret > 0)
		ks_sock_done(call, ret, key, vec);
	bpf_map_delete_elem(&ks_sockcalls, &key);
}
