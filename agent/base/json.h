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

/* A path is keys joined by '.', with "[]" for "each element": "choices[].delta.tool_calls[].function.name".
 * "*" as a key matches any key. A path that names an object or array reports its begin (JSON_OBJECT, JSON_ARRAY). */
struct json_path {
	const char *path;
	int id; /* what json_fn receives; 0 or greater */
};

struct json_paths;
/* Compile; the strings are borrowed for ever. NULL: out of memory or a malformed path (a bug). */
struct json_paths *json_paths_new(const struct json_path *paths, size_t cnt);
void json_paths_free(struct json_paths *paths);

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_OBJECT, JSON_ARRAY };
enum json_part { JSON_FIRST = 1, JSON_LAST = 2 }; /* a string may arrive in parts */

#define JSON_INDEXES 4
struct json_value {
	int id;
	enum json_type type;
	uint8_t part;	      /* FIRST|LAST set when whole */
	struct slice text;    /* string contents still escaped, number or literal as written; borrowed */
	uint32_t index[JSON_INDEXES]; /* array indexes on the way down, outermost first */
};
typedef void (*json_fn)(void *ctx, const struct json_value *value);

enum json_result { JSON_MORE, JSON_DONE, JSON_BAD };
