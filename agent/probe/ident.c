/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IDENT events, see ident.h. All text is cut to its field and cleaned, since it ends in exported attributes. The
 * command line is read for the name of a script only and wiped. Privileged process, main thread.
 */
#include "probe/ident.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "probe/cgroup.h"
#include "probe/procfs.h"

struct interpreter {
	const char *names;
	bool versioned;
	const char *subcommands, *arg_options, *run_options, *code_options;
	bool joined;
};

static const struct interpreter interpreters[] = {
#define INTERPRETER(...) { __VA_ARGS__ },
#include "probe/interpreters.def"
#undef INTERPRETER
};

static struct slice base_name(struct slice path)
{
	while (path.len > 1 && path.ptr[path.len - 1] == '/')
		path.len--;
	for (size_t i = path.len; i > 0; i--)
		if (path.ptr[i - 1] == '/')
			return slice_from(path, i);
	return path;
}

static struct slice without(struct slice s, struct slice tail)
{
	if (s.len > tail.len && slice_ends(s, tail))
		s.len -= tail.len;
	return s;
}

/* The next word of a list separated by blanks. */
static bool word_take(struct slice *list, struct slice *ret)
{
	size_t len = 0;

	while (list->len && *list->ptr == ' ')
		*list = slice_from(*list, 1);
	while (len < list->len && list->ptr[len] != ' ')
		len++;
	*ret = (struct slice){ list->ptr, len };
	*list = slice_from(*list, len);
	return len > 0;
}

static bool word_in(struct slice word, const char *words)
{
	struct slice list = slice_str(words), w;

	while (word_take(&list, &w))
		if (slice_eq(word, w))
			return true;
	return false;
}

static const struct interpreter *interpreter_find(struct slice exe)
{
	for (size_t i = 0; i < sizeof(interpreters) / sizeof(interpreters[0]); i++) {
		struct slice name = exe;

		while (interpreters[i].versioned && name.len &&
		       strchr("0123456789.-", name.ptr[name.len - 1]))
			name.len--;
		if (word_in(name, interpreters[i].names))
			return &interpreters[i];
	}
	return NULL;
}

/* app.py -> app; /srv/app/__main__.py -> app */
static struct slice script_name(struct slice path)
{
	static const struct slice endings[] = {
		{ ".py", 3 },  { ".pyc", 4 }, { ".js", 3 },  { ".mjs", 4 },
		{ ".cjs", 4 }, { ".ts", 3 },  { ".mts", 4 }, { ".rb", 3 },
		{ ".pl", 3 },  { ".php", 4 }, { ".jar", 4 },
	};
	struct slice name = base_name(path);

	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
		name = without(name, endings[i]);
	if (slice_eq(name, SLICE("__main__")) && name.ptr > path.ptr) {
		path.len = (size_t)(name.ptr - path.ptr) - 1;
		if (path.len)
			name = base_name(path);
	}
	return name;
}

static bool arg_take(struct slice *cmdline, struct slice *ret)
{
	const char *end;

	if (cmdline->len == 0)
		return false;
	end = memchr(cmdline->ptr, '\0', cmdline->len);
	*ret = (struct slice){ cmdline->ptr, end ? (size_t)(end - cmdline->ptr) : cmdline->len };
	*cmdline = slice_from(*cmdline, ret->len + 1);
	return true;
}

struct slice ident_script(struct slice exe, struct slice cmdline)
{
	const struct interpreter *in = interpreter_find(base_name(exe));
	struct slice arg, next = SLICE_NONE;

	if (!in || !arg_take(&cmdline, &arg))
		return SLICE_NONE;
	while (arg_take(&cmdline, &arg)) {
		char letter[2] = { '-', 0 };
		struct slice option = arg;

		if (slice_eq(arg, SLICE("--")))
			return arg_take(&cmdline, &next) ? script_name(next) : SLICE_NONE;
		if (in->joined && arg.len > 2 && arg.ptr[0] == '-' && arg.ptr[1] != '-') {
			letter[1] = arg.ptr[arg.len -
					    1]; /* -um counts as -m: the last takes the next word */
			option = (struct slice){ letter, 2 };
		}
		if (word_in(option, in->code_options))
			return SLICE_NONE;
		if (word_in(option, in->run_options))
			return arg_take(&cmdline, &next) ? script_name(next) : SLICE_NONE;
		if (word_in(option, in->arg_options))
			(void)arg_take(&cmdline, &next);
		else if (arg.len && arg.ptr[0] != '-' && !word_in(arg, in->subcommands))
			return script_name(arg);
	}
	return SLICE_NONE;
}

static void copy(char *ret, size_t cap, struct slice s)
{
	size_t len = s.len < cap - 1 ? s.len : cap - 1;

	/* not in the middle of a UTF-8 sequence */
	while (len && len < s.len && ((unsigned char)s.ptr[len] & 0xc0) == 0x80)
		len--;
	if (len)
		memcpy(ret, s.ptr, len);
	ret[len] = '\0';
	procfs_clean(ret);
}

static void service_fill(int pid_fd, struct slice exe, struct ks_ev_ident *id)
{
	struct procfs_env env;
	char cmdline[2048];
	struct slice name;
	ssize_t len;

	(void)procfs_environ(pid_fd, &env);
	name = slice_str(env.service[0] ? env.service : env.attr_service);
	copy(id->service, sizeof(id->service), name);
	if (id->service[0])
		return;
	len = procfs_read(pid_fd, "cmdline", cmdline, sizeof(cmdline));
	name = ident_script(exe, (struct slice){ cmdline, len > 0 ? (size_t)len : 0 });
	copy(id->service, sizeof(id->service), name.len ? name : base_name(exe));
	explicit_bzero(cmdline, sizeof(cmdline));
	if (!id->service[0]) /* the form that SDKs use when they know no name either */
		snprintf(id->service, sizeof(id->service), "unknown_service:%s", id->comm);
}

int ident_read(int pid_fd, uint32_t tgid, uint64_t start_ns, uint64_t now_ns,
	       struct ks_ev_ident *ret_ident)
{
	char path[PROCFS_PATH], text[8192];
	struct procfs_status status;
	struct ks_ev_ident id = {
		.h = { .kind = KS_EV_IDENT,
		       .len = sizeof(id),
		       .ts_ns = now_ns,
		       .tgid = tgid,
		       .tid = tgid,
		       .proc_start_ns = start_ns },
	};
	struct slice exe;
	ssize_t len;
	int err;

	err = procfs_link(pid_fd, "exe", path, sizeof(path));
	if (err)
		return err;
	exe = without(slice_str(path), SLICE(" (deleted)"));
	copy(id.exe, sizeof(id.exe), exe);
	err = procfs_status(pid_fd, &status);
	if (err)
		return err;
	id.ppid = status.ppid;
	id.uid = status.uid;
	len = procfs_read(pid_fd, "comm", text, sizeof(text));
	if (len < 0)
		return (int)len;
	copy(id.comm, sizeof(id.comm), without((struct slice){ text, (size_t)len }, SLICE("\n")));
	len = procfs_read(pid_fd, "cgroup", text, sizeof(text));
	if (len > 0)
		(void)cgroup_container((struct slice){ text, (size_t)len }, id.container);
	service_fill(pid_fd, exe, &id);
	*ret_ident = id;
	return 0;
}
