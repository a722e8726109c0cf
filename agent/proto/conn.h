/* SPDX-License-Identifier: Apache-2.0 */
/* Inside proto: one stream, what it speaks, and the state of that. Loop thread. */
#pragma once

#include "base/pool.h"
#include "proto/chunked.h"
#include "proto/exchange.h"
#include "proto/h2frame.h"
#include "proto/head.h"
#include "proto/hpack.h"

#define DETECT_LEN \
	24 /* bytes that decide what a stream speaks: the preface of HTTP/2 (RFC 9113 section 3.4) */

enum detect { DETECT_NO, DETECT_MORE, DETECT_YES };

struct conn;
struct headbuf;

struct protocol { /* a row of protos.def */
	/* Do these bytes, the first of a record, begin this protocol? At most DETECT_LEN are needed. */
	enum detect (*detect)(struct slice in);
	/* A stream turns out to speak it, its first bytes are next: `dir` carries requests. */
	void (*start)(struct conn *c, enum ks_dir dir);
	void (*data)(struct conn *c, enum ks_dir dir, struct slice in, uint64_t ts_ns);
	void (*gap)(struct conn *c, enum ks_dir dir, uint64_t len, uint32_t why, uint64_t ts_ns);
	/* The stream is over, or must be given up: free what is held, finish the exchanges. */
	void (*end)(struct conn *c, uint32_t why, uint64_t ts_ns);
	/* An exchange of this connection must go, for room. */
	void (*evict)(struct conn *c, struct ex *ex);
	/* A head that is being gathered must go, for room. */
	void (*forget)(struct conn *c, struct headbuf *buf);
	/* Does this record of a stream that was joined late belong to it? Then it begins here. May be NULL. */
	bool (*join)(struct conn *c, struct slice in);
	bool blind; /* what the kernel skipped never comes back: no head begins a record */
};

struct headbuf { /* a head that spans records */
	struct conn *conn;
	size_t len;
	struct head_scan scan;
	char data[KS_HEAD_CAP];
};

struct half {	       /* one direction of an HTTP/1 stream */
	uint8_t state; /* enum half_state */
	bool trial;    /* the head being gathered may not be one */
	bool mid;      /* it began in the middle of a record */
	bool holed;    /* the end of the chunked body may have been lost */
	struct chunked chunked;
	struct ex *ex;	     /* whose body passes; NULL: nobody's */
	uint64_t left;	     /* body bytes to come */
	uint64_t first_ns;   /* when the head being gathered began */
	struct headbuf *buf; /* NULL: none of it is buffered */
};

struct http1 {
	struct half half[KS_DIR_CNT];
	uint8_t req_dir;
	bool deaf; /* responses are not listened to: it is not certain to which request the next belongs */
	bool heard;	   /* since then response bytes passed */
	bool pipelined;	   /* a request was sent before the response to the one before it */
	uint32_t why;	   /* of being deaf */
	uint64_t heard_ns; /* when such bytes passed last */
};

enum h2_state {
	H2_START, /* nothing was seen */
	H2_PREFACE,
	H2_FRAME_HEADER,
	H2_PAYLOAD,
	H2_LOST, /* until a record shows where a frame begins */
};

struct h2_half {       /* one direction of an HTTP/2 connection */
	uint8_t state; /* enum h2_state */
	uint8_t got;   /* bytes of the preface, a frame header, or a payload that is kept */
	uint8_t keep[H2_HEADER];
	struct h2_frame frame;
	uint32_t left;	   /* payload bytes to come, padding included */
	uint8_t fixed;	   /* of these the fields in front: pad length, priority, promised stream */
	uint8_t pad;	   /* and the padding behind */
	bool pad_due;	   /* the first byte of fixed is its length */
	bool in_block;	   /* a header block is open: its end comes in CONTINUATION frames */
	bool block_lost;   /* a part of it was not seen */
	uint64_t start_ns; /* when the frame began */
	uint64_t block_ns; /* when the header block did */
	struct h2_frame block; /* the frame that it began with */
	struct headbuf *buf;   /* its fragments, when they are not all in one record; else NULL */
	struct hpack hpack;
	uint32_t why; /* of what is not known in its table */
};

struct http2 {
	struct h2_half half[KS_DIR_CNT];
	uint8_t req_dir;      /* KS_DIR_CNT: not known yet */
	bool preface;	      /* the connection's beginning was seen */
	uint32_t max_id;      /* of the streams with a request */
	struct ex *recent[8]; /* by stream number, to find them fast */
};

struct conn {
	struct proto *proto;
	const struct protocol *speaks; /* NULL: not known yet */
	const struct conn_info *info;
	struct ex *first, *last; /* exchanges, oldest first */
	uint32_t ex_cnt;
	uint64_t seq;		 /* of the next exchange */
	uint64_t last_ns;	 /* when its last bytes passed */
	bool late;		 /* bytes passed before the first exchange */
	bool midstream;		 /* they did before we watched */
	bool passed[KS_DIR_CNT]; /* they did in this direction, behind the last gap */
	uint8_t verdict;	 /* last given */
	uint32_t foreign;	 /* exchanges in a row that were ignored, ... */
	uint64_t foreign_len;	 /* ... and their bytes */
	/* while not known */
	uint32_t misses;
	uint8_t start_len[KS_DIR_CNT];
	char start[KS_DIR_CNT][DETECT_LEN];
	uint64_t start_ns[KS_DIR_CNT];
	union {
		struct http1 http1;
		struct http2 http2;
	};
};

struct proto {
	struct proto_cfg cfg;
	struct message_sink sink;
	struct pool *conns, *exchanges, *heads;
	struct arena_pool *arenas;
	struct inflaters *inflaters;
	struct hpacks *hpacks;
	struct head head;	   /* the one being parsed */
	char scratch[KS_HEAD_CAP]; /* its rewritten target */
	char fields[KS_HEAD_CAP];  /* its decompressed fields */
	size_t fields_len;
};

/* The stream speaks something that is not decoded, or no longer: nothing more is looked at. */
void conn_mute(struct conn *c);
/* Start again to find out what it speaks. */
void conn_unknown(struct conn *c);
/* One record's bytes, to what the stream speaks. */
void conn_data(struct conn *c, enum ks_dir dir, struct slice in, uint64_t ts_ns);
void conn_verdict(struct conn *c, enum ks_verdict verdict);

/* An empty buffer. Never fails: the least recently used one makes room. */
struct headbuf *headbuf_take(struct conn *c);
/* NULL is fine. */
void headbuf_give(struct headbuf *buf);
