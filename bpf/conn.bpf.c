/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The life of TCP connections, for every socket family: the tracepoint inet_sock_set_state (since
 * 4.16) tells who opened, when, and the end. It may run in an interrupt: what it says about a
 * process comes from the socket's own record.
 */
#include "stream.bpf.h"

/*
 * The process has closed: close() sets both shutdown bits before the state changes (__tcp_close(),
 * net/ipv4/tcp.c), a reset from the peer after it (tcp_done()). After a reset what has arrived can
 * still be read, so that is no end yet; nor is the peer's end after our shutdown() of one direction,
 * while its last bytes wait in the queue, which close() has emptied by now.
 */
static __always_inline bool conn_is_over(struct sock *sk, int state)
{
	struct sk_buff_head *queue;

	if (state != TCP_FIN_WAIT1 && state != TCP_LAST_ACK && state != TCP_CLOSE)
		return false;
	if (!BPF_CORE_READ(sk, sk_socket))
		return true;
	queue = __builtin_preserve_access_index(&sk->sk_receive_queue);
	return BPF_CORE_READ(sk, sk_shutdown) == SHUTDOWN_MASK &&
	       BPF_CORE_READ(queue, next) == (struct sk_buff *)queue;
}

static __always_inline void conn_established(struct ks_stream *s, struct sock *sk)
{
	if (!s)
		return;
	s->established_ns = bpf_ktime_get_ns();
	ks_seq_start(s, sk);
}

/* TP_PROTO(const struct sock *sk, const int oldstate, const int newstate) */
SEC("?raw_tp/inet_sock_set_state")
int conn_state(__u64 *ctx)
{
	struct sock *sk = (struct sock *)ctx[0];
	int from = ctx[1], to = ctx[2];
	struct ks_stream *s;

	if (BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
		return 0;
	if (to == TCP_SYN_SENT) { /* in connect(): the caller is the owner */
		if (ks_watched(ks_tgid()))
			ks_sock_make(sk, KS_ROLE_CLIENT, bpf_ktime_get_ns(), true);
	} else if (to == TCP_ESTABLISHED && from == TCP_SYN_RECV) {
		s = ks_sock_make(sk, KS_ROLE_SERVER, 0, true);
		conn_established(s, sk);
	} else if (to == TCP_ESTABLISHED) {
		conn_established(ks_sock_find(sk), sk);
	} else if (conn_is_over(sk, to)) {
		ks_sock_end(sk);
	}
	return 0;
}
