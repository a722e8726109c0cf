/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store's file, seen by its writer: open or renew it, insert rows in transactions, keep within the limits. One
 * thread at a time: the main thread opens, then the writer thread has it.
 */
#pragma once

#include <stdint.h>

#include "store/row.h"
#include "store/schema.h"

struct db {
	char path[512];
	uint64_t row_max, byte_max;
	sqlite3 *handle;
	sqlite3_stmt *insert, *trim;
};

enum db_result { DB_OK, DB_FULL, DB_CORRUPT, DB_BUSY, DB_ERROR }; /* FULL: no room on the disk */

/* Open or make the file; one that is corrupt, or of another schema, is first moved to NAME.corrupt (older ones of that
 * name are replaced); *ret_moved says so. DB_OK, or why not. */
enum db_result db_open(struct db *db, bool *ret_moved);
void db_close(struct db *db);
enum db_result db_begin(struct db *db);
enum db_result db_insert(struct db *db, const struct row *row, struct slice text_and_json);
enum db_result db_commit(struct db *db);
void db_rollback(struct db *db);
/* Drop the oldest rows beyond the limits. */
enum db_result db_trim(struct db *db);
/* Close, move the file aside, open anew. */
enum db_result db_renew(struct db *db);
/* SQLite's words for the last failure. */
const char *db_error(const struct db *db);
