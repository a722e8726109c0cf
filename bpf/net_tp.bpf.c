/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Sockets and executable mappings from system calls: works where neither fentry nor kprobes do
 * (tls.md section 5.1), but does not see io_uring, and every system call of the machine pays a
 * little for it. Raw tracepoints need no tracefs, which is not mounted everywhere, and are two
 * programs instead of twenty-two. Descriptors are resolved at entry, through current->files;
 * anything but a TCP socket ends there.
 */
#include "proc.bpf.h"
#include "sock.bpf.h"

#if defined(__TARGET_ARCH_x86) /* arch/x86/entry/syscalls/syscall_64.tbl */
enum {
	NR_read = 0,
	NR_write = 1,
	NR_close = 3,
	NR_mmap = 9,
	NR_readv = 19,
	NR_writev = 20,
	NR_sendfile = 40,
	NR_sendto = 44,
	NR_recvfrom = 45,
	NR_sendmsg = 46,
	NR_recvmsg = 47,
	NR_recvmmsg = 299,
	NR_sendmmsg = 307
};
#define REG_NR(regs) BPF_CORE_READ(regs, orig_ax)
#define REG_ARG(regs, i)                       \
	((i) == 0   ? BPF_CORE_READ(regs, di)  \
	 : (i) == 1 ? BPF_CORE_READ(regs, si)  \
	 : (i) == 2 ? BPF_CORE_READ(regs, dx)  \
	 : (i) == 3 ? BPF_CORE_READ(regs, r10) \
		    : BPF_CORE_READ(regs, r8))
#define TS_COMPAT \
	2 /* arch/x86/include/asm/thread_info.h: a 32-bit system call, with other numbers */
#else	  /* include/uapi/asm-generic/unistd.h */
enum {
	NR_read = 63,
	NR_write = 64,
	NR_close = 57,
	NR_mmap = 222,
	NR_readv = 65,
	NR_writev = 66,
	NR_sendfile = 71,
	NR_sendto = 206,
	NR_recvfrom = 207,
	NR_sendmsg = 211,
	NR_recvmsg = 212,
	NR_recvmmsg = 243,
	NR_sendmmsg = 269
};
#define REG_NR(regs)	 BPF_CORE_READ(regs, syscallno)
#define REG_ARG(regs, i) ((i) == 0 ? BPF_CORE_READ(regs, orig_x0) : BPF_CORE_READ(regs, regs[i]))
#define TS_COMPAT	 0
#endif

static __always_inline bool is_compat(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	return TS_COMPAT && BPF_CORE_READ(task, thread_info.status) & TS_COMPAT;
}

/* Fill in what a call will move, by the shape of its arguments; false: nothing that counts. */
static __always_inline bool tp_buffer(struct pt_regs *regs, long nr, struct ks_call *call)
{
	bool msg = nr == NR_recvmsg || nr == NR_sendmsg;
	__u64 flags = nr == NR_recvfrom	  ? REG_ARG(regs, 3)
		      : nr == NR_recvmsg  ? REG_ARG(regs, 2)
		      : nr == NR_recvmmsg ? REG_ARG(regs, 3)
					  : 0;
	struct user_msghdr hdr;

	call->dir = nr == NR_read || nr == NR_readv || nr == NR_recvfrom || nr == NR_recvmsg ||
				    nr == NR_recvmmsg
			    ? KS_IN
			    : KS_OUT;
	if (flags & (MSG_OOB | MSG_PEEK | MSG_ERRQUEUE | MSG_TRUNC)) /* as ks_recv_ignored() */
		return false;
	if (nr == NR_sendmmsg || nr == NR_recvmmsg) {
		call->kind = KS_BUF_USER_IOV;
		call->msg = REG_ARG(regs, 1);
	} else if (nr == NR_sendfile) {
		call->kind = KS_BUF_NONE;
	} else if (msg) {
		if (bpf_probe_read_user(&hdr, sizeof(hdr), (void *)REG_ARG(regs, 1)))
			return false;
		call->kind = KS_BUF_USER_IOV;
		call->iov = (__u64)hdr.msg_iov;
		call->segs = hdr.msg_iovlen;
	} else if (nr == NR_readv || nr == NR_writev) {
		call->kind = KS_BUF_USER_IOV;
		call->iov = REG_ARG(regs, 1);
		call->segs = REG_ARG(regs, 2);
	} else {
		call->kind = KS_BUF_USER;
		call->buf = REG_ARG(regs, 1);
	}
	return true;
}

