/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parsers and readers of /proc/PID, see procfs.h. The parsers never fail on hostile text: they take what they
 * understand. Buffers that held an environment are wiped. Privileged process, main thread; all state on the stack.
 */
#include "probe/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool take_char(struct slice *s, char c)
{
	if (s->len == 0 || *s->ptr != c)
		return false;
	*s = slice_from(*s, 1);
	return true;
}

static void take_blanks(struct slice *s)
{
	while (s->len && (*s->ptr == ' ' || *s->ptr == '\t'))
		*s = slice_from(*s, 1);
}

/* An unsigned number, base 10 or 16; false when there is no digit or it does not fit. */
static bool take_num(struct slice *s, unsigned int base, uint64_t *ret)
{
	uint64_t v = 0;
	size_t i = 0;

	for (; i < s->len; i++) {
		char c = s->ptr[i];
		unsigned int d = c >= '0' && c <= '9'		      ? (unsigned int)(c - '0')
				 : base == 16 && c >= 'a' && c <= 'f' ? (unsigned int)(c - 'a' + 10)
								      : 99;
		if (d >= base)
			break;
		if (__builtin_mul_overflow(v, base, &v) || __builtin_add_overflow(v, d, &v))
			return false;
	}
	if (i == 0)
		return false;
	*s = slice_from(*s, i);
	*ret = v;
	return true;
}

/* "55d0-55e0 r-xp 00002000 08:01 1234      /usr/bin/cat" */
bool procfs_map_parse(struct slice line, struct procfs_map *ret_map)
{
	struct procfs_map m = { 0 };
	uint64_t major, minor;

	if (!take_num(&line, 16, &m.start) || !take_char(&line, '-') ||
	    !take_num(&line, 16, &m.end) || !take_char(&line, ' '))
		return false;
	if (line.len < 5 || line.ptr[4] != ' ')
		return false;
	m.exec = line.ptr[2] == 'x';
	line = slice_from(line, 5);
	if (!take_num(&line, 16, &m.offset) || !take_char(&line, ' ') ||
	    !take_num(&line, 16, &major) || !take_char(&line, ':') ||
	    !take_num(&line, 16, &minor) || !take_char(&line, ' ') || !take_num(&line, 10, &m.ino))
		return false;
	m.dev = (uint32_t)(major << 20 | (minor & 0xfffff));
	take_blanks(&line);
	m.path = line;
	*ret_map = m;
	return true;
}

static bool line_take(struct slice *text, struct slice *ret_line)
{
	const char *end;

	if (text->len == 0)
		return false;
	end = memchr(text->ptr, '\n', text->len);
	*ret_line = (struct slice){ text->ptr, end ? (size_t)(end - text->ptr) : text->len };
	*text = slice_from(*text, ret_line->len + 1);
	return true;
}

/* The idx-th number of a list separated by blanks; idx -1 means the last. */
static uint32_t list_num(struct slice s, int idx)
{
	uint64_t v = 0;

	for (int i = 0; idx < 0 || i <= idx; i++) {
		uint64_t next;

		take_blanks(&s);
		if (!take_num(&s, 10, &next))
			return idx < 0 ? (uint32_t)v : 0;
		v = next;
	}
	return (uint32_t)v;
}

void procfs_status_parse(struct slice text, struct procfs_status *ret_status)
{
	struct slice line;

	*ret_status = (struct procfs_status){ 0 };
	while (line_take(&text, &line)) {
		if (slice_starts(line, SLICE("PPid:")))
			ret_status->ppid = list_num(slice_from(line, 5), 0);
		else if (slice_starts(line, SLICE("Uid:"))) /* real, effective, saved, fs */
			ret_status->uid = list_num(slice_from(line, 4), 1);
		else if (slice_starts(line, SLICE("NSpid:"))) /* outermost namespace first */
			ret_status->nspid = list_num(slice_from(line, 6), -1);
		else if (slice_starts(line, SLICE("Seccomp:")))
			ret_status->seccomp = list_num(slice_from(line, 8), 0);
	}
}

