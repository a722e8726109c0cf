/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Streams and sockets: find, make, describe, bind, end. */
#pragma once

#include "move.bpf.h"

/*
 * An IPv4 address in IPv6 clothes (RFC 4291 section 2.5.5.2) is reported as IPv4: both ends of a
 * connection agree then.
 */
static __always_inline bool ks_is_mapped(const __u8 *a)
{
	const __u32 *w = (const __u32 *)a;

	return !w[0] && !w[1] && w[2] == 0xffff0000; /* little-endian load of 00 00 ff ff */
}

static __always_inline void ks_read_tuple(struct ks_stream *s, struct sock *sk)
{
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);

	s->lport = BPF_CORE_READ(sk, __sk_common.skc_num);
	s->rport = __builtin_bswap16(BPF_CORE_READ(sk, __sk_common.skc_dport));
	s->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	s->family = family;
	if (family == AF_INET6) {
		BPF_CORE_READ_INTO(&s->laddr, sk, __sk_common.skc_v6_rcv_saddr.in6_u.u6_addr8);
		BPF_CORE_READ_INTO(&s->raddr, sk, __sk_common.skc_v6_daddr.in6_u.u6_addr8);
		if (!ks_is_mapped(s->raddr))
			return;
		__builtin_memset(s->laddr, 0, sizeof(s->laddr));
		__builtin_memset(s->raddr, 0, sizeof(s->raddr));
		s->family = AF_INET;
	}
	BPF_CORE_READ_INTO((__u32 *)s->laddr, sk, __sk_common.skc_rcv_saddr);
	BPF_CORE_READ_INTO((__u32 *)s->raddr, sk, __sk_common.skc_daddr);
}

static __always_inline struct ks_stream *ks_sock_find(struct sock *sk)
{
	__u64 key = (__u64)sk;

	return bpf_map_lookup_elem(&ks_socks, &key);
}

/* A socket seen for the first time; whatever an earlier socket at this address left is replaced. */
static __always_inline struct ks_stream *ks_sock_make(struct sock *sk, __u8 role, __u64 connect_ns,
						      bool born)
{
	__u64 key = (__u64)sk;
	struct ks_stream s = {};

	s.id = ks_new_id();
	s.sock_id = s.id;
	s.sk = key;
	s.source = KS_SRC_SOCKET;
	s.rung = KS_RUNG_SOCKET;
	s.role = role;
	s.connect_ns = connect_ns;
	s.born = born;
	if (bpf_map_update_elem(&ks_socks, &key, &s, BPF_ANY)) {
		bpf_map_delete_elem(&ks_socks, &key); /* not this connection's */
		return NULL;
	}
	return bpf_map_lookup_elem(&ks_socks, &key);
}

static __always_inline void ks_key_of(struct ks_key *k, __u64 handle)
{
	k->proc_start = ks_current_start();
	k->handle = handle;
	k->tgid = ks_tgid();
	k->pad = 0;
}

static __always_inline struct ks_stream *ks_tls_make(struct ks_key *key)
{
	struct ks_stream s = {};
	__u32 *gen = bpf_map_lookup_elem(&ks_gens, key);

	s.id = ks_new_id();
	s.handle = key->handle;
	s.tls_key = *key;
	s.generation = gen ? *gen : 0;
	s.tgid = key->tgid;
	s.tid = (__u32)bpf_get_current_pid_tgid();
	s.proc_start = key->proc_start;
	bpf_map_update_elem(&ks_streams, key, &s, BPF_NOEXIST);
	return bpf_map_lookup_elem(&ks_streams, key);
}

static __always_inline struct ks_stream *ks_tls_get(__u64 handle)
{
	struct ks_key key;
	struct ks_stream *s;

	ks_key_of(&key, handle);
	s = bpf_map_lookup_elem(&ks_streams, &key);
	return s ? s : ks_tls_make(&key);
}

/* What a TLS stream takes over from the socket under it. */
static __always_inline void ks_take_facts(struct ks_stream *s, const struct ks_stream *sock)
{
	s->sock_id = sock->id;
	s->sk = sock->sk;
	s->role = sock->role;
	s->connect_ns = sock->connect_ns;
	s->established_ns = sock->established_ns;
	s->netns = sock->netns;
	s->family = sock->family;
	s->lport = sock->lport;
	s->rport = sock->rport;
	__builtin_memcpy(s->laddr, sock->laddr, sizeof(s->laddr));
	__builtin_memcpy(s->raddr, sock->raddr, sizeof(s->raddr));
	if (sock->born && !s->bytes[KS_OUT] && !s->bytes[KS_IN])
		s->born = 1;
}

/* The handle has gone on to another connection: what follows is another stream. */
static __always_inline void ks_tls_restart(struct ks_stream *s)
{
	if (s->opened)
		ks_emit_stream(s, KS_EV_CLOSE, 0);
	s->id = ks_new_id();
	s->generation++;
	bpf_map_update_elem(&ks_gens, &s->tls_key, &s->generation, BPF_ANY);
	s->bytes[KS_OUT] = s->bytes[KS_IN] = 0;
	s->lost[KS_OUT] = s->lost[KS_IN] = 0;
	s->pending[KS_OUT] = s->pending[KS_IN] = 0;
	s->hs_start_ns = s->hs_end_ns = 0;
	s->http = s->opened = s->born = 0;
}

