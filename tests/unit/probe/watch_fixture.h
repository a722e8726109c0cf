/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of the watcher: a probe that only writes down what it is asked, and real processes to follow. They are the
 * test program again, as a child that loads libraries when told; the TLS library is built with the compiler.
 */
#pragma once

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "probe/procfs.h"
#include "probe/watch.h"

#define MS  1000000ULL
#define SEC (1000 * MS)

/* The probe. */

struct probe_link {
	ino_t ino;
	bool live;
};

static struct probe_link links[1024];
static size_t link_cnt;
static int attach_err;
static uint64_t seen_ino[64];
static size_t seen_cnt;
static pid_t marked[64];
static size_t marked_cnt;
static pid_t unmarked; /* the last */

int probe_attach_tls(struct probe *p, const struct tls_site *site, struct probe_link **ret)
{
	struct stat st;

	(void)p;
	if (attach_err)
		return attach_err;
	assert_int_equal(stat(site->path, &st), 0);
	assert_true((site->offset[TLS_SSL_READ] || site->offset[TLS_SSL_READ_EX]) &&
		    (site->offset[TLS_SSL_WRITE] || site->offset[TLS_SSL_WRITE_EX]));
	links[link_cnt] = (struct probe_link){ st.st_ino, true };
	*ret = &links[link_cnt++];
	return 0;
}

void probe_detach(struct probe_link *l)
{
	assert_true(l->live);
	l->live = false;
}

int probe_file_seen(struct probe *p, const struct ks_ev_proc *ev)
{
	(void)p;
	seen_ino[seen_cnt++] = ev->ino;
	return 0;
}

int probe_mark(struct probe *p, pid_t tgid, enum ks_mark mark)
{
	(void)p;
	unmarked = mark == KS_MARK_NONE ? tgid : unmarked;
	if (mark == KS_MARK_WATCH && marked_cnt < 64)
		marked[marked_cnt++] = tgid;
	return 0;
}

static uint64_t counters[KS_COUNTERS];

const volatile uint64_t *probe_counters(const struct probe *p)
{
	(void)p;
	return counters;
}

static inline size_t links_of(ino_t ino)
{
	size_t cnt = 0;

	for (size_t i = 0; i < link_cnt; i++)
		cnt += links[i].ino == ino && links[i].live;
	return cnt;
}

/* The children: told "PATH\n" they load it and answer with a byte, told "fork\n" they do that. */

static inline void child_run(void)
{
	char line[256];

	while (write(1, ".", 1) == 1 && fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		if (strcmp(line, "fork") == 0) {
			if (fork() > 0)
				for (;;)
					pause();
		} else if (!dlopen(line, RTLD_NOW)) {
			_exit(1);
		}
	}
	_exit(0);
}

struct child {
	pid_t pid;
	int in, out;
};

static inline void child_wait(const struct child *c)
{
	char byte;

	assert_int_equal(read(c->out, &byte, 1), 1);
}

static inline void child_tell(const struct child *c, const char *what)
{
	dprintf(c->in, "%s\n", what);
	child_wait(c);
}

static inline struct child child_new(const char *service)
{
	struct child c;
	int in[2], out[2];

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	c.pid = fork();
	if (c.pid == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		setenv("OTEL_SERVICE_NAME", service, 1);
		execl("/proc/self/exe", "child", "child", NULL);
		_exit(1);
	}
	close(in[0]);
	close(out[1]);
	c.in = in[1];
	c.out = out[0];
	child_wait(&c);
	return c;
}

static inline void child_end(struct child *c)
{
	kill(c->pid, SIGKILL);
	waitpid(c->pid, NULL, 0);
	close(c->in);
	close(c->out);
}

/* The watcher. */

static char dir[64], lib[80], plain[80];
static ino_t lib_ino;
static struct ks_ev_ident idents[16];
static size_t ident_cnt;
static int ident_err;

static inline int on_ident(void *ctx, const struct ks_ev_ident *id)
{
	(void)ctx;
	if (ident_cnt < 16)
		idents[ident_cnt++] = *id;
	return ident_err;
}

static inline struct watch *watch_in(const char *proc_root, const pid_t *only, size_t cnt)
{
	const struct watch_cfg cfg = {
		.proc_root = proc_root, .only = only, .only_cnt = cnt, .ident = on_ident
	};
	struct watch *w = NULL;

	link_cnt = seen_cnt = marked_cnt = ident_cnt = 0;
	attach_err = ident_err = unmarked = 0;
	memset(counters, 0, sizeof(counters));
	assert_int_equal(watch_new(&cfg, &w), 0);
	return w;
}

static inline struct watch *watch_of(const pid_t *only, size_t cnt)
{
	return watch_in("/proc", only, cnt);
}

static inline uint64_t start_of(pid_t pid)
{
	int proc = open("/proc", O_PATH), fd = procfs_open(proc, pid);
	uint64_t ns;

	assert_int_equal(procfs_start_ns(fd, &ns), 0);
	close(fd);
	close(proc);
	return ns;
}

static inline void event(struct watch *w, enum ks_event_kind kind, const struct child *c, const char *file,
		  uint64_t now)
{
	struct ks_ev_proc ev = {
		.h = { .kind = (__u16)kind,
		       .len = sizeof(ev),
		       .tgid = (__u32)c->pid,
		       .tid = (__u32)c->pid,
		       .proc_start_ns = start_of(c->pid) + 7 * MS },
	};
	struct stat st;

	if (file) {
		assert_int_equal(stat(file, &st), 0);
		ev.ino = st.st_ino;
		ev.dev = (__u32)(major(st.st_dev) << 20 | minor(st.st_dev));
	}
	watch_event(w, &ev.h, now);
}

static inline int build(const char *path, const char *text)
{
	char cmd[256];

	snprintf(cmd, sizeof(cmd), "echo '%s' | gcc -shared -fPIC -xc - -o %s", text, path);
	return system(cmd);
}

static inline int setup(void **state)
{
	struct stat st;

	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/watch.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(lib, sizeof(lib), "%s/my tls.so", dir);
	snprintf(plain, sizeof(plain), "%s/plain.so", dir);
	snprintf(dir + strlen(dir), 8, "/a.so");
	if (build(dir, "int SSL_read(void) { return 1; } int SSL_write(void) { return 2; }") ||
	    rename(dir, lib) || build(plain, "int f(void) { return 1; }") || stat(lib, &st))
		return -1;
	dir[strlen(dir) - 5] = '\0';
	lib_ino = st.st_ino;
	return 0;
}

static inline int teardown(void **state)
{
	char cmd[128];

	(void)state;
	snprintf(cmd, sizeof(cmd), "rm -r '%s'", dir);
	return system(cmd);
}

/* main() of such a test: it is also the program of the children. */
#define WATCH_MAIN(tests)                                                    \
	int main(int argc, char **argv)                                      \
	{                                                                    \
		if (argc > 1 && strcmp(argv[1], "child") == 0)               \
			child_run();                                         \
		return cmocka_run_group_tests(tests, setup, teardown);       \
	}