bool procfs_stat_parse(struct slice text, uint64_t *ret_start_ticks)
{
	const char *paren = text.len ? memrchr(text.ptr, ')', text.len) : NULL;

	if (!paren)
		return false;
	text = slice_from(text, (size_t)(paren - text.ptr) + 1);
	for (int field = 3; field < 22; field++) { /* skip fields 3 to 21 */
		take_blanks(&text);
		while (text.len && *text.ptr != ' ')
			text = slice_from(text, 1);
	}
	take_blanks(&text);
	return take_num(&text, 10, ret_start_ticks);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static struct slice trim(struct slice s)
{
	while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
		s.len--;
	take_blanks(&s);
	return s;
}

/* Copy with percent-decoding (OpenTelemetry specification, resource SDK: values are percent-encoded). */
static void percent_copy(struct slice s, char *ret, size_t cap)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len && n + 1 < cap; i++) {
		char c = s.ptr[i];

		if (c == '%' && i + 2 < s.len && hex_digit(s.ptr[i + 1]) >= 0 &&
		    hex_digit(s.ptr[i + 2]) >= 0) {
			c = (char)(hex_digit(s.ptr[i + 1]) << 4 | hex_digit(s.ptr[i + 2]));
			i += 2;
		}
		if (c == '\0')
			break;
		ret[n++] = c;
	}
	ret[n] = '\0';
}

/* "key=value,key=value" */
static void attrs_take(struct slice s, char *ret_service, size_t cap)
{
	while (s.len) {
		const char *comma = memchr(s.ptr, ',', s.len);
		size_t len = comma ? (size_t)(comma - s.ptr) : s.len;
		struct slice pair = { s.ptr, len };
		const char *eq = memchr(pair.ptr, '=', pair.len);

		if (eq &&
		    slice_eq(
			    trim((struct slice){ pair.ptr, (size_t)(eq - pair.ptr) }),
			    SLICE("service.name"))) /* lint-ok: key in the text of a variable of the traced process */
			percent_copy(trim(slice_from(pair, (size_t)(eq - pair.ptr) + 1)),
				     ret_service, cap);
		s = slice_from(s, len + 1);
	}
}

static const struct slice env_service = { "OTEL_SERVICE_NAME=", 18 };
static const struct slice env_attrs = { "OTEL_RESOURCE_ATTRIBUTES=", 25 };

/* Can the variable that begins with these bytes still become one we want? */
static bool env_maybe(struct slice begin, struct slice key)
{
	size_t len = begin.len < key.len ? begin.len : key.len;

	return memcmp(begin.ptr, key.ptr, len) == 0;
}

static void env_end(struct procfs_env *env)
{
	struct slice s = { env->entry, env->entry_len };

	if (slice_starts(s, env_service)) {
		s = trim(slice_from(s, env_service.len));
		snprintf(env->service, sizeof(env->service), "%.*s", (int)s.len,
			 s.len ? s.ptr : "");
	} else if (slice_starts(s, env_attrs)) {
		attrs_take(slice_from(s, env_attrs.len), env->attr_service,
			   sizeof(env->attr_service));
	}
	env->entry_len = 0;
	env->skip = false;
}

void procfs_env_init(struct procfs_env *env)
{
	memset(env, 0, sizeof(*env));
}

void procfs_env_feed(struct procfs_env *env, struct slice bytes)
{
	for (size_t i = 0; i < bytes.len; i++) {
		struct slice begin;

		if (bytes.ptr[i] == '\0') {
			env_end(env);
			continue;
		}
		if (env->skip || env->entry_len == sizeof(env->entry))
			continue;
		env->entry[env->entry_len++] = bytes.ptr[i];
		begin = (struct slice){ env->entry, env->entry_len };
		if (env->entry_len > env_attrs.len)
			continue;
		if (!env_maybe(begin, env_service) && !env_maybe(begin, env_attrs)) {
			env->skip = true;
			env->entry_len = 0;
		}
	}
}

void procfs_env_done(struct procfs_env *env)
{
	env_end(env);
	explicit_bzero(env->entry, sizeof(env->entry));
}

