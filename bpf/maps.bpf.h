/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The maps, their values, and the knobs: declared here, defined once in maps.bpf.c (bpftool refuses
 * a map that two objects define). Memory is the kernel's; it goes with the file descriptors of the
 * agent.
 */
#pragma once

#include "kernel.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "cfg.h"
#include "drops.h"
#include "event.h"
#include "limits.h"

/*
 * Frozen before load. recvmsg_args: parameters of tcp_recvmsg(), 6 until 5.18; 5 since, when
 * nonblock went away; 4 on 7.x, when addr_len did.
 */
extern const volatile struct ks_cfg cfg;
extern const volatile __u32 recvmsg_args;
/* The system-call programs also follow sockets, not only executable mappings. */
extern const volatile bool follow_sockets;

/* A TLS stream: forked workers share handle values, so the pointer alone is no name. */
struct ks_key {
	__u64 proc_start;
	__u64 handle;
	__u32 tgid;
	__u32 pad;
};

enum ks_http { /* what a stream has shown so far */
	       KS_HTTP_NO,
	       KS_HTTP_YES,
	       KS_HTTP_CONNECT, /* the last request head was a CONNECT: what follows may be anything */
};

/*
 * One stream of bytes: a TLS stream or a TCP socket. Its directions are used by one thread each at
 * a time.
 */
struct ks_stream {
	__u64 id;
	__u64 handle;  /* SSL*, 0 for a socket */
	__u64 sock_id; /* of the socket below, its own for a socket */
	__u64 sk;      /* struct sock the stream is bound to, 0 none */
	__u64 bytes[KS_DIR_CNT];
	__u64 lost[KS_DIR_CNT];
	__u64 connect_ns;
	__u64 established_ns;
	__u64 hs_start_ns;
	__u64 hs_end_ns;
	struct ks_key tls_key; /* the stream's own; in a socket: of the TLS stream over it */
	__u32 generation;
	__u32 netns;
	__u8 source; /* enum ks_source */
	__u8 role;   /* enum ks_role */
	__u8 rung;   /* enum ks_rung */
	__u8 family;
	__u16 lport;
	__u16 rport;
	__u8 laddr[16];
	__u8 raddr[16];
	__u8 http;		  /* enum ks_http */
	__u8 opened;		  /* OPEN was delivered */
	__u8 tls;		  /* a socket that carries TLS: never copied */
	__u8 born;		  /* we saw it begin */
	__u8 pending[KS_DIR_CNT]; /* flags owed to the next DATA of a direction */
	__u8 counted[KS_DIR_CNT]; /* seq is known */
	__u32 seq[KS_DIR_CNT];	  /* a socket: TCP's own count, up to where we have seen it */
	__u32 tgid;		  /* who uses it; for what interrupts report */
	__u32 tid;
	__u64 proc_start;
};

/* What a call will move, kept from its entry: the arguments are gone at its return. */
enum ks_buf {
	KS_BUF_NONE,	 /* kernel pages, or bytes thrown away: nothing to copy */
	KS_BUF_USER,	 /* one buffer */
	KS_BUF_IOV,	 /* an iovec array in kernel memory */
	KS_BUF_USER_IOV, /* an iovec array in user memory */
};
struct ks_call {
	__u64 owner; /* SSL* or struct sock* */
	__u64 buf;   /* where the next bytes are: in the buffer, or in the current segment */
	__u64 left;  /* bytes of the current segment; 0: take the next */
	__u64 iov;   /* the next segment of a vectored call */
	__u64 skip;  /* bytes at the start that an earlier part of the call used */
	__u64 ret;   /* user pointer that receives the count, 0: the return value is the count */
	__u64 sp;    /* stack pointer at entry: tells nested and stale calls from the outermost */
	__u64 enter_ns;
	__u64 total;  /* kprobe family: bytes the iterator held at entry, */
	__u64 msg;    /* the msghdr it is in (system calls: sendmmsg()'s array of them), */
	__u64 ip;     /* and the function's address */
	__u64 offset; /* of the next part in the stream */
	__u32 len;    /* bytes the call moved */
	__u32 segs;   /* segments from iov on */
	__u32 todo;   /* bytes still to copy */
	__u32 seq;    /* a socket: TCP's count of this direction at entry */
	__u32 later;  /* sendmmsg(): bytes of all messages but the first */
	__u32 events; /* records delivered, and payload bytes in them */
	__u32 copied;
	__u32 missed_records; /* records for which the ring had no room, and bytes they stood for */
	__u32 missed;
	__u32 faulted; /* bytes that could not be read */
	__u16 flags;   /* of the next record */
	__u16 part;
	__u8 kind; /* enum ks_buf; a library call without a buffer is a handshake */
	__u8 dir;
	__u8 owed;   /* flag for the record after this call */
	__u8 source; /* enum ks_source, of a library call */
};

