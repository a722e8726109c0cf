/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Sockets by kprobes. No return probes: a kretprobe has a fixed number of instances, few on small
 * machines, and every receive that waits for data holds one; what is beyond is missed without a
 * word (Documentation/trace/kprobes.rst). Instead, tcp_sendmsg() and tcp_recvmsg() release the
 * socket as their last act, and by then the iterator says how many bytes they moved. The release
 * they do while waiting for memory or data is told apart by its return address.
 */
#include "iter.bpf.h"
#include "proc.bpf.h"
#include "sock.bpf.h"

#include <bpf/bpf_tracing.h>

#define KP_FUNC_SPAN 8192 /* tcp_recvmsg() of 5.10, the longest, has less than 4 KiB of code */

/* The registers of the fourth and fifth parameter: psABI of each architecture */
#if defined(__TARGET_ARCH_x86)
#define KP_REG_4 cx
#define KP_REG_5 r8
#else
#define KP_REG_4 regs[3]
#define KP_REG_5 regs[4]
#endif

static __always_inline void kp_enter(struct pt_regs *ctx, __u8 dir, __u64 flags)
{
	struct msghdr *msg = (struct msghdr *)PT_REGS_PARM2(ctx);
	struct ks_call call = { .dir = dir };

	if (!ks_watched(ks_tgid()) || (dir == KS_IN && ks_recv_ignored(flags)))
		return;
	ks_read_iter(msg, &call);
	call.msg = (__u64)msg;
	call.ip = PT_REGS_IP(ctx);
	ks_sock_enter((struct sock *)PT_REGS_PARM1(ctx), &call);
}

SEC("?kprobe/tcp_sendmsg")
int kp_sendmsg(struct pt_regs *ctx)
{
	kp_enter(ctx, KS_OUT, 0);
	return 0;
}

SEC("?kprobe/tcp_recvmsg")
int kp_recvmsg(struct pt_regs *ctx)
{
	kp_enter(ctx, KS_IN,
		 recvmsg_args == 6 ? KS_CTX_WORD(ctx, offsetof(struct pt_regs, KP_REG_5))
				   : KS_CTX_WORD(ctx, offsetof(struct pt_regs, KP_REG_4)));
	return 0;
}

/*
 * tcp_recvmsg() lets go of the socket in the middle when packets have come in the meantime, and may
 * then go on: what is left of the call is told as another one.
 */
static __always_inline bool kp_goes_on(struct ks_call *call, __u64 left)
{
	struct sock *sk = (struct sock *)call->owner;

	if (call->dir != KS_IN || !left || !BPF_CORE_READ(sk, sk_backlog.tail))
		return false;
	call->total = left;
	call->seq = ks_seq(sk, KS_IN);
	call->events = call->copied = call->missed_records = call->missed = call->faulted = 0;
	call->part = 0;
	call->owed = 0;
	return true;
}

/* void release_sock(struct sock *sk) */
SEC("?kprobe/release_sock")
int kp_release(struct pt_regs *ctx)
{
	__u64 key = bpf_get_current_pid_tgid();
	struct ks_call *call = bpf_map_lookup_elem(&ks_sockcalls, &key);
	__u64 back = 0, left;
	struct msghdr *msg;

	if (!call || call->owner != PT_REGS_PARM1(ctx))
		return 0;
	BPF_KPROBE_READ_RET_IP(back, ctx);
	if (back - call->ip > KP_FUNC_SPAN)
		return 0;
	msg = (struct msghdr *)call->msg;
	left = BPF_CORE_READ(msg, msg_iter.count);
	if (call->total > left)
		ks_sock_done(call, call->total - left, key, KS_BUF_IOV);
	if (!kp_goes_on(call, left))
		bpf_map_delete_elem(&ks_sockcalls, &key);
	return 0;
}

/* A reset connection is closed without a change of state (conn.bpf.c). */
SEC("?kprobe/tcp_close")
int kp_close(struct pt_regs *ctx)
{
	ks_sock_end((struct sock *)PT_REGS_PARM1(ctx));
	return 0;
}

/*
 * unsigned long vm_mmap_pgoff(struct file *file, unsigned long addr, unsigned long len, unsigned
 * long prot, ...)
 */
SEC("?kprobe/vm_mmap_pgoff")
int kp_mmap_in(struct pt_regs *ctx)
{
	struct file *file = (struct file *)PT_REGS_PARM1(ctx);

	if (file && PT_REGS_PARM4(ctx) & PROT_EXEC && ks_watched(ks_tgid()))
		ks_mmap_enter(file);
	return 0;
}

SEC("?kretprobe/vm_mmap_pgoff")
int kp_mmap_out(struct pt_regs *ctx)
{
	ks_mmap_return();
	return 0;
}
