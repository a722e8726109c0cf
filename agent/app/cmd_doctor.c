/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `doctor`: every capability, kernel feature, socket family and user-space condition: ok, warn or missing, and what to
 * do. Exits 0, 3 (privilege) or 4 (kernel). Works as any user; changes nothing. Main thread.
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "app/caps.h"
#include "app/commands.h"
#include "export/buf.h"
#include "probe/probe.h"

#define REPORT_CAP (256 * 1024)

enum state { STATE_OK, STATE_WARN, STATE_MISSING };

struct doctor {
	const struct config *c;
	struct buf out;
	bool json, any, no_privilege, no_kernel;
};

static void put_json(struct buf *b, const char *key, const char *value)
{
	buf_printf(b, "\"%s\":\"", key);
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			buf_printf(b, "\\");
		buf_printf(b, "%c", (unsigned char)*value < 0x20 ? ' ' : *value);
	}
	buf_printf(b, "\"");
}

static void report(struct doctor *d, enum state state, const char *group, const char *name,
		   const char *text)
{
	static const char *const words[] = { "ok", "warn", "missing" };

	if (d->json) {
		buf_printf(&d->out, "%s{\"state\":\"%s\",", d->any ? "," : "", words[state]);
		put_json(&d->out, "group", group);
		buf_printf(&d->out, ",");
		put_json(&d->out, "name", name);
		buf_printf(&d->out, ",");
		put_json(&d->out, "advice", text);
		buf_printf(&d->out, "}");
		d->any = true;
	} else {
		buf_printf(&d->out, "%-8s %-11s %-32s %s\n", words[state], group, name, text);
	}
}

static void check_caps(struct doctor *d)
{
	for (size_t i = 0; i < cap_row_cnt; i++) {
		const struct cap_row *row = &cap_rows[i];
		if (cap_have(row)) {
			report(d, STATE_OK, "capability", row->name, row->why);
			continue;
		}
		char text[160];
		snprintf(text, sizeof(text), "needed to %s; run as root or grant it", row->why);
		report(d, row->needed ? STATE_MISSING : STATE_WARN, "capability", row->name, text);
		d->no_privilege |= row->needed;
	}
}

static void check_btf(struct doctor *d)
{
	const char *path = getenv("KERNSPAN_BTF");

	if (!path || !*path)
		path = "/sys/kernel/btf/vmlinux";
	if (access(path, R_OK) == 0) {
		report(d, STATE_OK, "kernel", "type information", path);
		return;
	}
	report(d, STATE_MISSING, "kernel", "type information",
	       "no BTF: use a kernel built with CONFIG_DEBUG_INFO_BTF (most distributions since 2021)");
	d->no_kernel = true;
}

/* First line of a small file; false if it cannot be read. */
static bool read_line(const char *path, char *out, int len)
{
	FILE *f = fopen(path, "re");
	bool got = f && fgets(out, len, f);

	if (f)
		fclose(f);
	if (got)
		out[strcspn(out, "\n")] = 0;
	return got;
}

static void check_settings(struct doctor *d)
{
	char line[256], text[320];
	struct rlimit lock;
	struct utsname u;

	if (uname(&u) == 0) {
		snprintf(text, sizeof(text), "%s %s", u.release, u.machine);
		report(d, STATE_OK, "kernel", "release", text);
	}
	if (read_line("/proc/sys/kernel/perf_event_paranoid", line, sizeof(line))) {
		bool strict = strtol(line, NULL, 10) > 2;
		report(d, strict ? STATE_WARN : STATE_OK, "kernel", "perf_event_paranoid",
		       strict ? "above 2: uprobes need CAP_PERFMON or CAP_SYS_ADMIN" : line);
	}
	if (read_line("/sys/kernel/security/lockdown", line, sizeof(line))) {
		bool closed = strstr(line, "[confidentiality]") != NULL;
		report(d, closed ? STATE_MISSING : STATE_OK, "kernel", "lockdown",
		       closed ? "confidentiality mode forbids reading memory from BPF; boot with lockdown=integrity"
			      : line);
		d->no_kernel |= closed;
	} else {
		report(d, STATE_OK, "kernel", "lockdown", "not readable, or not built in");
	}
	if (getrlimit(RLIMIT_MEMLOCK, &lock) == 0)
		report(d, lock.rlim_cur == RLIM_INFINITY ? STATE_OK : STATE_WARN, "kernel",
		       "locked memory",
		       lock.rlim_cur == RLIM_INFINITY
			       ? "unlimited"
			       : "limited: matters before kernel 5.11 only (ulimit -l unlimited)");
	report(d, STATE_OK, "kernel", "cgroups",
	       access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0 ? "version 2"
								      : "version 1 or mixed");
}

