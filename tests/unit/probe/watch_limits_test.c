/* SPDX-License-Identifier: Apache-2.0 */
/* The watcher where something is used up, used again or lost. */
#include "watch_fixture.h"

/* A /proc with one process that never is, of number 100. */
static void fake_proc(const char *root, int start)
{
	char path[160];
	FILE *f;

	snprintf(path, sizeof(path), "%s/100", root);
	assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
	snprintf(path, sizeof(path), "%s/100/stat", root);
	f = fopen(path, "w");
	fprintf(f, "100 (x) S 1 1 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 %d 0 0\n", start);
	fclose(f);
	snprintf(path, sizeof(path), "%s/100/status", root);
	f = fopen(path, "w");
	fprintf(f, "Name:\tx\nPPid:\t1\n");
	fclose(f);
}

/* --pid names a process, not a number: who gets the number next is not marked. */
static void only_is_no_number(void **state)
{
	struct ks_ev_proc ev = { .h = { .kind = KS_EV_EXIT, .len = sizeof(ev), .tgid = 100 } };
	const pid_t only = 100;
	struct watch *w;
	char root[128];

	(void)state;
	snprintf(root, sizeof(root), "%s/proc", dir);
	assert_int_equal(mkdir(root, 0700), 0);
	fake_proc(root, 1000);
	w = watch_in(root, &only, 1);
	assert_int_equal(watch_scan(w, SEC), 0);
	assert_true(marked_cnt > 0);
	assert_int_equal(marked[0], 100);
	assert_int_equal(unmarked, 100); /* it has no program, as one that ended */
	marked_cnt = 0;
	fake_proc(root, 2000);
	assert_int_equal(watch_scan(w, SEC), 0);
	assert_int_equal(marked_cnt, 0);
	fake_proc(root, 1000);
	assert_int_equal(watch_scan(w, SEC), 0);
	assert_true(marked_cnt > 0);
	marked_cnt = 0;
	ev.h.proc_start_ns = 10 * SEC + 7 * MS; /* field 22 is in ticks of 10 ms */
	watch_event(w, &ev.h, SEC);
	assert_int_equal(watch_scan(w, SEC), 0);
	assert_int_equal(marked_cnt, 0);
	watch_free(w);
}

/* An identity that could not be taken is said again. */
static void ident_is_said_again(void **state)
{
	struct child a = child_new("a");
	struct watch *w = watch_of(&a.pid, 1);

	(void)state;
	ident_err = -EAGAIN;
	assert_int_equal(watch_scan(w, SEC), 0);
	assert_true(ident_cnt > 0);
	ident_cnt = 0;
	assert_int_equal(watch_tick(w, SEC), SEC + 100 * MS);
	assert_int_equal(ident_cnt, 0);
	for (uint64_t now = SEC, end = 2 * SEC; now < end;)
		now = watch_tick(w, now);
	assert_int_equal(ident_cnt, 9);
	ident_err = 0;
	assert_int_equal(watch_tick(w, 3 * SEC), 0);
	assert_int_equal(ident_cnt, 10);
	assert_int_equal(watch_tick(w, 4 * SEC), 0);
	assert_int_equal(ident_cnt, 10);
	watch_free(w);
	child_end(&a);
}

/* One that maps without end is looked at ten times a second, after a burst. */
static void looks_have_a_pace(void **state)
{
	struct child a = child_new("a");
	struct watch *w = watch_of(&a.pid, 1);
	uint64_t now = 10 * SEC, first;

	(void)state;
	for (; now < 11 * SEC; now += MS) {
		event(w, KS_EV_MMAP, &a, "/bin/sh", now);
		(void)watch_tick(w, now);
	}
	first = watch_stats(w).looks;
	assert_in_range(first, 64, 78);
	for (; now < 13 * SEC; now += MS) {
		event(w, KS_EV_MMAP, &a, "/bin/sh", now);
		(void)watch_tick(w, now);
	}
	assert_in_range(watch_stats(w).looks - first, 18, 22);
	watch_free(w);
	child_end(&a);
}

