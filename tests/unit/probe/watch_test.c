/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The watcher against real processes and a probe that only writes down what it is asked. The processes are this
 * program again, as a child that loads libraries when told; the TLS library is built with the compiler.
 */
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

static struct probe_link links[64];
static size_t link_cnt;
static int attach_err;
static uint64_t seen_ino[64];
static size_t seen_cnt;
static pid_t marked[64];
static size_t marked_cnt;

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
	assert_int_equal(mark, KS_MARK_WATCH);
	if (marked_cnt < 64)
		marked[marked_cnt++] = tgid;
	return 0;
}

static size_t links_of(ino_t ino)
{
	size_t cnt = 0;

	for (size_t i = 0; i < link_cnt; i++)
		cnt += links[i].ino == ino && links[i].live;
	return cnt;
}

/* The children: told "PATH\n" they load it and answer with a byte, told "fork\n" they do that. */

static void child_run(void)
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

static void child_wait(const struct child *c)
{
	char byte;

	assert_int_equal(read(c->out, &byte, 1), 1);
}

static void child_tell(const struct child *c, const char *what)
{
	dprintf(c->in, "%s\n", what);
	child_wait(c);
}

static struct child child_new(const char *service)
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

static void child_end(struct child *c)
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

static void on_ident(void *ctx, const struct ks_ev_ident *id)
{
	(void)ctx;
	if (ident_cnt < 16)
		idents[ident_cnt++] = *id;
}

static struct watch *watch_of(const pid_t *only, size_t cnt)
{
	const struct watch_cfg cfg = {
		.proc_root = "/proc", .only = only, .only_cnt = cnt, .ident = on_ident
	};
	struct watch *w = NULL;

	link_cnt = seen_cnt = marked_cnt = ident_cnt = 0;
	attach_err = 0;
	assert_int_equal(watch_new(&cfg, &w), 0);
	return w;
}

static uint64_t start_of(pid_t pid)
{
	int proc = open("/proc", O_PATH), fd = procfs_open(proc, pid);
	uint64_t ns;

	assert_int_equal(procfs_start_ns(fd, &ns), 0);
	close(fd);
	close(proc);
	return ns;
}