static void check_user(struct doctor *d)
{
	const char *name = d->c->user[0] ? d->c->user : "kernspan";
	char text[160];

	if (getpwnam(name)) {
		snprintf(text, sizeof(text), "%s", name);
		report(d, STATE_OK, "run", "unprivileged user", text);
	} else if (!d->c->user[0] && getpwnam("nobody")) {
		report(d, STATE_WARN, "run", "unprivileged user",
		       "nobody; make one of its own: useradd --system --shell /usr/sbin/nologin kernspan");
	} else {
		snprintf(text, sizeof(text), "there is no user %s: useradd --system %s", name,
			 name);
		report(d, STATE_MISSING, "run", "unprivileged user", text);
	}
}

static void check_store(struct doctor *d)
{
	char parent[1024], text[1100];
	struct stat st;

	if (strcmp(d->c->store, "none") == 0) {
		report(d, STATE_OK, "run", "store", "none");
		return;
	}
	snprintf(parent, sizeof(parent), "%s", d->c->store);
	char *slash = strrchr(parent, '/');
	if (slash && slash != parent)
		*slash = 0;
	if (stat(d->c->store, &st) == 0)
		snprintf(text, sizeof(text), "%s%s", d->c->store,
			 S_ISDIR(st.st_mode) ? "" : " is not a directory");
	else if (access(parent, W_OK) == 0)
		snprintf(text, sizeof(text), "%s will be made", d->c->store);
	else
		snprintf(text, sizeof(text),
			 "%s cannot be made: %s; name another with --store, or --store=none",
			 d->c->store, strerror(errno));
	bool bad = strstr(text, " cannot be made") || strstr(text, " is not a directory");
	report(d, bad ? STATE_WARN : STATE_OK, "run", "store", text);
}

static void on_probe(void *ctx, const char *name, int err, const char *advice)
{
	struct doctor *d = ctx;
	char text[512];

	if (!err) {
		report(d, STATE_OK, "probe", name, advice ? advice : "");
		return;
	}
	snprintf(text, sizeof(text), "%s%s%s", strerror(-err), advice && *advice ? ": " : "",
		 advice ? advice : "");
	/* there are three ways to watch sockets, and only some kernels need the guard; the rest has no other way */
	bool other = strncmp(name, "sockets by", 10) == 0 || strcmp(name, "preemption guard") == 0;
	report(d, other ? STATE_WARN : STATE_MISSING, "probe", name, text);
}

static int verdict(struct doctor *d)
{
	const char *text = d->no_privilege ? "kernspan lacks privilege here"
			   : d->no_kernel  ? "this kernel is not supported"
					   : "kernspan can run here";

	if (d->json)
		buf_printf(&d->out, "],\"verdict\":\"%s\"}\n", text);
	else
		buf_printf(&d->out, "%s\n", text);
	return d->no_privilege ? EXIT_PRIVILEGE : d->no_kernel ? EXIT_KERNEL : EXIT_OK;
}

/* Whether the kernel side loads at all: the one question that decides. */
static void check_load(struct doctor *d)
{
	struct probe_cfg pc = { .ring_bytes = 1024 * 1024,
				.family = "auto",
				.bpf = { .watch = KS_WATCH_LISTED,
					 .wake_bytes = KS_WAKE_BYTES,
					 .call_cap = KS_CALL_CAP } };
	struct probe *p = NULL;
	char why[512] = "";

	if (d->no_privilege || d->no_kernel)
		return;
	int err = probe_new(&pc, &p, why, sizeof(why));
	if (err) {
		report(d, STATE_MISSING, "probe", "load", why[0] ? why : strerror(-err));
		d->no_kernel = true;
		return;
	}
	snprintf(why, sizeof(why), "sockets by %s", probe_family_name(p));
	report(d, STATE_OK, "probe", "load", why);
	probe_free(p);
}

int cmd_doctor(struct config *c)
{
	struct doctor d = { .c = c, .json = c->output == OUT_JSON };

	buf_init(&d.out, REPORT_CAP);
	if (d.json)
		buf_printf(&d.out, "{\"checks\":[");
	check_caps(&d);
	check_btf(&d);
	check_settings(&d);
	check_user(&d);
	check_store(&d);
	probe_doctor(on_probe, &d);
	check_load(&d);
	int code = verdict(&d);
	fwrite(d.out.ptr, 1, d.out.len, stdout);
	buf_done(&d.out);
	return code;
}
