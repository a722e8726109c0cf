/* SPDX-License-Identifier: Apache-2.0 */
/* SQLite behind the writer. It has no root and no other file: temporary tables live in memory. One thread. */
#include "store/db.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#define BUSY_MS 1000 /* a reader holds no lock that a WAL writer waits for; a checkpointing one may */

static enum db_result result(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_DONE:
	case SQLITE_ROW:
		return DB_OK;
	case SQLITE_FULL:
		return DB_FULL;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return DB_CORRUPT;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return DB_BUSY;
	default:
		return DB_ERROR;
	}
}

static enum db_result run(struct db *db, const char *sql)
{
	return result(sqlite3_exec(db->handle, sql, NULL, NULL, NULL));
}

const char *db_error(const struct db *db)
{
	return db->handle ? sqlite3_errmsg(db->handle) : "not open";
}

void db_close(struct db *db)
{
	sqlite3_finalize(db->insert);
	sqlite3_finalize(db->trim);
	sqlite3_close(db->handle);
	db->insert = db->trim = NULL;
	db->handle = NULL;
}

/* A number in one row and column of a query's answer; -1 if there is none. */
static enum db_result number(struct db *db, const char *sql, int64_t *ret)
{
	sqlite3_stmt *stmt;
	int rc = sqlite3_prepare_v2(db->handle, sql, -1, &stmt, NULL);

	if (rc != SQLITE_OK)
		return result(rc);
	rc = sqlite3_step(stmt);
	*ret = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : -1;
	sqlite3_finalize(stmt);
	return result(rc);
}

static enum db_result set_up(struct db *db)
{
	static const char pragmas[] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY;"
				      "PRAGMA cache_size=-1024; PRAGMA journal_size_limit=4194304;"
				      "PRAGMA wal_autocheckpoint=500;";
	static const char insert[] =
		"INSERT INTO spans(start_ns,duration_ns,kind,name,provider,model,response_model,service,pid,"
		"http_status,error,error_type,ttfc_s,input_tokens,output_tokens,incomplete,trace_id,json)"
		"VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";
	int64_t version = -1, tables = -1;
	enum db_result r = number(db, "PRAGMA user_version", &version);

	if (r == DB_OK)
		r = number(db, "SELECT count(*) FROM sqlite_master", &tables);
	if (r != DB_OK)
		return r;
	if (tables > 0 && version != STORE_SCHEMA)
		return DB_CORRUPT;
	r = run(db, pragmas);
	if (r == DB_OK)
		r = run(db, STORE_TABLE);
	if (r == DB_OK && version != STORE_SCHEMA) {
		char sql[48];

		snprintf(sql, sizeof(sql), "PRAGMA user_version=%d", STORE_SCHEMA);
		r = run(db, sql);
	}
	if (r == DB_OK)
		r = result(sqlite3_prepare_v2(db->handle, insert, -1, &db->insert, NULL));
	if (r == DB_OK)
		r = result(sqlite3_prepare_v2(db->handle, "DELETE FROM spans WHERE id <= ?", -1, &db->trim, NULL));
	return r;
}

static enum db_result open_once(struct db *db)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
	/* SQLite keeps the mode of the file it finds; spans name users and models */
	int fd = open(db->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	enum db_result r;

	if (fd >= 0)
		close(fd);
	r = result(sqlite3_open_v2(db->path, &db->handle, flags, NULL));
	if (r == DB_OK) {
		sqlite3_extended_result_codes(db->handle, 1);
		sqlite3_busy_timeout(db->handle, BUSY_MS);
		r = set_up(db);
	}
	return r;
}

static bool move_aside(const struct db *db)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	char from[sizeof(db->path) + 8], to[sizeof(db->path) + 16];
	bool ok = false;

	for (int i = 0; i < 3; i++) {
		snprintf(from, sizeof(from), "%s%s", db->path, ends[i]);
		snprintf(to, sizeof(to), "%s.corrupt%s", db->path, ends[i]);
		if (rename(from, to) == 0)
			ok |= i == 0;
		else
			unlink(to); /* an older one's journal does not belong to this file */
	}
	return ok;
}

enum db_result db_renew(struct db *db)
{
	db_close(db);
	return move_aside(db) ? open_once(db) : DB_ERROR;
}

enum db_result db_open(struct db *db, bool *ret_moved)
{
	enum db_result r = open_once(db);

	*ret_moved = r == DB_CORRUPT;
	if (*ret_moved)
		r = db_renew(db);
	return r;
}

