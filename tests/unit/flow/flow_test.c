/* SPDX-License-Identifier: Apache-2.0 */
/* Streams: order, holes and their reasons, overlaps, processes, eviction, malformed events. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/drop.h"
#include "flow/flow.h"
#include "limits.h"

/* What came out, as text: "O0:abc" data of a direction at an offset, "I5-3?01" a gap of 3 with its reasons, "." END. */
static char out[4096];
static const struct conn_info *conn;
static uint64_t last_ns;

static void take(void *ctx, const struct chunk *c)
{
	size_t at = strlen(out);

	(void)ctx;
	conn = c->conn;
	last_ns = c->ts_ns;
	assert_non_null(c->conn->proc);
	if (c->kind == CHUNK_DATA)
		snprintf(out + at, sizeof(out) - at, "%c%lu:%.*s ", "OI"[c->dir], c -> offset,
			 (int)c -> data.len, c->data.ptr);
	else if (c->kind == CHUNK_GAP)
		snprintf(out + at, sizeof(out) - at, "%c%lu-%lu?%x ", "OI"[c->dir], c -> offset,
			 c -> gap_len, c -> why);
	else
		snprintf(out + at, sizeof(out) - at, ".%x ", c->why);
}

static void expect(const char *want)
{
	assert_string_equal(out, want);
	out[0] = '\0';
}

static struct flow *flow_small(uint32_t conns, uint32_t procs)
{
	struct flow_cfg cfg = { conns, procs };
	struct flow *f;

	out[0] = '\0';
	assert_int_equal(flow_new(&cfg, (struct chunk_sink){ NULL, take }, &f), 0);
	return f;
}

static void stream(struct flow *f, uint16_t kind, uint16_t flags, uint64_t id, uint32_t tgid,
		   uint64_t sent, uint64_t received)
{
	struct ks_ev_stream e = { .h = { kind, flags, sizeof(e), 100, tgid, tgid,
					 tgid * 1000000000ull, id },
				  .bytes = { sent, received },
				  .source = KS_SRC_SOCKET,
				  .rport = 443 };

	assert_int_equal(flow_push(f, &e.h), 0);
}

static int data_tgid(struct flow *f, uint64_t id, uint32_t tgid, enum ks_dir dir, uint64_t offset,
		     uint16_t flags, const char *text)
{
	size_t len = strlen(text);
	struct ks_ev_data *e = calloc(1, sizeof(*e) + len);
	int err;

	e->h = (struct ks_hdr){ KS_EV_DATA, flags, (uint32_t)(sizeof(*e) + len), 200,
				tgid,	    tgid,  tgid * 1000000000ull,	 id };
	e->offset = offset;
	e->enter_ns = 150;
	e->cap_len = e->call_len = (uint32_t)len;
	e->dir = (uint8_t)dir;
	e->source = KS_SRC_SOCKET;
	memcpy(e->data, text, len);
	err = flow_push(f, &e->h);
	free(e);
	return err;
}

static void data(struct flow *f, uint64_t id, enum ks_dir dir, uint64_t offset, uint16_t flags,
		 const char *text)
{
	assert_int_equal(data_tgid(f, id, 5, dir, offset, flags, text), 0);
}

static void test_order(void **state)
{
	struct flow *f = flow_small(0, 0);

	(void)state;
	stream(f, KS_EV_OPEN, 0, 1, 5, 0, 0);
	data(f, 1, KS_OUT, 0, 0, "abc");
	assert_int_equal(last_ns, 150);
	data(f, 1, KS_IN, 0, 0, "xy");
	assert_int_equal(last_ns, 200);
	data(f, 1, KS_OUT, 3, 0, "de");
	expect("O0:abc I0:xy O3:de ");
	data(f, 1, KS_OUT, 2, 0, "cdef"); /* overlaps */
	data(f, 1, KS_OUT, 0, 0, "abc");  /* old */
	expect("O5:f ");
	data(f, 1, KS_OUT, 8, 0, "i"); /* 2 bytes are missing, nobody says why */
	data(f, 1, KS_OUT, 10, KS_F_SKIPPED, "k");
	data(f, 1, KS_OUT, 12, KS_F_LOST, "m");
	expect("O6-2?1 O8:i O9-1?2 O10:k O11-1?1 O12:m ");
	data(f, 1, KS_IN, 2, KS_F_FAULT, "");
	data(f, 1, KS_IN, 4, KS_F_CLIPPED, "c");
	data(f, 1, KS_IN, 6, 0, "d");
	expect("I2-2?8 I4:c I5-1?4 I6:d ");
	stream(f, KS_EV_BIND, 0, 1, 5, 0, 0);
	stream(f, KS_EV_CLOSE, 0, 1, 5, 13, 9);
	expect("I7-2?1 .0 ");
	stream(f, KS_EV_CLOSE, 0, 1, 5, 13, 9);
	expect("");
	assert_int_equal(flow_conns(f), 0);
	flow_free(f);
}

static void test_midstream(void **state)
{
	struct flow *f = flow_small(0, 0);

	(void)state;
	stream(f, KS_EV_OPEN, KS_F_MIDSTREAM, 1, 5, 9, 4);
	expect("");
	data(f, 1, KS_IN, 4, 0, "a");
	data(f, 1, KS_OUT, 9, 0, "b");
	data(f, 1, KS_OUT, 11, 0, "c");
	expect("O9-0?10 I4-0?10 I4:a O9:b O10-1?1 O11:c ");
	data(f, 2, KS_OUT, 9, 0, "b"); /* its OPEN was lost */
	expect("O0-0?10 I0-0?10 O0-9?1 O9:b ");
	data(f, 3, KS_OUT, 0, 0, "b");
	expect("O0:b ");
	flow_free(f);
	expect(".80 .80 .80 ");
}

