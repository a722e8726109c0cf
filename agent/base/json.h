/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An incremental JSON scanner (RFC 8259) that follows a set of paths and reports the values found there. It takes
 * the document in pieces of any size, keeps constant state, copies nothing, skips what no path asks for at memory
 * speed, and yields what it can from a document that is cut short or has a hole. It never allocates while scanning.
 * Loop thread; the compiled paths are read-only and may be shared.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "limits.h"

/*
 * A path is keys joined by '.', with "[]" for "each element": "choices[].delta.tool_calls[].function.name".
 * "*" as a key matches any key that has no path of its own. A path that names an object or an array reports its
 * begin (JSON_OBJECT, JSON_ARRAY). A key that holds '.', '[' or '*' cannot be named.
 */
struct json_path {
	const char *path;
	int id; /* what json_fn receives; 0 or greater */
	bool each; /* json_repeat: report this string or number in every document, also when it did not change */
};

struct json_paths;
/* Compile; the strings are borrowed for ever. NULL: out of memory, or a malformed or repeated path (a bug). */
struct json_paths *json_paths_new(const struct json_path *paths, size_t cnt);
void json_paths_free(struct json_paths *paths);

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_OBJECT, JSON_ARRAY };
enum json_part { JSON_FIRST = 1, JSON_LAST = 2 }; /* a string may arrive in parts */

#define JSON_INDEXES 4
struct json_value {
	int id;
	enum json_type type;
	uint8_t part; /* FIRST|LAST set when whole */
	uint16_t
		recovered; /* 0: certain; n: seen behind a hole by the n-th guess, see json_scan_gap() */
	struct slice
		text; /* string contents still escaped, number or literal as written; borrowed */
	uint32_t index[JSON_INDEXES]; /* array indexes on the way down, outermost first */
};
typedef void (*json_fn)(void *ctx, const struct json_value *value);

enum json_result { JSON_MORE, JSON_DONE, JSON_BAD };

struct json_frame {
	uint16_t node;
	bool array;
};

/* One scan; embed it. All members are the scanner's own. */
struct json_scan {
	const struct json_paths *paths;
	json_fn fn;
	void *ctx;
	uint8_t state;
	uint8_t depth;	  /* frames in use */
	uint8_t arrays;	  /* of them arrays */
	uint8_t held;	  /* bytes in hold[] */
	bool hold_full;	  /* the token is longer than hold[]: it can match nothing */
	bool escaped;	  /* the last byte seen was a backslash that escapes the next */
	bool skip_string; /* inside a string of a skipped value */
	bool begun;	  /* a part of the current string was reported */
	bool lost;	  /* a hole was seen; what follows is recovered */
	uint16_t node;	  /* path node of the value that is being read; 0: nothing asked for */
	uint16_t guess;	  /* recoveries so far */
	uint32_t skip;	  /* open brackets of the skipped value */
	uint32_t index[JSON_INDEXES];
	struct json_frame frame[KS_JSON_DEPTH];
	char hold[KS_JSON_KEY_CAP]; /* a key, number or literal that is split between pieces */
};

void json_scan_init(struct json_scan *s, const struct json_paths *paths, json_fn fn, void *ctx);
/* Ready for the next document. */
void json_scan_reset(struct json_scan *s);
/*
 * The next bytes. DONE: the document is complete, the rest of the piece and later pieces are ignored. BAD: it is not
 * JSON (what no path asks for is skipped by its brackets, not checked) or nested deeper than KS_JSON_SKIP_DEPTH; what
 * was reported before stands. Numbers and literals longer than
 * KS_JSON_KEY_CAP, and what no path names, are not reported. Of duplicate keys each is reported, in order.
 */
enum json_result json_scan_feed(struct json_scan *s, struct slice piece);
/*
 * Bytes are missing here. From now on the scanner looks for a raw `"key":` whose key is one of the top level's and
 * goes on as if it stood there; inside a string its quotes would be escaped (RFC 8259 section 7), but it may stand in
 * a nested object. So values behind a hole carry the number of the guess; a greater number voids the values of the
 * smaller ones, and the last guess is right only if json_scan_end() says DONE, for a document known to end there.
 */
void json_scan_gap(struct json_scan *s);
/* The document ends here. DONE: it is complete (after a hole: the last guess proved right). MORE: it was cut. */
enum json_result json_scan_end(struct json_scan *s);

/*
 * Repeats. The documents of one stream mostly differ in a few strings and numbers. json_repeat keeps the last scanned
 * document with the places of its strings and numbers, compares the next one with it at memory speed, and reports
 * only what may differ. It relies on this contract: a value that is not reported is the same as in its place in the
 * document before (a place is a path with its indexes), so handlers are idempotent and keep state between documents.
 */
#define JSON_REPEAT_CAP	  1024
#define JSON_REPEAT_SPANS 48
#define JSON_REPEAT_HOT	  16
struct json_span {
	uint16_t at, end; /* contents: [at, end); a string's closing quote is at `end` */
	int16_t id;	  /* -1: no path asks for it */
	uint8_t type;	  /* JSON_STRING or JSON_NUMBER */
	bool hot;	  /* differed once, or `each` */
	uint16_t index[JSON_INDEXES];
};
struct json_repeat {
	uint16_t len; /* 0: nothing learned */
	uint8_t span_cnt, hot_cnt;
	uint8_t misses; /* in a row; learning gets rarer with them */
	uint8_t hot[JSON_REPEAT_HOT];
	struct json_span span[JSON_REPEAT_SPANS];
	char doc[JSON_REPEAT_CAP];
};
void json_repeat_init(struct json_repeat *r);
/* doc is whole. True: it differs from the learned one only in strings and numbers, which were reported to fn. False:
 * nothing was reported; the caller resets its own state of the document, scans it, and calls learn. */
bool json_repeat_match(struct json_repeat *r, struct slice doc, json_fn fn, void *ctx);
/* doc was just scanned with paths, with result JSON_DONE. After any other scan: SLICE_NONE, which forgets. */
void json_repeat_learn(struct json_repeat *r, const struct json_paths *paths, struct slice doc);

/* Undo the escapes of string contents into out (not NUL-terminated): RFC 8259 section 7, surrogate pairs joined. What
 * is malformed becomes U+FFFD. Output that does not fit in cap is left off at a character's border; false then. */
bool json_unescape(struct slice raw, char *out, size_t cap, size_t *ret_len);
/* Numbers as written; false: not one, out of range (1e3 and 5.0 are integers, 5.5 is not). */
bool json_int(struct slice text, int64_t *ret_value);
bool json_double(struct slice text, double *ret_value);
