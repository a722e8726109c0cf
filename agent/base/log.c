/* SPDX-License-Identifier: Apache-2.0 */
/* The log: formats a line on the stack and writes it with one write(2), so that lines of two processes do not mix. */
#include "base/log.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static enum log_level max_level = LOG_LVL_INFO;
static enum log_format format = LOG_LOGFMT;
static int journal; /* stderr is the journal: priorities in, times out */

static const char *const level_name[LOG_LVL_CNT] = { "error", "warn", "info", "debug" };
static const char level_prio[LOG_LVL_CNT] = { '3', '4', '6', '7' }; /* sd-daemon(3) */

void log_init(enum log_level level, enum log_format fmt)
{
	max_level = level;
	format = fmt;
	journal = getenv("JOURNAL_STREAM") != NULL;
	tzset(); /* before the chroot hides the zone files */
}

enum log_level log_level(void)
{
	return max_level;
}

/* Text inside a quoted logfmt or JSON value; control bytes become spaces. Returns the new length. */
static size_t put_quoted(char *out, size_t at, size_t cap, const char *s)
{
	for (; *s && at + 2 < cap; s++) {
		if (*s == '"' || *s == '\\')
			out[at++] = '\\';
		out[at++] = (unsigned char)*s < 0x20 || *s == 0x7f ? ' ' : *s;
	}
	return at;
}

/* How many lines of this site were held back before this one; -1: hold this one too. */
static int site_admit(struct log_site *site, uint64_t now_s)
{
	if (__atomic_load_n(&site->window_s, __ATOMIC_RELAXED) != now_s) {
		__atomic_store_n(&site->window_s, now_s, __ATOMIC_RELAXED);
		__atomic_store_n(&site->lines, 1, __ATOMIC_RELAXED);
		return (int)__atomic_exchange_n(&site->held, 0, __ATOMIC_RELAXED);
	}
	if (__atomic_add_fetch(&site->lines, 1, __ATOMIC_RELAXED) <= LOG_BURST)
		return 0;
	__atomic_add_fetch(&site->held, 1, __ATOMIC_RELAXED);
	return -1;
}

static size_t put_head(char *out, size_t cap, enum log_level level, const char *module,
		       struct timespec now)
{
	char when[40];
	struct tm tm;

	gmtime_r(&now.tv_sec, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	if (format == LOG_JSON)
		return (size_t)snprintf(
			out, cap,
			"{\"time\":\"%s.%03ldZ\",\"level\":\"%s\",\"module\":\"%s\",\"msg\":\"",
			when, now.tv_nsec / 1000000, level_name[level], module);
	if (journal)
		return (size_t)snprintf(out, cap, "<%c>level=%s module=%s msg=\"",
					level_prio[level], level_name[level], module);
	return (size_t)snprintf(out, cap, "time=%s.%03ldZ level=%s module=%s msg=\"", when,
				now.tv_nsec / 1000000, level_name[level], module);
}

void log_line(enum log_level level, const char *module, struct log_site *site, const char *fmt, ...)
{
	char text[1024], out[1400];
	struct timespec now;
	va_list ap;

	clock_gettime(CLOCK_REALTIME, &now);
	int held = site_admit(site, (uint64_t)now.tv_sec);
	if (held < 0)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);

	size_t cap = sizeof(out) - 48; /* room for the tail */
	size_t at = put_head(out, cap, level, module, now);
	at = put_quoted(out, at, cap, text);
	out[at++] = '"';
	if (held > 0)
		at += (size_t)snprintf(out + at, 40,
				       format == LOG_JSON ? ",\"held\":%d" : " held=%d", held);
	if (format == LOG_JSON)
		out[at++] = '}';
	out[at++] = '\n';
	/* A reader who does not read (a full pipe, a paused pager) must not hold up the loops. poll() promises room for
	 * PIPE_BUF bytes in a pipe (pipe(7)), more than a line; two threads may still meet in the last of it. */
	struct pollfd ready = { .fd = STDERR_FILENO, .events = POLLOUT };
	if (poll(&ready, 1, 0) != 1 || write(STDERR_FILENO, out, at) < 0)
		__atomic_add_fetch(&site->held, 1, __ATOMIC_RELAXED);
}
