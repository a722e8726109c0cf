/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of one exchange that is being decoded, and what decoders do to it. Lives in the exchange's arena.
 * Loop thread.
 */
#pragma once

#include "provider/shape.h"

/* A compiled list of maps: row i of `rows` is what path id i fills. */
struct field_set {
	struct json_paths *paths;
	const struct field *rows;
	size_t cnt;
	char *text; /* the joined paths, and the copied rows */
};

/* One api with its sets; made once at start. */
struct route {
	const struct provider *provider;
	const struct api *api;
	struct field_set request, plain, stream;
};

/* One body or event: where the scanner's values go. */
struct side {
	struct decode *d;
	const struct field_set *set;
	struct json_scan scan;
	struct facts
		*before; /* as it was at the first hole, for when what came behind proves wrong */
	uint16_t guess;	 /* of the recovered values that facts hold */
	bool used, bad, over;
	bool sniff;   /* its head does not say that it is JSON: its first byte will */
	bool foreign; /* it is not */
	size_t text_len;
	uint64_t digits;	     /* of the base64 string that arrives */
	char text[KS_VALUE_CAP + 1]; /* a string that arrives in parts; full: it is too long */
};

/* The event that arrives in parts, gathered while it is small: whole events can be compared with the one before. */
struct event_hold {
	struct json_repeat repeat;
	size_t len;
	char data[JSON_REPEAT_CAP];
};

enum event_state {
	EVENT_SKIP, /* no event, or the rest of it means nothing */
	EVENT_HELD, /* gathered */
	EVENT_SCAN, /* too long for that: scanned as it comes */
};

#define INTERNED 8

struct decode {
	struct exchange *x;
	const struct route *route;
	bool host_known;		 /* a row of hosts.def */
	bool anywhere;			 /* the path says nothing: api->anywhere counts */
	bool sure;			 /* who asks or is asked, and the path, make it one */
	bool certain;			 /* an AI call for sure */
	bool no_first, no_first_content; /* a hole may hide them */
	bool holed;			 /* bytes of the response are missing */
	enum event_state event;
	bool refused;	 /* a value did not fit */
	uint64_t now_ns; /* of the message that is being decoded */
	struct facts f;
	struct side request, response;
	struct event_hold *hold; /* NULL until the first event */
	struct slice interned[INTERNED];
	unsigned int interned_at;
};

/* Compile the maps of one side. -ENOMEM, -EINVAL (a malformed or repeated path: a bug). */
int field_set_init(struct field_set *set, const struct map maps[MAPS_MAX]);
void field_set_done(struct field_set *set);

void facts_init(struct facts *f);
void event_init(struct event_facts *ev);

/* Begin a body. */
void side_begin(struct side *s, struct decode *d, const struct field_set *set);
/* sniff: it is only decoded if it begins like a JSON object or array. */
void side_sniff(struct side *s);
void side_feed(struct side *s, struct slice data);
/* Bytes of a body are missing. */
void side_gap(struct side *s);
/* The body is over. whole: it is known to end here. */
void side_end(struct side *s, bool whole);

/* What the scanner reports to a side (json_fn). */
void side_value(void *ctx, const struct json_value *v);
/* It is not JSON. */
void side_bad(struct side *s);

/* One event, or a part of it (enum msg_flag). One that is cut off counts for nothing, if it is small. */
void event_feed(struct decode *d, struct slice data, uint8_t flags);
void event_gap(struct decode *d);
/* In a plain answer that is an array of events: the next one begins; the last is over. */
void event_next(struct decode *d);
void event_done(struct decode *d);
/* The choice and its tool call at these places of the event; NULL: too many. */
struct event_choice *event_choice(struct decode *d, uint32_t at);
struct event_tool *event_tool(struct decode *d, uint32_t choice, uint32_t at);
/* The index that a choice names, else its place. */
int64_t event_choice_index(const struct event_facts *ev, size_t at);

/* A copy of text that lives as long as the call; the same copy for the same text if it was used lately. Empty when it
 * is longer than KS_VALUE_CAP or the arena is full. */
struct slice keep(struct decode *d, struct slice text);
void keep_into(struct decode *d, struct slice *to, struct slice text);

/* Output text arrived. */
void decode_content(struct decode *d);
/* The finish reason of a choice. */
void decode_finish(struct decode *d, int64_t choice, struct slice reason);
/* A tool call, named by a key of the decoder's choice; later calls with the key fill what is still empty. */
void decode_tool(struct decode *d, uint32_t key, struct slice id, struct slice name);
/* A count of tokens. */
void decode_usage(struct decode *d, int64_t *to, struct slice number);