struct ks_file {
	__u64 ino;
	__u32 dev;
	__u32 igen;
};

#define KS_MAP(map_type, key_type, value_type, entries) \
	{                                               \
		__uint(type, map_type);                 \
		__uint(max_entries, entries);           \
		__type(key, key_type);                  \
		__type(value, value_type);              \
	}
#define KS_SHARED_ARRAY(entries)                   \
	{                                          \
		__uint(type, BPF_MAP_TYPE_ARRAY);  \
		__uint(map_flags, BPF_F_MMAPABLE); \
		__uint(max_entries, entries);      \
		__type(key, __u32);                \
		__type(value, __u64);              \
	}
#define KS_RING(bytes)                              \
	{                                           \
		__uint(type, BPF_MAP_TYPE_RINGBUF); \
		__uint(max_entries, bytes);         \
	}

/*
 * A callback of the library may turn a connection round: Node writes its first request inside the
 * SSL_read() that ends the handshake. Such a call moves bytes of its own, in the other direction,
 * and is kept beside the outer one, under the thread's key with this bit (a tgid has 22 bits).
 */
#define KS_INNER (1ULL << 63)

/* One list for both: KS_MAP_DECL is `extern` for users and empty in maps.bpf.c. */
#ifndef KS_MAP_DECL
#define KS_MAP_DECL extern
#endif
KS_MAP_DECL struct KS_RING(KS_RING_BYTES) ks_data SEC(".maps");
KS_MAP_DECL struct KS_RING(KS_CTL_RING_BYTES) ks_ctl SEC(".maps");
KS_MAP_DECL struct KS_SHARED_ARRAY(KS_VERDICT_SLOTS) ks_verdicts SEC(".maps");
KS_MAP_DECL struct KS_SHARED_ARRAY(KS_COUNTERS) ks_counters SEC(".maps");
/* in flight, by pid_tgid: library calls, and system calls on sockets inside or outside of them */
KS_MAP_DECL struct KS_MAP(BPF_MAP_TYPE_HASH, __u64, struct ks_call, KS_CALLS) ks_calls SEC(".maps");
KS_MAP_DECL struct KS_MAP(BPF_MAP_TYPE_HASH, __u64, struct ks_call, KS_CALLS) ks_sockcalls
	SEC(".maps");
KS_MAP_DECL struct KS_MAP(BPF_MAP_TYPE_LRU_HASH, struct ks_key, struct ks_stream,
			  KS_STREAMS) ks_streams SEC(".maps");
KS_MAP_DECL struct KS_MAP(BPF_MAP_TYPE_LRU_HASH, struct ks_key, __u32, KS_STREAMS) ks_gens
	SEC(".maps");
KS_MAP_DECL struct KS_MAP(BPF_MAP_TYPE_LRU_HASH, __u64, struct ks_stream, KS_SOCKS) ks_socks
	SEC(".maps");
KS_MAP_DECL struct KS_MAP(BPF_MAP_TYPE_HASH, __u32, __u32, KS_TASKS) ks_marks SEC(".maps");
KS_MAP_DECL struct KS_MAP(BPF_MAP_TYPE_LRU_HASH, struct ks_file, __u8, KS_SEEN_FILES) ks_seen
	SEC(".maps");
KS_MAP_DECL struct KS_MAP(BPF_MAP_TYPE_HASH, __u64, struct ks_file, KS_CALLS) ks_mmaps SEC(".maps");
KS_MAP_DECL struct KS_MAP(BPF_MAP_TYPE_ARRAY, __u32, __u64, 1) ks_last_id SEC(".maps");
KS_MAP_DECL struct KS_MAP(BPF_MAP_TYPE_LRU_HASH, __u64, __u8, 1024) ks_ids SEC(".maps");
