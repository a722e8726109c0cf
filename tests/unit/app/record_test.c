/* SPDX-License-Identifier: Apache-2.0 */
/* Recordings: what is written is read again; what is cut or broken is noticed; a full disk ends with a whole record. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "app/check.h"
#include "app/record.h"
#include "base/drop.h"

static const struct record_head head = {
	.magic = RECORD_MAGIC,
	.abi = KS_EVENT_ABI,
	.head_len = sizeof(head),
	.seed = { 1 },
	.version = "v",
	.host = "h",
};

struct data {
	struct ks_ev_data d;
	char bytes[32];
};

static struct data data_make(uint64_t id, const char *text)
{
	struct data x = { .d = { .h = { .kind = KS_EV_DATA, .id = id },
				 .cap_len = (uint32_t)strlen(text) } };

	x.d.h.len = (uint32_t)sizeof(x.d) + x.d.cap_len;
	x.d.call_len = x.d.cap_len;
	memcpy(x.d.data, text, x.d.cap_len);
	return x;
}

static int file_make(void)
{
	int fd = memfd_create("recording", 0);

	assert_true(fd >= 0);
	return fd;
}

/* A recording of three records; the caller unmaps len bytes. */
static void *sample(size_t *ret_len)
{
	struct recorder *r;
	int fd = file_make(), copy = dup(fd);
	struct data one = data_make(1, "hello"), two = data_make(2, "eight by");
	struct ks_ev_tick tick = { .h = { .kind = KS_EV_TICK, .len = sizeof(tick), .ts_ns = 5 },
				   .wall_ns = 6 };

	assert_int_equal(recorder_new(fd, &head, &r), 0);
	recorder_put(r, &one.d.h);
	recorder_put(r, &two.d.h);
	recorder_put(r, &tick.h);
	assert_int_equal(recorder_free(r), 0);
	*ret_len = (size_t)lseek(copy, 0, SEEK_END);
	void *mem = mmap(NULL, *ret_len, PROT_READ | PROT_WRITE, MAP_PRIVATE, copy, 0);
	assert_true(mem != MAP_FAILED);
	close(copy);
	return mem;
}

static void round_trip(void **state)
{
	enum recording_end end = RECORDING_BAD;
	struct recording r;
	const struct ks_hdr *ev;
	size_t len;
	void *mem = sample(&len);

	(void)state;
	assert_int_equal(recording_init(&r, mem, len), 0);
	assert_string_equal(r.head->host, "h");
	ev = recording_next(&r, &end);
	assert_non_null(ev);
	assert_int_equal(ev->id, 1);
	assert_memory_equal(((const struct ks_ev_data *)ev)->data, "hello", 5);
	ev = recording_next(&r, &end);
	assert_int_equal(ev->id, 2);
	ev = recording_next(&r, &end);
	assert_int_equal(ev->kind, KS_EV_TICK);
	assert_null(recording_next(&r, &end));
	assert_int_equal(end, RECORDING_WHOLE);
	munmap(mem, len);
}

/* At every byte: what is whole is given, and only an end between records is whole. */
static void every_cut(void **state)
{
	const size_t ends[] = { sizeof(head), sizeof(head) + 88, sizeof(head) + 176,
				sizeof(head) + 224 };
	enum recording_end end;
	struct recording r;
	size_t len;
	void *mem = sample(&len);

	(void)state;
	assert_int_equal(len, ends[3]);
	for (size_t cut = 0; cut <= len; cut++) {
		int want = cut < 8 ? -EINVAL : cut < sizeof(head) ? -ENODATA : 0;
		assert_int_equal(recording_init(&r, mem, cut), want);
		if (want)
			continue;
		int cnt = 0;
		while (recording_next(&r, &end))
			cnt++;
		/* the padding of a last record may be missing */
		int whole = (cut >= ends[0] + 85) + (cut >= ends[2]) + (cut >= ends[3]);
		assert_int_equal(cnt, whole);
		bool at_end = cut == ends[0] || (cut >= ends[0] + 85 && cut <= ends[1]) ||
			      cut == ends[2] || cut == len;
		assert_int_equal(end, at_end ? RECORDING_WHOLE : RECORDING_CUT);
	}
	munmap(mem, len);
}

