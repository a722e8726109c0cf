/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only OR BSD-2-Clause */
/*
 * The event ABI: what the kernel side, the privileged process and a recording tell the pipeline.
 * Both sides include this file, so there is nothing to keep in step. Numbers are never reused.
 * All times are CLOCK_MONOTONIC nanoseconds unless a name says wall. Integers are host order.
 * A record occupies its ring slot (or file bytes) and is valid inside the callback only.
 */
#pragma once

#ifndef __BPF__
#include <linux/types.h>
#endif

#define KS_EVENT_ABI 1

enum ks_event_kind {
	KS_EV_NONE = 0,
	KS_EV_DATA = 1,	  /* struct ks_ev_data: bytes moved by one call, or a part of them */
	KS_EV_OPEN = 2,	  /* struct ks_ev_stream: first interest in a stream, before its first DATA */
	KS_EV_BIND = 3,	  /* struct ks_ev_stream: facts changed (socket found, handshake done) */
	KS_EV_CLOSE = 4,  /* struct ks_ev_stream: the stream ended; its last record */
	KS_EV_EXEC = 8,	  /* struct ks_ev_proc: a process started a new program (control ring) */
	KS_EV_EXIT = 9,	  /* struct ks_ev_proc: a thread group ended (both rings) */
	KS_EV_MMAP = 10,  /* struct ks_ev_proc: an executable file mapping was made (control ring) */
	KS_EV_IDENT = 16, /* struct ks_ev_ident: who a process is; written by the privileged process */
	KS_EV_TICK = 17,  /* struct ks_ev_tick: time passed; written by the loop */
	KS_EV_CNT = 32,
};

enum ks_dir { KS_OUT = 0, KS_IN = 1, KS_DIR_CNT = 2 }; /* seen from the process: sent, received */

enum ks_source { /* where the bytes were seen */
	KS_SRC_SOCKET = 1,
	KS_SRC_OPENSSL = 2, /* at the calls of a TLS library: this one or its forks, */
	KS_SRC_GNUTLS = 3,
	KS_SRC_MBEDTLS = 4,
	KS_SRC_WOLFSSL = 5,
	KS_SRC_S2N = 6,
};

enum ks_role { KS_ROLE_UNKNOWN = 0, KS_ROLE_CLIENT = 1, KS_ROLE_SERVER = 2 }; /* connect(), accept() */

enum ks_rung { /* the evidence that bound a TLS stream to its socket; the larger number is stronger */
	KS_RUNG_NONE = 0,
	KS_RUNG_SET_FD = 2, /* SSL_set_fd() argument */
	KS_RUNG_NESTED = 3, /* socket call inside SSL_read()/SSL_write()/SSL_do_handshake() */
	KS_RUNG_SOCKET = 4, /* the stream is the socket */
};

enum ks_flag {
	KS_F_LOST = 1 << 0,    /* bytes before this record were lost: the ring was full */
	KS_F_SKIPPED = 1 << 1, /* bytes before this record were not copied: verdict KS_V_SKIP */
	KS_F_FAULT = 1 << 2,   /* this part's bytes could not be read; cap_len is 0 */
	KS_F_CLIPPED = 1 << 3, /* the call moved more than KS_CALL_CAP bytes; the rest was not copied */
	KS_F_MIDSTREAM = 1 << 4, /* OPEN: bytes moved before we watched; offsets start at first sight */
};

enum ks_verdict { KS_V_NONE = 0, KS_V_KEEP = 1, KS_V_SKIP = 2 };

/* A verdict slot holds (stream id << 8 | verdict); slot index = id % KS_VERDICT_SLOTS. One 8-byte
 * store publishes it; a slot taken over by another id simply means "no verdict". */
#define KS_VERDICT(id, v) (((__u64)(id) << 8) | (v))

struct ks_hdr {
	__u16 kind;	      /* enum ks_event_kind */
	__u16 flags;	      /* enum ks_flag */
	__u32 len;	      /* whole record, this header included, without slot padding */
	__u64 ts_ns;	      /* when the call returned, or the fact was seen */
	__u32 tgid;
	__u32 tid;
	__u64 proc_start_ns;  /* task start_boottime of the group leader: with tgid names the process */
	__u64 id;	      /* stream id, unique since the agent started; 0 where there is none */
};

struct ks_ev_data {
	struct ks_hdr h;
	__u64 sock_id;	/* socket the stream is bound to, 0 unknown */
	__u64 offset;	/* position of data[0] in this direction of the stream */
	__u64 enter_ns; /* when the call was entered */
	__u32 call_len; /* bytes the whole call moved */
	__u32 cap_len;	/* bytes that follow */
	__u8 dir;	/* enum ks_dir */
	__u8 source;	/* enum ks_source */
	__u16 part;	/* 0 for the first part of a call, then 1, 2, ... */
	__u32 pad;
	__u8 data[];
};

struct ks_ev_stream {
	struct ks_hdr h;
	__u64 sock_id;
	__u64 handle;	      /* SSL* or 0 */
	__u64 connect_ns;     /* active open began (SYN sent); 0 unknown */
	__u64 established_ns; /* TCP established; 0 unknown */
	__u64 hs_start_ns;    /* TLS handshake began; 0 unknown */
	__u64 hs_end_ns;      /* TLS handshake succeeded; 0 unknown */
	__u64 bytes[KS_DIR_CNT]; /* moved so far, seen or not: the next offset */
	__u64 lost[KS_DIR_CNT];	 /* of these, not delivered because of loss (ring full, fault) */
	__u32 generation;     /* of the handle: bumped when the library frees it */
	__u32 netns;	      /* inode number of the network namespace */
	__u8 source;	      /* enum ks_source */
	__u8 role;	      /* enum ks_role */
	__u8 rung;	      /* enum ks_rung */
	__u8 family;	      /* AF_INET, AF_INET6, 0 unknown */
	__u16 lport;
	__u16 rport;
	__u8 laddr[16];	      /* IPv4 in the first 4 bytes */
	__u8 raddr[16];
};

struct ks_ev_proc {
	struct ks_hdr h;
	__u32 ppid;
	__u32 dev; /* MMAP: s_dev in the kernel's encoding, i_ino, i_generation of the file */
	__u64 ino;
	__u32 igen;
	__u32 pad;
	char comm[16];
};

#define KS_PATH_LEN 256
#define KS_NAME_LEN 128
struct ks_ev_ident { /* strings end in NUL; empty means unknown */
	struct ks_hdr h;
	__u32 ppid;
	__u32 uid;
	char comm[16];
	char exe[KS_PATH_LEN];	     /* /proc/PID/exe, as the process sees it */
	char service[KS_NAME_LEN];   /* OTEL_SERVICE_NAME of the process, else derived; never empty */
	char container[KS_NAME_LEN]; /* container id from the cgroup path */
};

struct ks_ev_tick {
	struct ks_hdr h; /* ts_ns: monotonic now */
	__u64 wall_ns;	 /* CLOCK_REALTIME at the same instant */
};

_Static_assert(sizeof(struct ks_hdr) == 40, "ABI");
_Static_assert(sizeof(struct ks_ev_data) == 80, "ABI");
_Static_assert(sizeof(struct ks_ev_stream) == 168, "ABI");
_Static_assert(sizeof(struct ks_ev_proc) == 80, "ABI");
_Static_assert(sizeof(struct ks_ev_ident) == 576, "ABI");
_Static_assert(sizeof(struct ks_ev_tick) == 48, "ABI");