enum db_result db_begin(struct db *db)
{
	return run(db, "BEGIN IMMEDIATE");
}

enum db_result db_commit(struct db *db)
{
	return run(db, "COMMIT");
}

void db_rollback(struct db *db)
{
	if (db->handle && !sqlite3_get_autocommit(db->handle))
		(void)run(db, "ROLLBACK");
}

static void bind_int(sqlite3_stmt *stmt, enum store_column col, int64_t value)
{
	if (value == INT64_MIN)
		sqlite3_bind_null(stmt, col + 1);
	else
		sqlite3_bind_int64(stmt, col + 1, value);
}

static void bind_text(sqlite3_stmt *stmt, enum store_column col, struct slice s)
{
	if (s.len)
		sqlite3_bind_text(stmt, col + 1, s.ptr, (int)s.len, SQLITE_STATIC);
	else
		sqlite3_bind_null(stmt, col + 1);
}

enum db_result db_insert(struct db *db, const struct row *row, struct slice rest)
{
	static const char *const kind[] = {
		[SPAN_INTERNAL] = "INTERNAL", [SPAN_SERVER] = "SERVER", [SPAN_CLIENT] = "CLIENT",
	};
	static const enum store_column col[ROW_TEXT_CNT] = {
		[ROW_NAME] = COL_NAME, [ROW_PROVIDER] = COL_PROVIDER, [ROW_MODEL] = COL_MODEL,
		[ROW_RESPONSE_MODEL] = COL_RESPONSE_MODEL, [ROW_SERVICE] = COL_SERVICE,
		[ROW_ERROR_TYPE] = COL_ERROR_TYPE, [ROW_INCOMPLETE] = COL_INCOMPLETE,
	};
	sqlite3_stmt *stmt = db->insert;
	int rc;

	for (int i = 0; i < ROW_TEXT_CNT; i++) {
		bind_text(stmt, col[i], (struct slice){ rest.ptr, row->text_len[i] });
		rest = slice_from(rest, row->text_len[i]);
	}
	bind_text(stmt, COL_KIND, slice_str(kind[row->kind]));
	bind_text(stmt, COL_JSON, rest);
	bind_int(stmt, COL_START, (int64_t)row->start_ns);
	bind_int(stmt, COL_DURATION, (int64_t)row->duration_ns);
	bind_int(stmt, COL_PID, row->pid);
	bind_int(stmt, COL_HTTP_STATUS, row->http_status);
	bind_int(stmt, COL_ERROR, row->error);
	bind_int(stmt, COL_INPUT, row->input_tokens);
	bind_int(stmt, COL_OUTPUT, row->output_tokens);
	if (isnan(row->ttfc_s))
		sqlite3_bind_null(stmt, COL_TTFC + 1);
	else
		sqlite3_bind_double(stmt, COL_TTFC + 1, row->ttfc_s);
	sqlite3_bind_blob(stmt, COL_TRACE_ID + 1, row->trace_id, sizeof(row->trace_id), SQLITE_STATIC);
	rc = sqlite3_step(stmt);
	sqlite3_reset(stmt);
	return result(rc);
}

static enum db_result trim_to(struct db *db, int64_t last_gone)
{
	int rc;

	sqlite3_bind_int64(db->trim, 1, last_gone);
	rc = sqlite3_step(db->trim);
	sqlite3_reset(db->trim);
	return result(rc);
}

/* Ids are given out in order and rows go from the old end only, so the newest and the oldest id tell the count. */
enum db_result db_trim(struct db *db)
{
	int64_t newest = 0, oldest = 0, pages = 0, unused = 0, page = 0, rows;
	enum db_result r = number(db, "SELECT ifnull(max(id),0) FROM spans", &newest);

	if (r == DB_OK)
		r = number(db, "SELECT ifnull(min(id),1) FROM spans", &oldest);
	rows = newest - oldest + 1;
	if (r == DB_OK && rows > 0 && (uint64_t)rows > db->row_max)
		r = trim_to(db, newest - (int64_t)db->row_max);
	if (r == DB_OK)
		r = number(db, "PRAGMA page_count", &pages);
	if (r == DB_OK)
		r = number(db, "PRAGMA freelist_count", &unused);
	if (r == DB_OK)
		r = number(db, "PRAGMA page_size", &page);
	/* a tenth at once: the file stays at its size and its free pages are used again */
	if (r == DB_OK && (uint64_t)((pages - unused) * page) > db->byte_max)
		r = trim_to(db, oldest + rows / 10);
	return r;
}
