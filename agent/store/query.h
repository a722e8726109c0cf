/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Read the store: what `kernspan observe` asks. Opens the file read-only beside a running writer. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct query;

struct query_filter {
	uint64_t since_ns;	  /* spans that ended at or after (unix time); 0 any */
	uint64_t last;		  /* the newest so many; 0 all */
	const char *model;	  /* requested or answering model; '*' matches any run of characters; NULL any */
	const char *provider;	  /* the same */
	const char *service;	  /* the same */
	uint32_t pid;		  /* 0 any */
	const char *status;	  /* "ok" (no error), "error", an HTTP status ("429") or an error.type; NULL any */
	uint64_t min_duration_ns; /* 0 any */
};

struct query_row { /* valid inside the callback only; text is never NULL */
	int64_t rowid;
	uint64_t start_ns, duration_ns;
	const char *kind, *name, *provider, *model, *service, *error_type, *incomplete;
	uint32_t pid;
	int http_status;	       /* 0 none */
	bool error;
	double ttfc_s;		       /* time to first chunk; NAN none */
	int64_t input_tokens, output_tokens; /* -1 none */
	const char *json;
	size_t json_len;
};

typedef int query_fn(void *ctx, const struct query_row *row); /* not 0: stop, and query_run() returns it */

/* Open dir/STORE_FILE. -ENOENT: there is no store yet; others as errno; `why` is filled. */
int query_open(const char *dir, struct query **ret, char *why, size_t why_len);
void query_close(struct query *q);
/* Rows that match, oldest first, that came after *after_rowid (0: all); *after_rowid is set to the newest looked at.
 * Call again with the same variable to follow. 0, -errno, or what fn returned. */
int query_run(struct query *q, const struct query_filter *filter, int64_t *after_rowid, query_fn *fn, void *ctx);

/* Ready-made callbacks; ctx is a struct query_print. */
struct query_print {
	FILE *out;
	bool color;	 /* ANSI colours for errors and holes */
	bool header_done; /* the caller sets false; the table prints its header once */
};
query_fn query_print_table, query_print_json;
