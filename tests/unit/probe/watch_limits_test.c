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

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(only_is_no_number),
	cmocka_unit_test(ident_is_said_again),
};

WATCH_MAIN(tests)