/*
 * Evidence of strength `rung` says that s runs over sock. A weaker one never replaces a stronger,
 * unless the handle has been given another socket.
 */
static __always_inline void ks_bind(struct ks_stream *s, struct ks_stream *sock, __u8 rung)
{
	if (s->sock_id == sock->id ? s->rung >= rung : s->rung > rung && rung != KS_RUNG_SET_FD)
		return;
	if (s->sock_id && s->sock_id != sock->id && (s->bytes[KS_OUT] || s->bytes[KS_IN]))
		ks_tls_restart(s);
	ks_take_facts(s, sock);
	s->rung = rung;
	sock->tls_key = s->tls_key;
	if (s->opened)
		ks_emit_stream(s, KS_EV_BIND, 0);
}

/* The library or the connection gave the stream up. */
static __always_inline void ks_tls_end(struct ks_key *key)
{
	struct ks_stream *s = bpf_map_lookup_elem(&ks_streams, key);

	if (!s)
		return;
	if (s->opened)
		ks_emit_stream(s, KS_EV_CLOSE, 0);
	bpf_map_delete_elem(&ks_streams, key);
}

/* TCP's count of a direction, from here on. */
static __always_inline void ks_seq_start(struct ks_stream *s, struct sock *sk)
{
	struct tcp_sock *tp = (struct tcp_sock *)sk;

	s->seq[KS_OUT] = BPF_CORE_READ(tp, write_seq);
	s->seq[KS_IN] = BPF_CORE_READ(tp, copied_seq);
	s->counted[KS_OUT] = s->counted[KS_IN] = 1;
}

static __always_inline __u32 ks_seq(struct sock *sk, __u8 dir)
{
	struct tcp_sock *tp = (struct tcp_sock *)sk;

	return dir == KS_OUT ? BPF_CORE_READ(tp, write_seq) : BPF_CORE_READ(tp, copied_seq);
}

/* 1 when TCP's count, which is `gap` bytes ahead, has gone past the FIN: no byte of the stream. */
static __always_inline __u32 ks_fin(struct sock *sk, __u8 dir, __u32 seq, __u32 gap)
{
	__u8 state = BPF_CORE_READ(sk, __sk_common.skc_state);

	if (dir == KS_OUT && state == TCP_CLOSE) /* by a FIN, or by a reset */
		return gap == 1;
	if (dir == KS_OUT)
		return state != TCP_ESTABLISHED && state != TCP_CLOSE_WAIT;
	return BPF_CORE_READ(sk, __sk_common.skc_flags) & (1 << SOCK_DONE) &&
	       seq == BPF_CORE_READ((struct tcp_sock *)sk, rcv_nxt);
}

/*
 * n bytes are about to be told, and `later` more have moved that will not be. What TCP counted
 * beyond them went another way: splice, MSG_TRUNC, a zero-copy receive; or our program was not run
 * (the kernel skips one that was preempted on this CPU: kernel/bpf/trampoline.c,
 * __bpf_prog_enter_recur()).
 */
static __noinline int ks_catch_up(struct ks_stream *s, struct sock *sk, __u8 dir, __u32 n,
				  __u32 later)
{
	__u32 seq = ks_seq(sk, dir), gap;

	dir &= 1;
	gap = s->counted[dir] ? seq - s->seq[dir] - n - later : 0;
	s->seq[dir] = seq - later;
	s->counted[dir] = 1;
	if (gap)
		gap -= ks_fin(sk, dir, seq, gap);
	if (gap == 0 || gap > 0x7fffffff) /* another thread was quicker */
		return 0;
	ks_count(KS_SEEN_BYTES, gap);
	s->bytes[dir] += gap;
	if (!s->http || ks_verdict(s->id) == KS_V_SKIP) {
		ks_count(KS_SEEN_SKIPPED, gap);
		s->pending[dir] |= KS_F_SKIPPED;
	} else {
		ks_count(KS_DROP_unseen, gap);
		s->lost[dir] += gap;
		s->pending[dir] |= KS_F_LOST;
	}
	return 0;
}

static __always_inline void ks_sock_end(struct sock *sk)
{
	__u64 key = (__u64)sk;
	struct ks_stream *s = bpf_map_lookup_elem(&ks_socks, &key), *over;
	struct ks_key tls;

	if (!s)
		return;
	tls = s->tls_key;
	if (s->opened && !s->tls) {
		ks_catch_up(s, sk, KS_OUT, 0, 0);
		ks_catch_up(s, sk, KS_IN, 0, 0);
	}
	if (s->opened)
		ks_emit_stream(s, KS_EV_CLOSE, 0);
	over = bpf_map_lookup_elem(&ks_streams, &tls);
	if (over && over->sk == key) /* it may have gone on to another socket */
		ks_tls_end(&tls);
	bpf_map_delete_elem(&ks_socks, &key);
}

/* The TCP socket behind a descriptor of the current task, NULL if it is anything else. */
static __always_inline struct sock *ks_sock_of_fd(__u32 fd)
{
	struct file *file = ks_file_of_fd(fd);
	struct socket *socket;
	struct sock *sk;
	__u16 family;

	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return NULL;
	socket = BPF_CORE_READ(file, private_data);
	if (BPF_CORE_READ(socket, type) != SOCK_STREAM)
		return NULL;
	sk = BPF_CORE_READ(socket, sk);
	family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if ((family != AF_INET && family != AF_INET6) ||
	    BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
		return NULL;
	return sk;
}