static void corrupt(void **state)
{
	enum recording_end end;
	struct recording r;
	size_t len;
	uint8_t *mem = sample(&len);
	struct ks_ev_data *d = (struct ks_ev_data *)(mem + sizeof(head));

	(void)state;
	d->cap_len = 6; /* more than the record holds */
	assert_int_equal(recording_init(&r, mem, len), 0);
	assert_null(recording_next(&r, &end));
	assert_int_equal(end, RECORDING_BAD);
	d->cap_len = 5;
	d->h.len = 7;
	assert_int_equal(recording_init(&r, mem, len), 0);
	assert_null(recording_next(&r, &end));
	assert_int_equal(end, RECORDING_BAD);
	((struct record_head *)mem)->abi++;
	assert_int_equal(recording_init(&r, mem, len), -EPROTO);
	((struct record_head *)mem)->magic = __builtin_bswap64(RECORD_MAGIC);
	assert_int_equal(recording_init(&r, mem, len), -EPROTO);
	((struct record_head *)mem)->magic = 1;
	assert_int_equal(recording_init(&r, mem, len), -EINVAL);
	munmap(mem, len);
}

/* The file may not grow beyond a limit: the same path as a full disk. */
static void disk_full(void **state)
{
	char path[] = "/tmp/kernspan-record-XXXXXX";
	struct rlimit old, limit;
	struct recorder *r;
	struct recording rec;
	enum recording_end end;
	struct data one = data_make(1, "hello");
	int fd = mkstemp(path), copy = dup(fd), cnt = 0;
	uint64_t failed = drop_get(KS_DROP_record_failed);

	(void)state;
	unlink(path);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	limit = (struct rlimit){ sizeof(head) + 1000, old.rlim_max };
	assert_int_equal(recorder_new(fd, &head, &r), 0);
	recorder_put(r, &one.d.h);
	recorder_flush(r);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	for (int i = 0; i < 100; i++)
		recorder_put(r, &one.d.h);
	recorder_flush(r);
	recorder_put(r, &one.d.h);
	assert_int_equal(drop_get(KS_DROP_record_failed), failed + 101);
	assert_int_equal(recorder_free(r), -EFBIG);
	setrlimit(RLIMIT_FSIZE, &old);
	size_t len = (size_t)lseek(copy, 0, SEEK_END);
	void *mem = mmap(NULL, len, PROT_READ, MAP_PRIVATE, copy, 0);
	assert_int_equal(recording_init(&rec, mem, len), 0);
	while (recording_next(&rec, &end))
		cnt++;
	assert_int_equal(end, RECORDING_WHOLE);
	assert_int_equal(cnt, 1);
	munmap(mem, len);
	close(copy);
}

static void borders(void **state)
{
	struct ks_ev_ident ident = { .h = { .kind = KS_EV_IDENT, .len = sizeof(ident) } };
	struct ks_ev_stream stream = { .h = { .kind = KS_EV_OPEN, .len = sizeof(stream) } };
	struct data d = data_make(1, "x");

	(void)state;
	assert_true(event_ok(&ident.h, sizeof(ident)));
	assert_false(event_ok(&ident.h, sizeof(ident) - 1));
	memset(ident.exe, 'a', sizeof(ident.exe));
	assert_false(event_ok(&ident.h, sizeof(ident)));
	assert_true(event_ok(&stream.h, sizeof(stream) + 8)); /* slots may be larger */
	stream.h.kind = KS_EV_EXEC;
	assert_false(event_ok(&stream.h, sizeof(stream)));
	assert_true(event_ok(&d.d.h, sizeof(d)));
	d.d.dir = KS_DIR_CNT;
	assert_false(event_ok(&d.d.h, sizeof(d)));
	d.d.dir = KS_IN;
	d.d.h.len = sizeof(struct ks_hdr);
	assert_false(event_ok(&d.d.h, sizeof(d)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip), cmocka_unit_test(every_cut),
		cmocka_unit_test(corrupt),    cmocka_unit_test(disk_full),
		cmocka_unit_test(borders),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
