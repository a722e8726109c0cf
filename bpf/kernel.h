/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The kernel types the programs read, and nothing else of them. CO-RE matches structs and fields by
 * name against the running kernel's BTF (Documentation/bpf/libbpf/libbpf_overview.rst), so a
 * partial definition is enough, and the objects do not depend on the kernel of the machine that
 * built them. A `___x` suffix is a flavour: libbpf drops it.
 */
#pragma once

/* A program's signature is the kernel's, whether or not it needs every argument. */
#pragma clang diagnostic ignored "-Wunused-parameter"

#define __VMLINUX_H__ /* bpf_tracing.h: registers have their kernel names */

typedef signed char __s8;
typedef unsigned char __u8;
typedef short __s16;
typedef unsigned short __u16;
typedef int __s32;
typedef unsigned int __u32;
typedef long long __s64;
typedef unsigned long long __u64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef _Bool bool;
#define true  1
#define false 0
#define NULL  ((void *)0)

/* include/uapi/linux/bpf.h */
enum {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_RINGBUF = 27,
};
enum { BPF_ANY = 0, BPF_NOEXIST = 1 };
enum { BPF_F_MMAPABLE = 1 << 10 };
enum { BPF_RB_NO_WAKEUP = 1, BPF_RB_FORCE_WAKEUP = 2 };
enum { BPF_RB_PROD_POS = 3 };
enum { BPF_RINGBUF_HDR_SZ = 8 };

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

#if defined(__TARGET_ARCH_x86)
struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di;
	unsigned long orig_ax, ip, cs, flags, sp, ss;
};
#elif defined(__TARGET_ARCH_arm64)
struct user_pt_regs {
	__u64 regs[31], sp, pc, pstate;
};
struct pt_regs {
	union {
		struct user_pt_regs user_regs;
		struct {
			__u64 regs[31], sp, pc, pstate;
		};
	};
	__u64 orig_x0;
	int syscallno;
};
#endif

typedef struct {
	int counter;
} atomic_t;

/* include/linux/fs.h, file and descriptor table: current->files->fdt->fd[n] */
struct super_block {
	__u32 s_dev;
};
struct inode {
	unsigned short i_mode;
	struct super_block *i_sb;
	unsigned long i_ino;
	__u32 i_generation;
};
struct file {
	struct inode *f_inode;
	void *private_data;
};
struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};
struct files_struct {
	struct fdtable *fdt;
};

struct signal_struct {
	atomic_t live;
};
struct thread_info {
	__u32 status; /* x86 */
};
struct task_struct {
	int pid;
	int tgid;
	struct task_struct *group_leader;
	struct task_struct *real_parent;
	struct files_struct *files;
	struct signal_struct *signal;
	__u64 start_boottime;
#if defined(__TARGET_ARCH_x86)
	struct thread_info thread_info;
#endif
};

/* include/net/sock.h, include/net/inet_sock.h */
struct in6_addr {
	union {
		__u8 u6_addr8[16];
	} in6_u;
};
struct ns_common {
	unsigned int inum;
};
struct net {
	struct ns_common ns;
};
typedef struct {
	struct net *net;
} possible_net_t;
struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	unsigned long skc_flags;
};
struct socket;
struct sk_buff;
struct sk_buff_head {
	struct sk_buff *next; /* itself when empty */
};
struct sock {
	struct sock_common __sk_common;
	struct sk_buff_head sk_receive_queue;
	struct {
		struct sk_buff *tail;
	} sk_backlog;
	struct socket *sk_socket;
	__u8 sk_shutdown;
	__u16 sk_protocol;
	__u16 sk_type;
};
struct tcp_sock {	  /* include/linux/tcp.h; begins with its struct sock */
	__u32 rcv_nxt;	  /* of the next byte to arrive, */
	__u32 copied_seq; /* to be read, */
	__u32 write_seq;  /* and to be written */
};
struct socket {
	short type;
	struct sock *sk;
};

/*
 * include/linux/uio.h. iter_type is a byte since 5.14; ITER_UBUF is there since 6.0; iov became
 * __iov in 6.4.
 */
struct iovec {
	void *iov_base;
	unsigned long iov_len;
};
struct iov_iter {
	__u8 iter_type;
	unsigned long iov_offset;
	unsigned long count;
	void *ubuf;
	const struct iovec *__iov;
	unsigned long nr_segs;
};
struct iov_iter___iov { /* before 6.4 */
	const struct iovec *iov;
};
struct iov_iter___type { /* before 5.14: type and direction bits in one word */
	unsigned int type;
};
struct msghdr {
	struct iov_iter msg_iter;
};

#pragma clang attribute pop

/* Values differ by kernel: asked for by name (bpf_core_enum_value). */
enum iter_type { ITER_UBUF, ITER_IOVEC };

/*
 * The user-space view of sendmsg(2): include/linux/socket.h, struct user_msghdr. An ABI: no
 * relocation.
 */
struct user_msghdr {
	void *msg_name;
	int msg_namelen;
	struct iovec *msg_iov;
	unsigned long msg_iovlen;
	void *msg_control;
	unsigned long msg_controllen;
	unsigned int msg_flags;
};

struct mmsghdr {
	struct user_msghdr msg_hdr;
	unsigned int msg_len; /* bytes moved */
};

/* include/net/tcp_states.h: exported to tracepoint users, stable */
enum {
	TCP_ESTABLISHED = 1,
	TCP_SYN_SENT = 2,
	TCP_SYN_RECV = 3,
	TCP_FIN_WAIT1 = 4,
	TCP_CLOSE = 7,
	TCP_CLOSE_WAIT = 8,
	TCP_LAST_ACK = 9
};
enum { AF_INET = 2, AF_INET6 = 10 };
enum { SOCK_STREAM = 1, IPPROTO_TCP = 6 };
enum { MSG_OOB = 0x1, MSG_PEEK = 0x2, MSG_TRUNC = 0x20, MSG_ERRQUEUE = 0x2000 };
enum { S_IFMT = 0170000, S_IFSOCK = 0140000 };
enum { PROT_EXEC = 4 };
enum { SOCK_DONE = 1 };	    /* include/net/sock.h, bit of skc_flags: set by tcp_fin() */
enum { SHUTDOWN_MASK = 3 }; /* include/net/sock.h: both directions */
