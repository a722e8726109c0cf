/* SPDX-License-Identifier: Apache-2.0 */
/* The watcher against real processes. */
#include "watch_fixture.h"

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
	struct child grandchild = { 0 };

	(void)state;
	child_tell(&a, lib);
	child_tell(&b, plain);
	child_tell(&a, "fork"); /* from now on the grandchild answers */
	assert_int_equal(watch_scan(w, SEC), 0);
	assert_int_equal(watch_tick(w, SEC), 0);
	assert_int_equal(watch_stats(w).procs, 2);
	for (size_t i = 0; i < marked_cnt; i++) {
		assert_int_not_equal(marked[i], b.pid);
		grandchild.pid = marked[i] != a.pid ? marked[i] : grandchild.pid;
	}
	assert_int_not_equal(grandchild.pid, 0);
	watch_free(w);

	w = watch_of(&a.pid, 1);
	assert_int_equal(watch_skip(w, a.pid), 0); /* one of our own */
	event(w, KS_EV_MMAP, &a, lib, SEC);
	assert_int_equal(watch_tick(w, SEC), 0);
	assert_int_equal(watch_identify(w, a.pid, start_of(a.pid), SEC), -ESRCH);
	assert_int_equal(ident_cnt, 0);
	watch_free(w);

	w = watch_of(&a.pid, 1); /* a daemon: the kernel side follows it, though its parent is gone */
	kill(a.pid, SIGKILL);
	waitpid(a.pid, NULL, 0);
	event(w, KS_EV_EXEC, &grandchild, NULL, SEC);
	(void)watch_tick(w, SEC);
	assert_int_equal(watch_stats(w).procs, 1);
	assert_int_equal(links_of(lib_ino), 1);
	assert_int_equal(ident_cnt, 1);
	assert_string_equal(idents[0].service, "a");
	watch_free(w);
	kill(grandchild.pid, SIGKILL);
	child_end(&b);
	close(a.in);
	close(a.out);
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
	for (int turns = 0; turns < 1000 && watch_tick(w, SEC);)
		turns++;
	assert_int_equal(watch_stats(w).procs, 0);
	watch_free(w);
}

static const struct CMUnitTest tests[] = {
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

WATCH_MAIN(tests)