/*
 * A reset connection is closed without a change of state (conn.bpf.c): its end is the close() of a
 * dead socket.
 */
static __always_inline void tp_close(struct sock *sk)
{
	if (BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_CLOSE)
		ks_sock_end(sk);
}

static __always_inline void tp_mmap(struct pt_regs *regs)
{
	__u32 fd = REG_ARG(regs, 4);
	struct file *file;

	if (!(REG_ARG(regs, 2) & PROT_EXEC) || (int)fd < 0 || is_compat())
		return;
	file = ks_file_of_fd(fd);
	if (file)
		ks_mmap_enter(file);
}

static __always_inline bool moves_bytes(long nr)
{
	return nr == NR_read || nr == NR_write || nr == NR_readv || nr == NR_writev ||
	       nr == NR_sendto || nr == NR_recvfrom || nr == NR_sendmsg || nr == NR_recvmsg ||
	       nr == NR_sendfile || nr == NR_sendmmsg || nr == NR_recvmmsg;
}

/*
 * sendmmsg() and recvmmsg() on a stream are a curiosity: the first message is told, and the others
 * show in TCP's count. Returns what the first one moved.
 */
static __always_inline __s64 tp_first_message(__s64 cnt)
{
	__u64 key = bpf_get_current_pid_tgid();
	struct ks_call *call = bpf_map_lookup_elem(&ks_sockcalls, &key);
	struct mmsghdr first = {};
	const struct mmsghdr *m;

	if (!call)
		return 0;
	m = (const struct mmsghdr *)call->msg;
	bpf_probe_read_user(&first, sizeof(first), m);
	call->iov = (__u64)first.msg_hdr.msg_iov;
	call->segs = first.msg_hdr.msg_iovlen;
	for (int i = 1; i < KS_IOV_SEGS && i < cnt; i++) {
		__u32 n = 0;

		bpf_probe_read_user(&n, sizeof(n), &m[i].msg_len);
		call->later += n;
	}
	return cnt > 0 ? first.msg_len : 0;
}

/* TP_PROTO(struct pt_regs *regs, long id) */
SEC("?raw_tp/sys_enter")
int tp_sys_enter(__u64 *ctx)
{
	struct pt_regs *regs = (struct pt_regs *)ctx[0];
	long nr = ctx[1];
	struct ks_call call = {};
	struct sock *sk;

	if ((nr != NR_mmap && (!follow_sockets || (nr != NR_close && !moves_bytes(nr)))) ||
	    !ks_watched(ks_tgid()))
		return 0;
	if (nr == NR_mmap) {
		tp_mmap(regs);
		return 0;
	}
	sk = ks_sock_of_fd(REG_ARG(regs, 0));
	if (!sk || is_compat())
		return 0;
	if (nr == NR_close)
		tp_close(sk);
	else if (tp_buffer(regs, nr, &call))
		ks_sock_enter(sk, &call);
	return 0;
}

/* TP_PROTO(struct pt_regs *regs, long ret) */
SEC("?raw_tp/sys_exit")
int tp_sys_exit(__u64 *ctx)
{
	long nr = REG_NR((struct pt_regs *)ctx[0]);

	if (nr == NR_mmap)
		ks_mmap_return();
	else if (follow_sockets && moves_bytes(nr))
		ks_sock_return(nr == NR_sendmmsg || nr == NR_recvmmsg ? tp_first_message(ctx[1])
								      : (__s64)ctx[1],
			       KS_BUF_USER_IOV);
	return 0;
}