/* Length of the UTF-8 sequence at s, 0 when there is none (RFC 3629 section 4). */
static size_t utf8_len(const unsigned char *s)
{
	size_t len = s[0] < 0x80		   ? 1
		     : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
		     : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
		     : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
						   : 0;

	for (size_t i = 1; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return len;
}

void procfs_clean(char *text)
{
	while (*text) {
		size_t len = utf8_len((const unsigned char *)text);

		if (len == 0)
			*text = '?';
		else if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '_';
		text += len ? len : 1;
	}
}

int procfs_open(int proc_fd, pid_t pid)
{
	char name[16];
	int fd;

	snprintf(name, sizeof(name), "%d", pid);
	fd = openat(proc_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int open_read(int pid_fd, const char *name)
{
	int fd = openat(pid_fd, name, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* read() until len bytes, end of file or error; returns the bytes read or a negative errno. */
static ssize_t read_some(int fd, char *buf, size_t len)
{
	ssize_t n;

	do {
		n = read(fd, buf, len);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

ssize_t procfs_read(int pid_fd, const char *name, char *buf, size_t cap)
{
	int fd = open_read(pid_fd, name);
	size_t len = 0;
	ssize_t n = 0;

	if (fd < 0)
		return fd;
	while (len < cap && (n = read_some(fd, buf + len, cap - len)) > 0)
		len += (size_t)n;
	close(fd);
	return n < 0 && len == 0 ? n : (ssize_t)len;
}

int procfs_link(int pid_fd, const char *name, char *ret, size_t cap)
{
	ssize_t n = readlinkat(pid_fd, name, ret, cap - 1);

	if (n < 0)
		return -errno;
	ret[n] = '\0';
	return 0;
}

int procfs_start_ns(int pid_fd, uint64_t *ret_ns)
{
	char buf[1024];
	ssize_t len = procfs_read(pid_fd, "stat", buf, sizeof(buf));
	long hz = sysconf(_SC_CLK_TCK);
	uint64_t ticks;

	if (len < 0)
		return (int)len;
	if (!procfs_stat_parse((struct slice){ buf, (size_t)len }, &ticks) || hz <= 0)
		return -EBADMSG;
	*ret_ns = ticks * (1000000000ULL / (uint64_t)hz);
	return 0;
}

int procfs_status(int pid_fd, struct procfs_status *ret_status)
{
	char buf[4096];
	ssize_t len = procfs_read(pid_fd, "status", buf, sizeof(buf));

	if (len < 0)
		return (int)len;
	procfs_status_parse((struct slice){ buf, (size_t)len }, ret_status);
	return 0;
}

/* Hand whole lines to fn; returns the bytes used. A line that fills the buffer alone is skipped in pieces. */
static size_t maps_lines(struct slice text, bool full,
			 bool (*fn)(void *ctx, const struct procfs_map *map), void *ctx,
			 bool *ret_stop)
{
	size_t used = 0;

	while (used < text.len) {
		const char *begin = text.ptr + used, *end = memchr(begin, '\n', text.len - used);
		struct procfs_map map;

		if (!end)
			return used == 0 && full ? text.len : used;
		if (procfs_map_parse((struct slice){ begin, (size_t)(end - begin) }, &map) &&
		    !fn(ctx, &map)) {
			*ret_stop = true;
			return text.len;
		}
		used = (size_t)(end - text.ptr) + 1;
	}
	return used;
}

int procfs_maps(int pid_fd, bool (*fn)(void *ctx, const struct procfs_map *map), void *ctx)
{
	int fd = open_read(pid_fd, "maps");
	size_t len = 0, total = 0;
	bool stop = false;
	char buf[16384]; /* a line is at most PATH_MAX, four times as long when every byte is escaped */
	ssize_t n = 0;

	if (fd < 0)
		return fd;
	while (!stop && total < KS_MAPS_READ_CAP &&
	       (n = read_some(fd, buf + len, sizeof(buf) - len)) > 0) {
		size_t used;

		len += (size_t)n;
		total += (size_t)n;
		used = maps_lines((struct slice){ buf, len }, len == sizeof(buf), fn, ctx, &stop);
		len -= used;
		memmove(buf, buf + used, len);
	}
	close(fd);
	return n < 0 ? (int)n : 0;
}

int procfs_environ(int pid_fd, struct procfs_env *env)
{
	int fd = open_read(pid_fd, "environ");
	size_t total = 0;
	char buf[4096];
	ssize_t n = 0;

	procfs_env_init(env);
	if (fd < 0)
		return fd;
	while (total < KS_ENVIRON_CAP && (n = read_some(fd, buf, sizeof(buf))) > 0) {
		procfs_env_feed(env, (struct slice){ buf, (size_t)n });
		total += (size_t)n;
	}
	procfs_env_done(env);
	explicit_bzero(buf, sizeof(buf));
	close(fd);
	return n < 0 ? (int)n : 0;
}
