/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Sockets by fentry and fexit on the TCP functions: the cheapest family, sees io_uring and splice
 * too, and no return is ever missed. Arguments are ctx[0], ctx[1], ...; the return value follows
 * them.
 */
#include "iter.bpf.h"
#include "proc.bpf.h"
#include "sock.bpf.h"

static __always_inline void fe_enter(__u64 *ctx, __u8 dir, __u64 flags)
{
	struct ks_call call = { .dir = dir };

	if (!ks_watched(ks_tgid()) || (dir == KS_IN && ks_recv_ignored(flags)))
		return;
	ks_read_iter((struct msghdr *)ctx[1], &call);
	ks_sock_enter((struct sock *)ctx[0], &call);
}

/* int tcp_sendmsg(struct sock *sk, struct msghdr *msg, size_t size) */
SEC("?fentry/tcp_sendmsg")
int fe_sendmsg_in(__u64 *ctx)
{
	fe_enter(ctx, KS_OUT, 0);
	return 0;
}

SEC("?fexit/tcp_sendmsg")
int fe_sendmsg_out(__u64 *ctx)
{
	ks_sock_return((int)ctx[3], KS_BUF_IOV);
	return 0;
}

/*
 * int tcp_recvmsg(struct sock *sk, struct msghdr *msg, size_t len, [int nonblock,] int flags[, int
 * *addr_len])
 */
SEC("?fentry/tcp_recvmsg")
int fe_recvmsg_in(__u64 *ctx)
{
	fe_enter(ctx, KS_IN, recvmsg_args == 6 ? KS_CTX_WORD(ctx, 4 * 8) : KS_CTX_WORD(ctx, 3 * 8));
	return 0;
}

SEC("?fexit/tcp_recvmsg")
int fe_recvmsg_out(__u64 *ctx)
{
	__u64 ret;

	if (recvmsg_args == 6)
		ret = KS_CTX_WORD(ctx, 6 * 8);
	else if (recvmsg_args == 5)
		ret = KS_CTX_WORD(ctx, 5 * 8);
	else
		ret = KS_CTX_WORD(ctx, 4 * 8);
	ks_sock_return((int)ret, KS_BUF_IOV);
	return 0;
}

/* A reset connection is closed without a change of state (conn.bpf.c). */
SEC("?fentry/tcp_close")
int fe_close(__u64 *ctx)
{
	ks_sock_end((struct sock *)ctx[0]);
	return 0;
}

/*
 * vm_mmap_pgoff(file, addr, len, prot, flag, pgoff) (mm/util.c): below mmap() and the ELF loader
 * alike; the mapping exists when it returns.
 */
SEC("?fexit/vm_mmap_pgoff")
int fe_mmap(__u64 *ctx)
{
	struct file *file = (struct file *)ctx[0];
	struct ks_file f;

	if (file && ctx[3] & PROT_EXEC && ks_watched(ks_tgid()) && ks_mmap_new(file, &f))
		ks_proc_emit(KS_EV_MMAP, &f);
	return 0;
}
