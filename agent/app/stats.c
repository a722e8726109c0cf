/* SPDX-License-Identifier: Apache-2.0 */
/* The snapshot of `kernspan stats`: counters of both sides, what is attached, memory and CPU. Warden; keeps nothing. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/control.h"
#include "app/pipeline.h"

static const struct {
	const char *name, *unit;
	char side;
} rows[KS_DROP_CNT] = {
#define SIDE_K				'K'
#define SIDE_U				'U'
#define DROP(name_, side_, unit_, why_) { #name_, #unit_, SIDE_##side_ },
#include "drops.def"
#undef DROP
};

static uint64_t kernel_count(const struct warden *w, int i)
{
	const volatile uint64_t *c = probe_counters(w->probe);

	return c ? c[i] : 0;
}

static uint64_t lost(const struct warden *w, int i)
{
	return rows[i].side == 'K' ? kernel_count(w, i) : shared_get(w->shared, drops[i]);
}

/* A small file of /proc as text; empty if it cannot be read. */
static void read_proc(pid_t pid, const char *name, char *out, size_t len)
{
	char path[48];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(out, 1, len - 1, f) : 0;
	if (f)
		fclose(f);
	out[n] = 0;
}

/* The n-th word (from 0) of a line as a number; 0 if there is none. */
static uint64_t word_at(const char *line, int n)
{
	for (; n > 0 && *line; n--) {
		line += strcspn(line, " ");
		line += strspn(line, " ");
	}
	return strtoull(line, NULL, 10);
}

/* proc(5): statm is in pages, the second word is what is resident. */
static uint64_t rss_bytes(pid_t pid)
{
	char line[256];

	read_proc(pid, "statm", line, sizeof(line));
	return word_at(line, 1) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* proc(5): fields 14 and 15 of stat are utime and stime; field 2, the name, may hold anything. */
static double cpu_seconds(pid_t pid)
{
	char line[512];

	read_proc(pid, "stat", line, sizeof(line));
	const char *after = strrchr(line, ')');
	if (!after || !after[1])
		return 0;
	after += 2; /* field 3 */
	return (double)(word_at(after, 11) + word_at(after, 12)) / (double)sysconf(_SC_CLK_TCK);
}

static void put_text(struct buf *out, const char *s)
{
	buf_printf(out, "\"");
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			buf_printf(out, "\\%c", *s);
		else if ((unsigned char)*s < 0x20)
			buf_printf(out, "\\u%04x", (unsigned char)*s);
		else
			buf_put(out, s, 1);
	}
	buf_printf(out, "\"");
}

/* Where the probes of one direction stand, and why there. */
static void put_site(struct buf *out, const char *name, const struct site *site)
{
	buf_printf(out, ",\"%s\":{\"at\":\"%s\",\"offset\":%" PRIu64 ",\"code\":\"%02x %02x\",\"why\":", name,
		   site->internal ? "internal" : "symbols", site->internal, site->first[0], site->first[1]);
	put_text(out, site->why ? site->why : "");
	buf_printf(out, "}");
}

static void put_attached(const struct warden *w, struct buf *out)
{
	size_t cnt = w->watch ? watch_lib_cnt(w->watch) : 0;
	struct watch_lib lib;

	buf_printf(out, ",\"attached\":[");
	for (size_t i = 0; i < cnt; i++) {
		watch_lib_get(w->watch, i, &lib);
		buf_printf(out, "%s{\"path\":", i ? "," : "");
		put_text(out, lib.path);
		buf_printf(out, ",\"kind\":\"%s\",\"functions\":%d,\"processes\":%u,\"error\":",
			   lib.kind, __builtin_popcount(lib.funcs), lib.procs);
		if (lib.err)
			put_text(out, strerror(-lib.err));
		else
			buf_printf(out, "null");
		put_site(out, "read", &lib.read);
		put_site(out, "write", &lib.write);
		buf_printf(out, "}");
	}
	buf_printf(out, "],\"not_attached\":%" PRIu64, w->watch ? watch_stats(w->watch).files.libs_full : 0);
}

void stats_format(const struct warden *w, struct buf *out)
{
	const struct shared *s = w->shared;

	buf_printf(out, "{\"version\":\"%s\",\"uptime_s\":%.3f,\"family\":\"%s\"", KS_VERSION,
		   (double)(clock_ns(CLOCK_MONOTONIC) - w->start_ns) / 1e9,
		   probe_family_name(w->probe));
	buf_printf(out, ",\"pid\":%d,\"agent_pid\":%d", (int)getpid(), (int)w->agent_pid);
	buf_printf(out,
		   ",\"seen\":{\"calls\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"events\":%" PRIu64
		   ",\"copied_bytes\":%" PRIu64 ",\"skipped_bytes\":%" PRIu64 "}",
		   kernel_count(w, KS_SEEN_CALLS), kernel_count(w, KS_SEEN_BYTES),
		   kernel_count(w, KS_SEEN_EVENTS), kernel_count(w, KS_SEEN_COPIED),
		   kernel_count(w, KS_SEEN_SKIPPED));
	buf_printf(out,
		   ",\"pipeline\":{\"events\":%" PRIu64 ",\"data_bytes\":%" PRIu64
		   ",\"spans\":%" PRIu64 ",\"connections\":%" PRIu64 ",\"exchanges\":%" PRIu64 "}",
		   shared_get(s, events), shared_get(s, data_bytes), shared_get(s, spans),
		   shared_get(s, conns), shared_get(s, exchanges));
	buf_printf(out, ",\"lost\":{");
	for (int i = 0; i < KS_DROP_CNT; i++)
		buf_printf(out, "%s\"%s\":%" PRIu64, i ? "," : "", rows[i].name, lost(w, i));
	buf_printf(out, "}");
	put_attached(w, out);
	buf_printf(out,
		   ",\"ring\":{\"bytes\":%" PRIu64 ",\"fill\":%" PRIu64 ",\"fill_max\":%" PRIu64
		   "}",
		   w->config->ring_bytes, shared_get(s, ring_fill), shared_get(s, ring_fill_max));
	buf_printf(out, ",\"loop\":{\"turns\":%" PRIu64 ",\"busy_s\":%.3f}", shared_get(s, turns),
		   (double)shared_get(s, busy_ns) / 1e9);
	buf_printf(out,
		   ",\"memory\":{\"warden_rss_bytes\":%" PRIu64 ",\"agent_rss_bytes\":%" PRIu64 "}",
		   rss_bytes(getpid()), rss_bytes(w->agent_pid));
	buf_printf(out, ",\"cpu\":{\"warden_s\":%.2f,\"agent_s\":%.2f}}\n", cpu_seconds(getpid()),
		   cpu_seconds(w->agent_pid));
}

void stats_summary(const struct warden *w, char *out, size_t len)
{
	const struct shared *s = w->shared;
	int n = snprintf(out, len,
			 "%" PRIu64 " calls seen, %" PRIu64 " bytes copied, %" PRIu64 " spans",
			 kernel_count(w, KS_SEEN_CALLS), kernel_count(w, KS_SEEN_COPIED),
			 shared_get(s, spans));
	const char *sep = "; lost: ";

	for (int i = 0; i < KS_DROP_CNT && n > 0 && (size_t)n < len; i++) {
		if (!lost(w, i))
			continue;
		n += snprintf(out + n, len - (size_t)n, "%s%s %" PRIu64 " %s", sep, rows[i].name,
			      lost(w, i), rows[i].unit);
		sep = ", ";
	}
	if (*sep == ';' && n > 0 && (size_t)n < len)
		snprintf(out + n, len - (size_t)n, "; nothing lost");
}
