/* SPDX-License-Identifier: Apache-2.0 */
/* The table of the store, shared by its writer and its reader. */
#pragma once

#include <sqlite3.h>

#define STORE_SCHEMA 1 /* PRAGMA user_version; a file with another number is moved aside */

#define STORE_TABLE                                                                              \
	"CREATE TABLE IF NOT EXISTS spans("                                                      \
	"id INTEGER PRIMARY KEY AUTOINCREMENT, start_ns INTEGER NOT NULL, duration_ns INTEGER NOT NULL," \
	"kind TEXT NOT NULL, name TEXT NOT NULL, provider TEXT, model TEXT, response_model TEXT, service TEXT," \
	"pid INTEGER, http_status INTEGER, error INTEGER NOT NULL, error_type TEXT, ttfc_s REAL," \
	"input_tokens INTEGER, output_tokens INTEGER, incomplete TEXT, trace_id BLOB NOT NULL," \
	"json TEXT NOT NULL)"

/* Columns in the order in which the writer binds them, after id. */
enum store_column {
	COL_START, COL_DURATION, COL_KIND, COL_NAME, COL_PROVIDER, COL_MODEL, COL_RESPONSE_MODEL, COL_SERVICE,
	COL_PID, COL_HTTP_STATUS, COL_ERROR, COL_ERROR_TYPE, COL_TTFC, COL_INPUT, COL_OUTPUT, COL_INCOMPLETE,
	COL_TRACE_ID, COL_JSON, COL_CNT,
};
