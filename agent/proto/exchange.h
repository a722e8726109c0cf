/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside proto: one exchange from its request's head to DONE, and the bodies that pass through it. A protocol calls
 * these in the order of message.h and never looks at the sink. Loop thread.
 */
#pragma once

#include "proto/inflate.h"
#include "proto/message.h"
#include "proto/proto.h"
#include "proto/ndjson.h"

struct conn;
struct head;

struct side {		/* one half of an exchange */
	bool head, end; /* what was given of it */
	bool dead;	/* the body cannot be decoded any more */
	bool events;	/* decoded body goes through sse, ... */
	bool lines;	/* ... or ndjson */
	struct inflate *inflate;
};

struct ex {		   /* an exchange as proto sees it */
	struct exchange x; /* must be first: what others see */
	struct conn *conn;
	struct ex *prev, *next; /* requests of the connection, oldest first */
	uint32_t stream;	/* HTTP/2: its number */
	uint32_t unseen;	/* and why its response may be among what was lost */
	struct arena arena;
	struct side side[2]; /* by message.response */
	struct sse sse;
	struct ndjson ndjson;
	uint64_t ts_ns; /* of the bytes being decoded */
	bool is_head, is_connect, expect;
	bool doubt; /* behind a hole its response may be that of a request that was lost too: nothing is said */
};

/* A new exchange at the end of its connection's queue. Never fails: the least recently used one makes room. */
struct ex *ex_new(struct conn *c, uint64_t start_ns);
/* It was used just now. */
void ex_touch(struct ex *ex);
void ex_head(struct ex *ex, bool response, const struct head *head, uint64_t ts_ns);
void ex_body(struct ex *ex, bool response, struct slice data, uint64_t ts_ns);
/* Bytes of the body are missing. */
void ex_gap(struct ex *ex, bool response, uint64_t len, uint32_t why, uint64_t ts_ns);
/* This side is complete. */
void ex_end(struct ex *ex, bool response, uint64_t ts_ns);
/* It is over: what is open ends, DONE is given, and it is freed. */
void ex_done(struct ex *ex, uint32_t why, uint64_t ts_ns);