static void ident(struct flow *f, uint32_t tgid, uint64_t start_ns, const char *service)
{
	struct ks_ev_ident e = { .h = { KS_EV_IDENT, 0, sizeof(e), 1, tgid, tgid, start_ns, 0 },
				 .uid = 3 };

	memset(e.exe, 'x', sizeof(e.exe)); /* no NUL */
	snprintf(e.service, sizeof(e.service), "%s", service);
	assert_int_equal(flow_push(f, &e.h), 0);
}

static void proc_event(struct flow *f, uint16_t kind, uint32_t tgid)
{
	struct ks_ev_proc e = { .h = { kind, 0, sizeof(e), 1000, tgid, tgid, tgid * 1000000000ull,
				       0 } };

	assert_int_equal(flow_push(f, &e.h), 0);
}

static void test_procs(void **state)
{
	struct flow *f = flow_small(0, 0);
	struct ks_ev_tick tick = { .h = { KS_EV_TICK, 0, sizeof(tick), KS_EXIT_GRACE_NS, 0, 0, 0,
					  0 } };

	(void)state;
	ident(f, 5, 5000000000ull - 9000000, "first"); /* a tick of /proc early */
	data(f, 1, KS_OUT, 0, 0, "a");
	assert_true(conn->proc->known);
	assert_string_equal(conn->proc->service, "first");
	assert_int_equal(strlen(conn->proc->exe), KS_PATH_LEN - 1);
	ident(f, 5, 5000000000ull, "second");
	assert_string_equal(conn->proc->service, "second");
	assert_int_equal(data_tgid(f, 1, 6, KS_OUT, 1, 0, "b"), 0); /* handed to another process */
	assert_int_equal(conn->proc->tgid, 6);
	data(f, 2, KS_OUT, 0, 0, "c");
	out[0] = '\0';
	proc_event(f, KS_EV_EXIT, 6);
	assert_int_equal(flow_push(f, &tick.h), 0);
	expect("");
	tick.h.ts_ns += 1000;
	assert_int_equal(flow_push(f, &tick.h), 0);
	expect(".40 "); /* cut: no CLOSE said how many bytes there were */
	proc_event(f, KS_EV_EXIT, 5);
	stream(f, KS_EV_CLOSE, 0, 2, 5, 2, 0); /* comes after the exit, in time */
	expect("O1-1?1 .0 ");
	tick.h.ts_ns += KS_EXIT_GRACE_NS;
	assert_int_equal(flow_push(f, &tick.h), 0);
	expect("");
	flow_free(f);
}

static void test_eviction(void **state)
{
	struct flow *f = flow_small(2, 2);
	uint64_t conns = drop_get(KS_DROP_conns_full), procs = drop_get(KS_DROP_procs_full);

	(void)state;
	assert_int_equal(data_tgid(f, 1, 11, KS_OUT, 0, 0, "a"), 0);
	assert_int_equal(data_tgid(f, 2, 12, KS_OUT, 0, 0, "b"), 0);
	assert_int_equal(data_tgid(f, 1, 11, KS_OUT, 1, 0, "c"), 0);
	assert_int_equal(data_tgid(f, 3, 12, KS_OUT, 0, 0, "d"),
			 0); /* the table of streams is full */
	expect("O0:a O0:b O1:c .20 O0:d ");
	assert_int_equal(drop_get(KS_DROP_conns_full) - conns, 1);
	assert_int_equal(data_tgid(f, 4, 13, KS_OUT, 0, 0, "e"), 0); /* and that of processes */
	expect(".20 O0:e ");
	assert_int_equal(flow_conns(f), 2);
	for (uint32_t i = 20; i < 1000; i++) {
		proc_event(f, KS_EV_EXIT, i - 1);
		assert_int_equal(data_tgid(f, i, i, i & 1, 0, 0, "x"), 0);
	}
	assert_int_equal(flow_conns(f), 2);
	assert_true(drop_get(KS_DROP_procs_full) > procs);
	flow_free(f);
}

static void test_bad_events(void **state)
{
	struct flow *f = flow_small(0, 0);
	uint64_t bad = drop_get(KS_DROP_bad_event);
	struct ks_ev_data e = { .h = { KS_EV_DATA, 0, sizeof(e), 1, 5, 5, 5, 9 }, .cap_len = 1 };
	struct ks_hdr h = { 31, 0, sizeof(h), 1, 5, 5, 5, 9 };

	(void)state;
	assert_int_equal(flow_push(f, &e.h), -EBADMSG); /* longer than the record */
	e.cap_len = 0;
	e.dir = 2;
	assert_int_equal(flow_push(f, &e.h), -EBADMSG);
	e.dir = 0;
	e.offset = UINT64_MAX;
	assert_int_equal(flow_push(f, &e.h), -EBADMSG);
	e.offset = 0;
	e.h.id = 0;
	assert_int_equal(flow_push(f, &e.h), -EBADMSG);
	e.h.id = 1;
	e.h.len = sizeof(e) - 1;
	assert_int_equal(flow_push(f, &e.h), -EBADMSG);
	e.h.len = 0;
	assert_int_equal(flow_push(f, &e.h), -EBADMSG);
	assert_int_equal(drop_get(KS_DROP_bad_event) - bad, 6);
	assert_int_equal(flow_push(f, &h), 0); /* a kind of a later version */
	h.kind = 999;
	assert_int_equal(flow_push(f, &h), 0);
	expect("");
	flow_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),	   cmocka_unit_test(test_midstream),
		cmocka_unit_test(test_procs),	   cmocka_unit_test(test_eviction),
		cmocka_unit_test(test_bad_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
