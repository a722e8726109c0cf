/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only OR BSD-2-Clause */
/*
 * Every cap in kernspan, kernel and user space, in one list. `kernspan --check-config` prints them
 * with the worst-case memory that follows. A buffer without a cap here is a defect.
 */
#ifndef __BPF__
#include_next <limits.h> /* the compiler's own looks for the C library's by this name, and finds this file first */
#endif
#ifndef KS_LIMITS_H
#define KS_LIMITS_H

/* kernel side */
#define KS_CHUNK_CAP (16 * 1024)	 /* payload bytes of one record */
#define KS_CALL_PARTS 64		 /* records of one call */
#define KS_CALL_CAP (KS_CHUNK_CAP * KS_CALL_PARTS)
#define KS_RING_BYTES (16 * 1024 * 1024) /* data ring; a power of two of pages */
#define KS_CTL_RING_BYTES (256 * 1024)	 /* control ring: exec, exit, mmap */
#define KS_WAKE_BYTES (256 * 1024)	 /* the consumer is woken each time the ring took this many */
#define KS_STREAMS 16384		 /* TLS streams tracked (LRU) */
#define KS_SOCKS 32768			 /* sockets tracked (LRU) */
#define KS_CALLS 16384			 /* library and system calls in flight */
#define KS_TASKS 16384			 /* processes with an allow or deny mark */
#define KS_SEEN_FILES 8192		 /* executable files already looked at (LRU) */
#define KS_VERDICT_SLOTS 16384
#define KS_IOV_SEGS 16			 /* segments of one vectored call that are copied */

/* probe */
#define KS_WATCH_PROCS 8192	/* processes followed at once; the least recently seen is forgotten */
#define KS_FILES 8192		/* mapped files remembered, with or without TLS code */
#define KS_TLS_FILES 512	/* files with TLS code attached at once */
#define KS_USER_TLS_FILES 128	/* of them owned by one user other than root */
#define KS_PROC_LIBS 8		/* TLS files counted for one process */
#define KS_PENDING_MMAPS 256	/* MMAP events waiting for their file to be looked at */
#define KS_MAPS_READ_CAP (16 * 1024 * 1024) /* bytes read of one /proc/PID/maps */
#define KS_ENVIRON_CAP (1024 * 1024)	     /* bytes read of one /proc/PID/environ */
#define KS_ELF_READ_CAP (64 * 1024 * 1024)   /* bytes read of one ELF file */

/* flow, proto */
#define KS_CONNS 32768		/* connections followed at once */
#define KS_PROCS 8192		/* process identities remembered */
#define KS_PIPELINE 32		/* requests waiting for their answers on one connection */
#define KS_HEAD_CAP (64 * 1024) /* one message head, all headers */
#define KS_HEADERS 128		/* header fields of one head */
#define KS_H2_STREAMS 128	/* requests open at once on one HTTP/2 connection */
#define KS_H2_TABLE (64 * 1024) /* header compression table of one direction; what a larger one holds is missed */
#define KS_H2_FRAME (1024 * 1024) /* no frame is longer where frames are searched for */
#define KS_HPACK_MEM (32 * 1024 * 1024) /* header compression tables of all connections together */
#define KS_EXCHANGES 8192	/* exchanges open at once */
#define KS_ARENA_CAP (64 * 1024) /* memory of one exchange */
#define KS_HEADS 512		 /* heads and lines that span records, buffered at once */
#define KS_ARENA_BLOCK (8 * 1024) /* what arenas are made of */
#define KS_ARENA_BLOCKS 8192	  /* of all exchanges together */
#define KS_SKIP_CALLS 3		  /* foreign exchanges in a row after which the kernel skips the stream, ... */
#define KS_H2_SKIP_CALLS 32	  /* the same of HTTP/2, which is not found again once it was skipped, ... */
#define KS_SKIP_BYTES (64 * 1024) /* ... provided they moved this much: what is cheap to see is not skipped */
#define KS_EXIT_GRACE_NS 1000000000ull /* a dead process's streams are closed after this */
#define KS_PROC_SLACK_NS 20000000ull /* start times this near name the same process (/proc has 10 ms ticks) */
#define KS_INFLATE_MEM (64 * 1024 * 1024) /* decoder memory of all bodies together */
#define KS_INFLATERS 512	/* compressed bodies being decoded at once */
#define KS_INFLATE_RATIO 200	/* output bytes for each input byte before a body is given up */
#define KS_INFLATE_SLACK (1024 * 1024) /* output allowed before the ratio counts */
#define KS_SSE_NAME_CAP 128	/* an SSE event name */

/* provider, span */
#define KS_JSON_DEPTH 16	/* longest path that can be asked for */
#define KS_JSON_SKIP_DEPTH 1024 /* nesting at which a document is given up */
#define KS_JSON_KEY_CAP 64	/* a key that can match a path; a number or literal */
#define KS_VALUE_CAP 256	/* one captured string value */
#define KS_CHOICES 16		/* choices whose finish reason is kept */
#define KS_TOOL_CALLS 32	/* tool calls whose name and id are kept */
#define KS_STOPS 8		/* stop sequences that are kept */
#define KS_SPAN_ATTRS 96	/* attributes of one span */
#define KS_SPAN_EVENTS 16	/* events of one span */
#define KS_SPAN_TEXT (16 * 1024) /* string bytes of one span */

/* out */
#define KS_QUEUE_SPANS 8192		   /* spans waiting for one exporter */
#define KS_QUEUE_BYTES (16 * 1024 * 1024)  /* and their bytes */
#define KS_BATCH_SPANS 512		   /* spans of one export request */
#define KS_BATCH_BYTES (4 * 1024 * 1024)
#define KS_STORE_SPANS 200000		   /* rows kept in the embedded store */
#define KS_STORE_BYTES (512LL * 1024 * 1024) /* and their bytes in the file */
#define KS_REQUEST_BYTES (64 * 1024 * 1024) /* one OTLP request before compression */
#define KS_REPLY_BYTES (4 * 1024 * 1024)    /* the collector's answer */

#endif
