/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log: one line an entry on stderr, logfmt or JSON, journal priorities under a service manager, limited for each
 * call site. Any thread; keeps no memory. Captured content has no printf conversion (base/slice.h), never gets here.
 */
#pragma once

#include <stdint.h>

enum log_level { LOG_LVL_ERR, LOG_LVL_WARN, LOG_LVL_INFO, LOG_LVL_DEBUG, LOG_LVL_CNT };
enum log_format { LOG_LOGFMT, LOG_JSON };

/* Lines above `level` are dropped. Call before threads start. */
void log_init(enum log_level level, enum log_format format);
enum log_level log_level(void);

struct log_site { /* what a call site remembers: at most LOG_BURST lines a second */
	uint64_t window_s;
	uint32_t lines, held;
};
#define LOG_BURST 10

void log_line(enum log_level level, const char *module, struct log_site *site, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#define LOG_AT(lvl, module, ...)                                            \
	do {                                                                \
		static struct log_site log_site_;                           \
		if ((lvl) <= log_level())                                   \
			log_line((lvl), (module), &log_site_, __VA_ARGS__); \
	} while (0)
#define log_err(module, ...)   LOG_AT(LOG_LVL_ERR, module, __VA_ARGS__)
#define log_warn(module, ...)  LOG_AT(LOG_LVL_WARN, module, __VA_ARGS__)
#define log_info(module, ...)  LOG_AT(LOG_LVL_INFO, module, __VA_ARGS__)
#define log_debug(module, ...) LOG_AT(LOG_LVL_DEBUG, module, __VA_ARGS__)
