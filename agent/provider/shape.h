/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a provider's file describes, as data: the APIs it knows by path, and for each the JSON paths of the request,
 * of a plain answer and of a streamed event, with the place in struct facts that each fills. What a row cannot say is
 * a hook. All of it is constant.
 */
#pragma once

#include "base/json.h"
#include "proto/message.h"
#include "provider/call.h"

struct decode;

#define PENDING_CHOICES KS_CHOICES
#define PENDING_TOOLS	8

/* One event of a stream, or what is left of it when an unchanged value is not reported again (json_repeat). */
struct event_facts {
	struct slice type; /* its "type" */
	bool content;	   /* carried output */
	bool usage;	   /* carried a token count */
	bool choices;	   /* carried a choice */
	bool begun;	   /* there is one: an element of an array */
	bool last;	   /* says that it is the last one */
	uint64_t content_ns;
	struct event_choice {
		int64_t index; /* CALL_UNSET: by position */
		struct slice finish;
	} choice[PENDING_CHOICES];
	struct event_tool {
		uint16_t choice, at; /* positions */
		int64_t index;	     /* CALL_UNSET: by position */
		struct slice id, name;
	} tool[PENDING_TOOLS];
	size_t choice_cnt, tool_cnt;
};

/* What field rows fill. `call` is what leaves; the rest is the raw material of values that need two facts. */
struct facts {
	struct ai_call call;
	struct slice err_code, err_type, why_incomplete;
	struct slice err_number;		    /* err_code is a number */
	struct slice flat_type;			    /* an error without an error object: its type */
	struct slice item_type, item_id, item_name; /* an output item, until the next one begins */
	uint32_t item_index;
	bool item_open, item_known;
	bool error;		     /* an error object was seen */
	bool code_seen;		     /* its code was, if only as null */
	bool usage_seen, usage_last; /* some count; counts that are known to be the final ones */
	bool start_seen;	     /* Anthropic: message_start */
	int64_t start_output;
	int64_t plain_input, citations;
	int64_t plain_output, tool_input;  /* Gemini: added up at the end */
	int64_t other_input, other_output; /* Cohere: tokens that may not be billed */
	uint32_t event_cnt;
	bool stream_said;  /* the request says whether it wants one */
	bool no_call;	   /* it turns out that nothing was inferred */
	int64_t dims;	   /* length of the first embedding, */
	bool dims_whole;   /* that was seen to its end */
	uint32_t evidence; /* enum evidence */
	uint32_t tool_key[KS_TOOL_CALLS];
	struct event_facts ev;
	struct slice hint; /* who really answers, by the answer's own marks; static or empty */
};

/* Signs of a body's shape that field rows can give. */
enum evidence {
	SEEN_MODEL = 1,
	SEEN_INPUT = 2,	 /* messages, prompt, input */
	SEEN_LIMIT = 4,	 /* what this API demands and others do not have: max_tokens, input_type */
	SEEN_ANSWER = 8, /* choices, output, content, data: enough where the path is special */
	SEEN_END = 16,	 /* a mark of the answer that counts only with the request's */
};
#define SEEN_OF_REQUEST (SEEN_MODEL | SEEN_INPUT | SEEN_LIMIT)

enum field_kind {
	FIELD_STR,     /* a string: struct slice */
	FIELD_INT,     /* int64_t; null leaves it unset */
	FIELD_DOUBLE,  /* double */
	FIELD_STREAM,  /* the request asks for a stream */
	FIELD_ITEMS,   /* "x[]": int64_t, how many */
	FIELD_USAGE,   /* a token count: int64_t */
	FIELD_CONTENT, /* output text: a chunk, if not empty */
	FIELD_REFUSAL, /* the same, and a refusal */
	FIELD_INPUT, /* what is asked: "x" a string is one, "x[]" (arg 1) counts; a list of numbers is one */
	FIELD_CODE,  /* the code of an error: err_code, or err_number */
	FIELD_ERROR, /* present and not null: the answer is an error */
	FIELD_STOP,  /* a stop sequence */
	FIELD_DIMS, /* int64_t: how many numbers an embedding has, as an array ("x[]") or in base64 ("x") */
	FIELD_SIGN, /* present: evidence in `arg` */
	FIELD_HINT, /* present: the provider in `name` */
	FIELD_HOOK, /* api->hook(d, arg, value, text) */
};