/* The control ring was full: who came and who went unseen is found, at most every ten seconds. */
static void missed_events_are_made_up_for(void **state)
{
	struct child a = child_new("a"), b = child_new("b");
	const pid_t only[] = { a.pid, b.pid };
	struct watch *w = watch_of(only, 2);

	(void)state;
	child_tell(&a, plain);
	assert_int_equal(watch_scan(w, SEC), 0);
	assert_int_equal(watch_stats(w).procs, 2);
	child_tell(&a, lib);
	child_end(&b);
	assert_int_equal(watch_tick(w, 2 * SEC), 0);
	assert_int_equal(links_of(lib_ino), 0);
	counters[KS_DROP_ctl_ring_full] += 3;
	(void)watch_tick(w, 3 * SEC);
	assert_int_equal(links_of(lib_ino), 1);
	assert_int_equal(watch_stats(w).procs, 1);
	counters[KS_DROP_ctl_ring_full]++;
	size_t looks = watch_stats(w).looks;

	assert_int_equal(watch_tick(w, 4 * SEC), 13 * SEC);
	assert_int_equal(watch_stats(w).looks, looks);
	(void)watch_tick(w, 13 * SEC);
	assert_true(watch_stats(w).looks > looks);
	watch_free(w);
	child_end(&a);
}

static int look_at(struct files *f, const char *path, uint64_t now_ns, struct files_seen *ret)
{
	struct files_map map = { .path_fd = open(path, O_PATH | O_CLOEXEC), .pid_fd = -1, .path = path };
	int err = files_look(f, &map, now_ns, ret);

	close(map.path_fd);
	return err;
}

/* A turn reads no more files than it has time for, but always one. */
static void files_take_turns(void **state)
{
	struct files *f = files_new(NULL);
	struct files_seen seen;

	(void)state;
	link_cnt = 0;
	files_turn(f, 1);
	assert_int_equal(look_at(f, plain, SEC, &seen), 0);
	assert_int_equal(look_at(f, lib, SEC, &seen), -EAGAIN);
	assert_int_equal(look_at(f, plain, SEC, &seen), 0); /* recalled */
	files_turn(f, 1);
	assert_int_equal(look_at(f, lib, SEC, &seen), 0);
	assert_int_not_equal(seen.lib, FILES_NO_LIB);
	assert_int_equal(files_stats(f).reads, 2);
	files_free(f);
}

/* A user who makes many TLS files takes no place from root's, nor all from other users'. */
static void user_has_a_share(void **state)
{
	struct files *f = files_new(NULL);
	struct files_seen seen = { 0 };
	char path[160], cmd[512];

	(void)state;
	if (geteuid() != 0)
		skip();
	link_cnt = 0;
	for (int user = 1; user <= 5; user++) {
		snprintf(cmd, sizeof(cmd), "cd '%s' && for i in $(seq %d); do cp \"my tls.so\" u%d.$i; done && chown %d u%d.*",
			 dir, KS_USER_TLS_FILES + 1, user, user, user);
		assert_int_equal(system(cmd), 0);
		for (int i = 1; i <= KS_USER_TLS_FILES + 1; i++) {
			snprintf(path, sizeof(path), "%s/u%d.%d", dir, user, i);
			files_turn(f, SEC);
			assert_int_equal(look_at(f, path, SEC, &seen), 0);
			if (seen.lib != FILES_NO_LIB)
				files_use(f, seen.lib);
			assert_int_equal(seen.lib != FILES_NO_LIB,
					 i <= KS_USER_TLS_FILES && user * KS_USER_TLS_FILES <= KS_TLS_FILES);
		}
		assert_false(seen.settled);
	}
	assert_int_equal(files_lib_cnt(f), KS_TLS_FILES);
	uint64_t reads = files_stats(f).reads;

	assert_int_equal(look_at(f, path, 2 * SEC, &seen), 0); /* not read again and again */
	assert_int_equal(files_stats(f).reads, reads);
	files_turn(f, SEC);
	assert_int_equal(look_at(f, lib, SEC, &seen), 0);
	assert_int_not_equal(seen.lib, FILES_NO_LIB);
	assert_int_equal(links_of(lib_ino), 1);
	assert_int_equal(files_lib_cnt(f), KS_TLS_FILES);
	files_free(f);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(looks_have_a_pace),
	cmocka_unit_test(missed_events_are_made_up_for),
	cmocka_unit_test(files_take_turns),
	cmocka_unit_test(user_has_a_share),
	cmocka_unit_test(only_is_no_number),
	cmocka_unit_test(ident_is_said_again),
};

WATCH_MAIN(tests)
