/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A second, naive reading of JSON paths: the whole document at once, recursive, paths compared as text. The scanner
 * must report what this reports. And a log of reported values in which parts of one string are joined.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

#define REF_PATH_MAX 8192

struct ref_log {
	char *text;
	size_t len, cap;
	bool open; /* a string's first part was written, its last not yet */
};

static inline void ref_put(struct ref_log *log, const char *p, size_t len)
{
	if (log->len + len + 1 > log->cap) {
		log->cap = (log->len + len + 1) * 2;
		log->text = realloc(log->text, log->cap);
	}
	if (len)
		memcpy(log->text + log->len, p, len);
	log->len += len;
	log->text[log->len] = '\0';
}

static inline void ref_head(struct ref_log *log, int id, int type, const uint32_t index[JSON_INDEXES])
{
	char head[96];
	int len = snprintf(head, sizeof(head), "%d %d %u,%u,%u,%u ", id, type, index[0], index[1], index[2], index[3]);

	ref_put(log, head, (size_t)len);
}

/* A json_fn; ctx is a struct ref_log. */
static inline void ref_value(void *ctx, const struct json_value *v)
{
	struct ref_log *log = ctx;

	if (v->part & JSON_FIRST) {
		if (log->open)
			abort();
		ref_head(log, v->id, (int)v->type, v->index);
	} else if (!log->open) {
		abort();
	}
	ref_put(log, v->text.ptr, v->text.len);
	log->open = !(v->part & JSON_LAST);
	if (!log->open)
		ref_put(log, "\n", 1);
}

static inline void ref_clear(struct ref_log *log)
{
	log->len = 0;
	log->open = false;
	ref_put(log, "", 0);
}

struct ref {
	const struct json_path *paths;
	size_t path_cnt;
	struct ref_log *log;
	const char *p, *end;
	char path[REF_PATH_MAX]; /* where p is, as a path */
	uint32_t index[JSON_INDEXES];
	uint32_t arrays;
	int depth;
};

/* Does the path pattern name this place? A pattern with '*' must not overlap another in the tests. */
static inline bool ref_names(const char *pattern, const char *path)
{
	while (*pattern && *path) {
		if (*pattern == '*') {
			pattern++;
			if (*path == '[' || *path == '.')
				return false;
			while (*path && *path != '.' && *path != '[')
				path++;
			continue;
		}
		if (*pattern++ != *path++)
			return false;
	}
	return !*pattern && !*path;
}

static inline int ref_id(const struct ref *r)
{
	for (size_t i = 0; i < r->path_cnt; i++)
		if (ref_names(r->paths[i].path, r->path))
			return r->paths[i].id;
	return -1;
}

static inline void ref_report(struct ref *r, int type, const char *at, size_t len)
{
	int id = ref_id(r);

	if (id < 0)
		return;
	ref_head(r->log, id, type, r->index);
	ref_put(r->log, at, len);
	ref_put(r->log, "\n", 1);
}

static inline void ref_space(struct ref *r)
{
	while (r->p < r->end && strchr(" \n\r\t", *r->p) && *r->p)
		r->p++;
}

/* The string at p: its raw contents; moves p behind it. False: it does not end. */
static inline bool ref_string(struct ref *r, const char **ret_at, size_t *ret_len)
{
	const char *q = r->p + 1;

	while (q < r->end && *q != '"')
		q += *q == '\\' ? 2 : 1;
	if (q >= r->end)
		return false;
	*ret_at = r->p + 1;
	*ret_len = (size_t)(q - *ret_at);
	r->p = q + 1;
	return true;
}

static inline bool ref_any(struct ref *r);

static inline bool ref_array(struct ref *r)
{
	size_t len = strlen(r->path);
	uint32_t level = r->arrays++;

	strcat(r->path, "[]");
	if (level < JSON_INDEXES)
		r->index[level] = 0;
	for (r->p++, ref_space(r); r->p < r->end && *r->p != ']'; ref_space(r)) {
		if (!ref_any(r))
			return false;
		ref_space(r);
		if (r->p < r->end && *r->p == ',') {
			r->p++;
			if (level < JSON_INDEXES)
				r->index[level]++;
			ref_space(r);
			if (r->p < r->end && *r->p == ']')
				return false;
		} else if (r->p < r->end && *r->p != ']') {
			return false;
		}
	}
	if (r->p++ >= r->end)
		return false;
	if (level < JSON_INDEXES)
		r->index[level] = 0;
	r->arrays--;
	r->path[len] = '\0';
	return true;
}

static inline bool ref_object(struct ref *r)
{
	size_t len = strlen(r->path), key_len, out_len;
	const char *key;
	char out[KS_JSON_KEY_CAP];

	for (r->p++, ref_space(r); r->p < r->end && *r->p == '"'; ref_space(r)) {
		if (!ref_string(r, &key, &key_len))
			return false;
		if (key_len > KS_JSON_KEY_CAP ||
		    !json_unescape((struct slice){ key, key_len }, out, sizeof(out), &out_len) ||
		    out_len == 0 || memchr(out, '.', out_len) || memchr(out, '[', out_len) || memchr(out, '\0', out_len))
			out_len = (size_t)snprintf(out, sizeof(out), "\x01");
		snprintf(r->path + len, sizeof(r->path) - len, "%s%.*s", len ? "." : "", (int)out_len, out);
		ref_space(r);
		if (r->p >= r->end || *r->p++ != ':')
			return false;
		if (!ref_any(r))
			return false;
		r->path[len] = '\0';
		ref_space(r);
		if (r->p < r->end && *r->p == '}')
			break;
		if (r->p >= r->end || *r->p++ != ',')
			return false;
		ref_space(r);
		if (r->p < r->end && *r->p == '}')
			return false;
	}
	return r->p < r->end && *r->p++ == '}';
}

static inline bool ref_any(struct ref *r)
{
	const char *at;
	size_t len;

	ref_space(r);
	if (r->p >= r->end || ++r->depth > 60 || strlen(r->path) > REF_PATH_MAX - 200)
		return false;
	if (*r->p == '"') {
		if (!ref_string(r, &at, &len))
			return false;
		ref_report(r, JSON_STRING, at, len);
	} else if (*r->p == '{' || *r->p == '[') {
		ref_report(r, *r->p == '[' ? JSON_ARRAY : JSON_OBJECT, "", 0);
		if (!(*r->p == '[' ? ref_array(r) : ref_object(r)))
			return false;
	} else {
		at = r->p;
		while (r->p < r->end && *r->p &&
		       strchr("0123456789+-.abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", *r->p))
			r->p++;
		len = (size_t)(r->p - at);
		if (len == 0)
			return false;
		if (len <= KS_JSON_KEY_CAP)
			ref_report(r,
				   len == 4 && !memcmp(at, "null", 4) ? JSON_NULL :
				   (len == 4 && !memcmp(at, "true", 4)) || (len == 5 && !memcmp(at, "false", 5)) ?
				   JSON_BOOL : JSON_NUMBER, at, len);
	}
	r->depth--;
	return true;
}

/* Log every value that a path names. False: not a whole document (the log is then useless). */
static inline bool ref_scan(struct ref_log *log, const struct json_path *paths, size_t cnt, struct slice doc)
{
	struct ref r = { .paths = paths, .path_cnt = cnt, .log = log, .p = doc.ptr, .end = doc.ptr + doc.len };

	ref_space(&r);
	return ref_any(&r);
}
