/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The message: protocol-neutral head, body part, event or end of a request or a response. Slices are borrowed
 * until the callback returns. The exchange (request and its response) lives from its first HEAD until after the
 * response's END; its arena goes with it. Loop thread.
 *
 * Order for one exchange: request HEAD, BODY*, END; response HEAD, (BODY|EVENT)*, END; GAP anywhere inside.
 * A response may begin before the request's END. Exactly one DONE per exchange is last, whatever happened; a
 * response that was never seen has no HEAD and no END. An event's data lines are joined with \n; the part that ends
 * the event has LAST and may be empty; an event that is cut off has no LAST. Interim (1xx) responses are not shown.
 */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/origin.h"
#include "base/slice.h"

enum msg_kind {
	MSG_HEAD, /* method/target/authority or status; headers */
	MSG_BODY, /* data: the next body bytes, transfer and content coding undone */
	MSG_EVENT, /* a server-sent event or line of JSON, or a part of one (FIRST, LAST): name, data */
	MSG_GAP,  /* body bytes are missing here */
	MSG_END,  /* this side is complete, or will not be (x->incomplete says) */
	MSG_DONE, /* the exchange is over and is freed after this callback */
};

enum msg_flag { MSG_FIRST = 1, MSG_LAST = 2 };

struct header {
	struct slice name;  /* as on the wire; compare with slice_ieq() */
	struct slice value; /* trimmed; empty for credentials, which never leave proto */
};

struct exchange {
	uint64_t seq; /* of its stream, from 0: (conn->id, seq) names the exchange for ever */
	const struct conn_info *conn;
	struct arena *arena;
	void *user; /* state of the next stage; it frees what is not in the arena at DONE */
	/* The next stage's judgement, set in any callback. wanted: an AI call; the kernel is told to keep the stream.
	 * ignore: not an AI call; only DONE still comes, bodies are framed but not decoded. Neither: undecided. */
	bool wanted, ignore;
	enum ks_dir req_dir;	/* KS_OUT: the process is the client; KS_IN: it is the server */
	bool first_on_conn;	/* connect and handshake times of conn belong to this exchange */
	uint32_t incomplete;	/* set of enum incomplete, grows until DONE */
	uint64_t req_start_ns;	/* first request byte */
	uint64_t req_end_ns;	/* last request byte, 0 not seen */
	uint64_t resp_start_ns; /* first byte of the response head, 0 none */
	uint64_t resp_end_ns;	/* last response byte, 0 none */
	uint64_t req_body_len;	/* body bytes after transfer coding, before content decoding */
	uint64_t resp_body_len;
	uint64_t gap_len; /* bytes of this exchange that are missing */
};

struct message {
	enum msg_kind kind;
	bool response;
	uint8_t flags; /* enum msg_flag, EVENT only */
	struct exchange *x;
	uint64_t ts_ns; /* of the bytes that made this message */

	/* HEAD */
	struct slice method;	/* request */
	struct slice target;	/* request: origin form, path and query */
	struct slice authority; /* request: Host or :authority, empty if none */
	int status;		/* response */
	uint8_t version;	/* 10, 11, 20 */
	bool tls;		/* the stream is TLS plaintext */
	const struct header *headers;
	size_t header_cnt;

	/* BODY, EVENT */
	struct slice data;
	struct slice
		event; /* EVENT: its name, the same in every part; empty if none came before the data */
	uint64_t gap_len; /* GAP */
};

struct message_sink {
	void *ctx;
	void (*push)(void *ctx, const struct message *msg);
};

/* Find a header; NULL if absent. The first of several wins. */
static inline const struct header *header_find(const struct header *h, size_t n, struct slice name)
{
	for (size_t i = 0; i < n; i++)
		if (slice_ieq(h[i].name, name))
			return &h[i];
	return NULL;
}
