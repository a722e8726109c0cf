/* SPDX-License-Identifier: Apache-2.0 */
/* Read spans back for `kernspan observe`. One thread; the file is opened read-only beside the writer. */
#include "store/query.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/schema.h"
#include "store/store.h"

struct query {
	sqlite3 *handle;
};

#define SQL_LEN 1536

int query_open(const char *dir, struct query **ret, char *why, size_t why_len)
{
	struct query *q = calloc(1, sizeof(*q));
	char path[512];
	int rc;

	if (!q)
		return -ENOMEM;
	snprintf(path, sizeof(path), "%s/" STORE_FILE, dir);
	if (access(path, R_OK)) {
		int err = errno;

		snprintf(why, why_len, "%s: %s", path,
			 err == ENOENT ? "there is no store yet; start `kernspan run --store DIR`" : strerror(err));
		free(q);
		return -err;
	}
	rc = sqlite3_open_v2(path, &q->handle, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc == SQLITE_OK) /* the file is another process's work: its schema may call no function that reaches out */
		rc = sqlite3_db_config(q->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, (int *)NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_busy_timeout(q->handle, 2000);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(q->handle, "SELECT 1 FROM spans LIMIT 1", NULL, NULL, NULL);
	if (rc != SQLITE_OK) {
		snprintf(why, why_len, "%s: %s", path, sqlite3_errmsg(q->handle));
		query_close(q);
		return -EIO;
	}
	*ret = q;
	return 0;
}

void query_close(struct query *q)
{
	if (!q)
		return;
	sqlite3_close(q->handle);
	free(q);
}

static const char *column_text(sqlite3_stmt *stmt, enum store_column col)
{
	const char *text = (const char *)sqlite3_column_text(stmt, col + 1);

	return text ? text : "";
}

static int64_t column_count(sqlite3_stmt *stmt, enum store_column col)
{
	return sqlite3_column_type(stmt, col + 1) == SQLITE_NULL ? -1 : sqlite3_column_int64(stmt, col + 1);
}

static void row_read(sqlite3_stmt *stmt, struct query_row *row)
{
	*row = (struct query_row){
		.rowid = sqlite3_column_int64(stmt, 0),
		.start_ns = (uint64_t)sqlite3_column_int64(stmt, COL_START + 1),
		.duration_ns = (uint64_t)sqlite3_column_int64(stmt, COL_DURATION + 1),
		.kind = column_text(stmt, COL_KIND),
		.name = column_text(stmt, COL_NAME),
		.provider = column_text(stmt, COL_PROVIDER),
		.model = column_text(stmt, COL_MODEL),
		.service = column_text(stmt, COL_SERVICE),
		.error_type = column_text(stmt, COL_ERROR_TYPE),
		.incomplete = column_text(stmt, COL_INCOMPLETE),
		.pid = (uint32_t)sqlite3_column_int64(stmt, COL_PID + 1),
		.http_status = sqlite3_column_int(stmt, COL_HTTP_STATUS + 1),
		.error = sqlite3_column_int(stmt, COL_ERROR + 1),
		.ttfc_s = sqlite3_column_type(stmt, COL_TTFC + 1) == SQLITE_NULL ?
				  NAN : sqlite3_column_double(stmt, COL_TTFC + 1),
		.input_tokens = column_count(stmt, COL_INPUT),
		.output_tokens = column_count(stmt, COL_OUTPUT),
		.json = column_text(stmt, COL_JSON),
	};
	row->json_len = (size_t)sqlite3_column_bytes(stmt, COL_JSON + 1);
	if (!row->model[0])
		row->model = column_text(stmt, COL_RESPONSE_MODEL);
}

/* GLOB treats '?' and '[' specially as well; in a user's pattern only '*' is. NULL: out of memory. */
static char *glob(const char *pattern)
{
	char *out = malloc(strlen(pattern) * 3 + 1), *at = out;

	for (; out && *pattern; pattern++) {
		if (*pattern == '?' || *pattern == '[') {
			*at++ = '[';
			*at++ = *pattern;
			*at++ = ']';
		} else {
			*at++ = *pattern;
		}
	}
	if (out)
		*at = 0;
	return out;
}

static void bind_glob(sqlite3_stmt *stmt, const char *name, const char *pattern)
{
	int at = sqlite3_bind_parameter_index(stmt, name);
	char *text = pattern && at ? glob(pattern) : NULL;

	if (text)
		sqlite3_bind_text(stmt, at, text, -1, free);
}

static void bind_number(sqlite3_stmt *stmt, const char *name, int64_t value)
{
	int at = sqlite3_bind_parameter_index(stmt, name);

	if (at)
		sqlite3_bind_int64(stmt, at, value);
}

static bool all_digits(const char *s)
{
	return *s && !s[strspn(s, "0123456789")];
}

static const char *status_sql(const char *status)
{
	if (!status)
		return "";
	if (!strcasecmp(status, "ok"))
		return " AND error = 0";
	if (!strcasecmp(status, "error"))
		return " AND error = 1";
	return all_digits(status) ? " AND http_status = :status" : " AND error_type = :status";
}

static int prepare(struct query *q, const struct query_filter *f, int64_t after, sqlite3_stmt **ret)
{
	char sql[SQL_LEN];
	int rc, at;

	/* names are ours; every value is bound */
	snprintf(sql, sizeof(sql),
		 "SELECT * FROM (SELECT * FROM spans WHERE id > :after%s%s%s%s%s%s%s ORDER BY id DESC%s) ORDER BY id",
		 f->since_ns ? " AND start_ns + duration_ns >= :since" : "",
		 f->min_duration_ns ? " AND duration_ns >= :min" : "",
		 f->model ? " AND (model GLOB :model OR response_model GLOB :model)" : "",
		 f->provider ? " AND provider GLOB :provider" : "", f->service ? " AND service GLOB :service" : "",
		 f->pid ? " AND pid = :pid" : "", status_sql(f->status), f->last ? " LIMIT :last" : "");
	rc = sqlite3_prepare_v2(q->handle, sql, -1, ret, NULL);
	if (rc != SQLITE_OK)
		return -EIO;
	bind_number(*ret, ":after", after);
	bind_number(*ret, ":since", (int64_t)f->since_ns);
	bind_number(*ret, ":min", (int64_t)f->min_duration_ns);
	bind_number(*ret, ":pid", f->pid);
	bind_number(*ret, ":last", f->last > INT64_MAX ? INT64_MAX : (int64_t)f->last);
	bind_glob(*ret, ":model", f->model);
	bind_glob(*ret, ":provider", f->provider);
	bind_glob(*ret, ":service", f->service);
	at = sqlite3_bind_parameter_index(*ret, ":status");
	if (at && all_digits(f->status))
		sqlite3_bind_int64(*ret, at, strtoll(f->status, NULL, 10));
	else if (at)
		sqlite3_bind_text(*ret, at, f->status, -1, SQLITE_STATIC);
	return 0;
}

/* Newest id, read in the same transaction as the rows: nothing that comes in between is passed over. */
static int newest_id(struct query *q, int64_t *ret)
{
	sqlite3_stmt *stmt;

	if (sqlite3_prepare_v2(q->handle, "SELECT ifnull(max(id),0) FROM spans", -1, &stmt, NULL) != SQLITE_OK)
		return -EIO;
	if (sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_int64(stmt, 0) > *ret)
		*ret = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return 0;
}

int query_run(struct query *q, const struct query_filter *filter, int64_t *after_rowid, query_fn *fn, void *ctx)
{
	int64_t newest = *after_rowid;
	sqlite3_stmt *stmt = NULL;
	struct query_row row;
	int err, rc;

	if (sqlite3_exec(q->handle, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
		return -EIO;
	err = newest_id(q, &newest);
	if (!err)
		err = prepare(q, filter, *after_rowid, &stmt);
	while (!err) {
		rc = sqlite3_step(stmt);
		if (rc != SQLITE_ROW) {
			err = rc == SQLITE_DONE ? 0 : -EIO;
			break;
		}
		row_read(stmt, &row);
		err = fn(ctx, &row);
	}
	sqlite3_finalize(stmt);
	sqlite3_exec(q->handle, "COMMIT", NULL, NULL, NULL);
	if (!err)
		*after_rowid = newest;
	return err;
}