static void event(struct watch *w, enum ks_event_kind kind, const struct child *c, const char *file,
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

static int build(const char *path, const char *text)
{
	char cmd[256];

	snprintf(cmd, sizeof(cmd), "echo '%s' | gcc -shared -fPIC -xc - -o %s", text, path);
	return system(cmd);
}

static int setup(void **state)
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

static int teardown(void **state)
{
	char cmd[128];

	(void)state;
	snprintf(cmd, sizeof(cmd), "rm -r '%s'", dir);
	return system(cmd);
}

static void scan_attaches_once(void **state)
{
	struct child a = child_new("a"), b = child_new("b");
	const pid_t only[] = { a.pid, b.pid };
	struct watch *w = watch_of(only, 2);
	struct watch_lib l;

	(void)state;
	child_tell(&a, lib);
	child_tell(&b, lib);
	assert_int_equal(watch_scan(w, SEC), 0);
	assert_int_equal(links_of(lib_ino), 1);
	assert_int_equal(watch_lib_cnt(w), 1);
	watch_lib_get(w, 0, &l);
	assert_string_equal(l.path, lib);
	assert_string_equal(l.kind, "openssl");
	assert_int_equal(l.funcs, 1u << TLS_SSL_READ | 1u << TLS_SSL_WRITE);
	assert_int_equal(l.procs, 2);
	assert_int_equal(l.err, 0);
	assert_int_equal(ident_cnt, 2);
	assert_string_equal(idents[0].service, idents[0].h.tgid == (__u32)a.pid ? "a" : "b");
	assert_int_equal(idents[0].h.proc_start_ns, start_of((pid_t)idents[0].h.tgid));
	assert_true(marked_cnt >= 2);

	size_t reads = watch_stats(w).files.reads;

	assert_int_equal(watch_scan(w, 2 * SEC), 0); /* nothing is read or said twice */
	assert_int_equal(watch_stats(w).files.reads, reads);
	assert_int_equal(ident_cnt, 2);
	watch_free(w);
	assert_int_equal(links_of(lib_ino), 0);
	child_end(&a);
	child_end(&b);
}

static void mapping_attaches_at_once(void **state)
{
	struct child a = child_new("a");
	struct watch *w = watch_of(&a.pid, 1);

	(void)state;
	assert_int_equal(watch_scan(w, SEC), 0);
	assert_int_equal(links_of(lib_ino), 0);
	event(w, KS_EV_MMAP, &a, plain,
	      2 * SEC); /* not mapped yet: the event came before the mapping */
	assert_int_equal(watch_tick(w, 2 * SEC), 2 * SEC + 2 * MS);
	assert_int_equal(seen_cnt, 0);
	child_tell(&a, plain);
	child_tell(&a, lib);
	event(w, KS_EV_MMAP, &a, lib, 2 * SEC + 1 * MS);
	(void)watch_tick(w, 2 * SEC + 1 * MS);
	assert_int_equal(links_of(lib_ino), 1);
	assert_int_equal(seen_cnt, 1); /* the plain file only: who maps TLS code shall be told */
	assert_int_not_equal(seen_ino[0], lib_ino);
	assert_int_equal(ident_cnt, 2); /* the event told the exact start */
	assert_int_equal(idents[1].h.proc_start_ns, start_of(a.pid) + 7 * MS);
	watch_free(w);
	child_end(&a);
}

static void exec_settles(void **state)
{
	struct child a = child_new("a");
	struct watch *w = watch_of(&a.pid, 1);
	uint64_t now = SEC, next;

	(void)state;
	event(w, KS_EV_EXEC, &a, NULL, now);
	next = watch_tick(w, now);
	assert_int_equal(next, now + 2 * MS);
	assert_int_equal(ident_cnt, 1);
	assert_string_equal(idents[0].service, "a");
	child_tell(&a, lib);
	next = watch_tick(w, next);
	assert_int_equal(links_of(lib_ino), 1);
	assert_int_equal(next, now + 20 * MS);
	next = watch_tick(w, next);
	assert_int_equal(next, now + 100 * MS);
	assert_int_equal(watch_tick(w, next), 0);
	assert_int_equal(ident_cnt, 1);
	assert_int_equal(watch_stats(w).looks, 4);
	event(w, KS_EV_EXEC, &a, NULL, 2 * SEC);
	child_end(&a); /* gone before the look */
	assert_int_equal(watch_stats(w).procs, 1);
	(void)watch_tick(w, 2 * SEC);
	assert_int_equal(watch_stats(w).procs, 0);
	watch_free(w);
}

/* An idle file is detached after a minute, unless a child forked without exec, of which no event told, has it. */
static void idle_detaches(void **state)
{
	struct child a = child_new("a"), b = child_new("b");
	const pid_t only[] = { a.pid, b.pid };
	struct watch *w = watch_of(only, 2);
	struct ks_ev_proc ev = { .h = { .kind = KS_EV_EXIT, .len = sizeof(ev) } };
	uint64_t next;

	(void)state;
	child_tell(&a, lib);
	assert_int_equal(watch_scan(w, SEC), 0);
	child_tell(&b, lib); /* not told */
	ev.h.tgid = (__u32)a.pid;
	ev.h.proc_start_ns = start_of(a.pid);
	child_end(&a);
	watch_event(w, &ev.h, 2 * SEC);
	next = watch_tick(w, 100 * SEC);
	assert_int_equal(links_of(lib_ino), 1); /* b was found to use it */
	assert_int_equal(next, 0);
	ev.h.tgid = (__u32)b.pid;
	ev.h.proc_start_ns = start_of(b.pid);
	child_end(&b);
	watch_event(w, &ev.h, 200 * SEC);
	assert_true(watch_tick(w, 201 * SEC) > 201 * SEC);
	assert_int_equal(links_of(lib_ino), 1);
	assert_int_equal(watch_tick(w, 300 * SEC), 0);
	assert_int_equal(links_of(lib_ino), 0);
	assert_int_equal(watch_lib_cnt(w), 0);
	watch_free(w);
}

static void removed_file_is_reached(void **state)
{
	struct child a = child_new("a");
	struct watch *w = watch_of(&a.pid, 1);
	char copy[96], cmd[256];
	struct stat st;
	int fd;

	(void)state;
	snprintf(copy, sizeof(copy), "%s/gone.so", dir);
	snprintf(cmd, sizeof(cmd), "cp '%s' '%s'", lib, copy);
	assert_int_equal(system(cmd), 0);
	assert_int_equal(stat(copy, &st), 0);
	child_tell(&a, copy);
	assert_int_equal(unlink(copy), 0);
	assert_int_equal(watch_scan(w, SEC), 0);
	fd = open("/proc/self/map_files", O_PATH);
	if (geteuid() == 0)
		assert_int_equal(links_of(st.st_ino), 1);
	close(fd);
	watch_free(w);
	child_end(&a);
}

static void rewritten_file_is_read_again(void **state)
{
	struct child a = child_new("a");
	struct watch *w = watch_of(&a.pid, 1);
	char copy[96], cmd[256];

	(void)state;
	snprintf(copy, sizeof(copy), "%s/copy.so", dir);
	snprintf(cmd, sizeof(cmd), "cp '%s' '%s'", lib, copy);
	assert_int_equal(system(cmd), 0);
	child_tell(&a, copy);
	assert_int_equal(watch_scan(w, SEC), 0);
	assert_int_equal(link_cnt, 1);
	assert_int_equal(utimensat(AT_FDCWD, copy, NULL, 0), 0);
	assert_int_equal(watch_scan(w, 2 * SEC), 0);
	assert_int_equal(link_cnt, 2);
	assert_false(links[0].live);
	assert_true(links[1].live);
	assert_int_equal(watch_lib_cnt(w), 1);
	watch_free(w);
	child_end(&a);
}

static void failed_attachment_is_told_and_tried_again(void **state)
{
	struct child a = child_new("a");
	struct watch *w = watch_of(&a.pid, 1);
	struct watch_lib l;

	(void)state;
	child_tell(&a, lib);
	attach_err = -EPERM;
	assert_int_equal(watch_scan(w, SEC), 0);
	watch_lib_get(w, 0, &l);
	assert_int_equal(l.err, -EPERM);
	attach_err = 0;
	assert_int_equal(watch_scan(w, 5 * SEC), 0);
	assert_int_equal(link_cnt, 0);
	assert_int_equal(watch_scan(w, 12 * SEC), 0);
	assert_int_equal(links_of(lib_ino), 1);
	watch_lib_get(w, 0, &l);
	assert_int_equal(l.err, 0);
	watch_free(w);
	child_end(&a);
}

static void only_means_only(void **state)
{
	struct child a = child_new("a"), b = child_new("b");
	struct watch *w = watch_of(&a.pid, 1);
	bool grandchild = false;

	(void)state;
	child_tell(&a, lib);
	child_tell(&b, plain);
	child_tell(&a, "fork"); /* from now on the grandchild answers */
	assert_int_equal(watch_scan(w, SEC), 0);
	event(w, KS_EV_EXEC, &b, NULL, SEC);
	assert_int_equal(watch_tick(w, SEC), 0);
	assert_int_equal(watch_stats(w).procs, 2);
	for (size_t i = 0; i < marked_cnt; i++) {
		assert_int_not_equal(marked[i], b.pid);
		grandchild |= marked[i] != a.pid;
	}
	assert_true(grandchild);
	watch_free(w);

	w = watch_of(&a.pid, 1);
	assert_int_equal(watch_skip(w, a.pid), 0); /* one of our own */
	event(w, KS_EV_MMAP, &a, lib, SEC);
	assert_int_equal(watch_tick(w, SEC), 0);
	assert_int_equal(watch_identify(w, a.pid, start_of(a.pid), SEC), -ESRCH);
	assert_int_equal(ident_cnt, 0);
	watch_free(w);
	child_end(&a);
	child_end(&b);
}

static void everybody(void **state)
{
	struct child a = child_new("a");
	struct watch *w = watch_of(NULL, 0);

	(void)state;
	child_tell(&a, lib);
	assert_int_equal(watch_scan(w, SEC), 0);
	assert_int_equal(links_of(lib_ino), 1);
	for (size_t i = 0; i < ident_cnt; i++)
		assert_int_not_equal(idents[i].h.tgid, getpid());
	assert_int_equal(marked_cnt, 0);
	ident_cnt = 0;
	assert_int_equal(watch_identify(w, a.pid, start_of(a.pid) + 1, SEC), 0);
	assert_int_equal(ident_cnt, 1);
	assert_string_equal(idents[0].service, "a");
	watch_free(w);
	child_end(&a);
}

/* Many processes come and go, some numbers twice: the table stays within its size. */
static void storm(void **state)
{
	struct watch *w = watch_of(NULL, 0);
	struct ks_ev_proc ev = { .h = { .len = sizeof(ev) } };
	uint32_t seed = 1;

	(void)state;
	for (uint32_t i = 0; i < 50000; i++) {
		seed = seed * 1103515245 + 12345;
		ev.h.tgid = 0x1000000 + (seed >> 16) % 20000; /* none of them exists */
		ev.h.proc_start_ns = (uint64_t)(seed >> 8 & 3) * SEC;
		ev.h.kind = (seed >> 4 & 3) == 0   ? KS_EV_EXIT
			    : (seed >> 4 & 3) == 1 ? KS_EV_MMAP
						   : KS_EV_EXEC;
		ev.ino = seed;
		watch_event(w, &ev.h, i + 1);
		assert_true(watch_stats(w).procs <= KS_WATCH_PROCS);
	}
	assert_int_equal(watch_tick(w, SEC), 0);
	assert_int_equal(watch_stats(w).procs, 0);
	watch_free(w);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scan_attaches_once),
		cmocka_unit_test(mapping_attaches_at_once),
		cmocka_unit_test(exec_settles),
		cmocka_unit_test(idle_detaches),
		cmocka_unit_test(removed_file_is_reached),
		cmocka_unit_test(rewritten_file_is_read_again),
		cmocka_unit_test(failed_attachment_is_told_and_tried_again),
		cmocka_unit_test(only_means_only),
		cmocka_unit_test(everybody),
		cmocka_unit_test(storm),
	};

	if (argc > 1 && strcmp(argv[1], "child") == 0)
		child_run();
	return cmocka_run_group_tests(tests, setup, teardown);
}