struct field {
	const char *path;
	uint8_t kind; /* enum field_kind */
	uint8_t each; /* json_path.each */
	uint16_t to;  /* offset in struct facts */
	int arg;
	const char *name;
};

#define STR(path, member)    { path, FIELD_STR, 0, offsetof(struct facts, member), 0, NULL }
#define INT(path, member)    { path, FIELD_INT, 0, offsetof(struct facts, member), 0, NULL }
#define DOUBLE(path, member) { path, FIELD_DOUBLE, 0, offsetof(struct facts, member), 0, NULL }
#define ITEMS(path, member)  { path, FIELD_ITEMS, 0, offsetof(struct facts, member), 0, NULL }
#define USAGE(path, member)  { path, FIELD_USAGE, 0, offsetof(struct facts, member), 0, NULL }
#define STREAM(path)	     { path, FIELD_STREAM, 0, 0, 0, NULL }
#define CONTENT(path)	     { path, FIELD_CONTENT, 1, 0, 0, NULL }
#define DIMS(path, member)   { path, FIELD_DIMS, 0, offsetof(struct facts, member), 0, NULL }
#define REFUSAL(path)	     { path, FIELD_REFUSAL, 1, 0, 0, NULL }
#define INPUT(path)                                   \
	{ path, FIELD_INPUT, 0, 0, 0, NULL },         \
	{                                             \
		path "[]", FIELD_INPUT, 0, 0, 1, NULL \
	}
#define CODE(path)	     { path, FIELD_CODE, 0, offsetof(struct facts, err_code), 0, NULL }
#define FAILURE(path)	     { path, FIELD_ERROR, 0, 0, 0, NULL }
#define STOP(path)	     { path, FIELD_STOP, 0, 0, 0, NULL }
#define SIGN(path, sign)     { path, FIELD_SIGN, 0, 0, sign, NULL }
#define HINT(path, provider) { path, FIELD_HINT, 0, 0, 0, provider }
#define HOOK(path, arg)	     { path, FIELD_HOOK, 0, 0, arg, NULL }

/* In every event, also if unchanged. */
#define EACH(path, arg) { path, FIELD_HOOK, 1, 0, arg, NULL }

struct map {
	const char *prefix; /* put before each path; NULL: end of the list */
	const struct field *rows;
	size_t cnt;
};
#define MAP(prefix, rows) { prefix, rows, sizeof(rows) / sizeof((rows)[0]) }
#define MAPS_MAX	  5

struct api {
	const char *suffix; /* of the path; the longest that fits wins */
	const char *within; /* somewhere in the path; NULL: anything */
	const char *type;   /* openai.api.type or NULL */
	enum call_op op;
	uint32_t need;	   /* evidence that a call to an unknown host must give */
	uint32_t anywhere; /* evidence that makes one of a known client at any path; 0: never */
	bool streams;	   /* the answer is a stream */
	bool array;	   /* the plain answer is an array of events: its hook calls event_next() */
	struct slice (*model)(struct slice path); /* the path names it */
	struct map request[MAPS_MAX], plain[MAPS_MAX], stream[MAPS_MAX];
	/* text: a string's contents unescaped, a number or literal as written; empty for object and array */
	void (*hook)(struct decode *d, int arg, const struct json_value *v, struct slice text);
	/* The event is whole; may be called again for an unchanged event. */
	void (*event_end)(struct decode *d);
	void (*finish)(struct decode *d); /* the exchange is over */
};

/* A request header by name and value, one '*' in each for any rest; value NULL: any. */
struct header_sign {
	const char *name, *value;
};

struct provider {
	const char *name; /* gen_ai.provider.name when the host says nothing better */
	const struct api *apis;
	size_t api_cnt;
	const struct header_sign *headers; /* that only its clients send; a NULL name ends */
	int port; /* where its servers listen if nobody says otherwise; 0 none */
};

#define PROVIDER(name) extern const struct provider provider_##name;
#include "provider/providers.def"
#undef PROVIDER
