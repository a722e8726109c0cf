/* SPDX-License-Identifier: Apache-2.0 */
/*
 * torture [-q | -qq] RECORDING...: no wrong span, whatever is missing. Each recording is replayed whole, which gives the spans
 * that are wanted, and then damaged in every way below; -q takes a sample of the ways, -qq a small one.
 *
 *   split   a data record becomes two, at every byte: the same spans
 *   cut     the recording ends, after every record and inside every data record at every byte
 *   tail    a data record loses its bytes from every byte on; what follows comes
 *   head    a data record loses its bytes up to every byte
 *   single, nth, range, random   records are left out: each one, each n-th from each place on, each run of them, at random
 *
 * A span that comes out is right when it equals a wanted one in all but its ids (they count exchanges), or carries
 * kernspan.incomplete and says nothing that the wanted one does not: rules.h. Each wanted span comes at most once.
 * Records that the ring does not carry (identities, ticks) are not left out. One thread; memory is static.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/pipeline.h"
#include "export/jsonl.h"
#include "replay/rules.h"

#define WANT_MAX 64
#define EVENT_MAX 4096
#define TEXT_MAX (1 << 20)

struct want {
	struct span span; /* a copy, all the way down */
	char *line;
	size_t line_len;
	bool taken;
};

struct damage {
	const char *way;
	bool drop[EVENT_MAX];
	size_t end;    /* the recording ends before this event */
	size_t at;     /* the data record that is hurt, or EVENT_MAX */
	uint32_t from, to; /* of its bytes, these are kept */
	uint32_t split;	   /* or it is split here */
};

static struct {
	const char *path;
	struct record_head head;
	const struct ks_hdr *event[EVENT_MAX];
	size_t event_cnt;
	struct want want[WANT_MAX];
	size_t want_cnt;
	struct damage d;
	struct buf line;
	bool gathering;
	bool facts; /* a record with facts of a connection was left out */
	size_t runs, came, whole, wrong;
} t;

/* Copies of what is wanted */

static uint64_t copies[(1 << 20) / 8]; /* of one recording */
static size_t copies_len;

static void *copy(const void *from, size_t len)
{
	void *to = (char *)copies + copies_len;

	copies_len += (len + 7) & ~(size_t)7;
	if (copies_len > sizeof(copies))
		abort();
	if (len)
		memcpy(to, from, len);
	return to;
}

static struct slice copy_slice(struct slice s)
{
	return (struct slice){ copy(s.ptr, s.len), s.len };
}

static const struct attr *copy_attrs(const struct attr *from, size_t cnt)
{
	struct attr *to = copy(from, cnt * sizeof(*from));

	for (size_t i = 0; i < cnt; i++) {
		if (from[i].type == ATTR_STR)
			to[i].str = copy_slice(from[i].str);
		if (from[i].type != ATTR_STRS)
			continue;
		struct slice *strs = copy(from[i].strs.at, from[i].strs.cnt * sizeof(*strs));
		for (size_t k = 0; k < from[i].strs.cnt; k++)
			strs[k] = copy_slice(strs[k]);
		to[i].strs.at = strs;
	}
	return to;
}

static void want_add(const struct span *span)
{
	struct want *w = &t.want[t.want_cnt++];
	struct span_event *events = copy(span->events, span->event_cnt * sizeof(*events));

	w->span = *span;
	w->span.name = copy_slice(span->name);
	w->span.status_message = copy_slice(span->status_message);
	w->span.attrs = copy_attrs(span->attrs, span->attr_cnt);
	w->span.resource = copy_attrs(span->resource, span->resource_cnt);
	for (size_t i = 0; i < span->event_cnt; i++)
		events[i].attrs = copy_attrs(events[i].attrs, events[i].attr_cnt);
	w->span.events = events;
	w->line = copy(t.line.ptr, t.line.len);
	w->line_len = t.line.len;
}

static void wrong(const char *what)
{
	const struct damage *d = &t.d;

	if (t.wrong++ >= 5)
		return;
	printf("%s: %s: %s\n  event %zu, bytes %u to %u, split %u, end %zu, without", t.path, d->way, what, d->at, d->from,
	       d->to, d->split, d->end);
	for (size_t i = 0; i < t.event_cnt; i++)
		if (d->drop[i])
			printf(" %zu", i);
	printf("\n  came: %.*s", (int)t.line.len, t.line.ptr);
}

static void judge(const struct span *span)
{
	bool marked = get(span, SC_INCOMPLETE);
	const char *why = "no such span is wanted", *differ;

	t.came++;
	for (size_t i = 0; i < t.want_cnt; i++) {
		struct want *w = &t.want[i];

		if (!w->taken && w->line_len == t.line.len && !memcmp(w->line, t.line.ptr, t.line.len)) {
			w->taken = true;
			t.whole++;
			return;
		}
	}
	for (size_t i = 0; i < t.want_cnt; i++) {
		struct want *w = &t.want[i];

		if (w->taken || w->span.start_ns != span->start_ns || w->span.kind != span->kind)
			continue;
		differ = differs(span, &w->span, marked, t.facts);
		w->taken = !differ;
		if (!differ)
			return;
		why = differ;
	}
	wrong(why);
}

static void on_span(void *ctx, const struct span *span)
{
	struct span s = *span;

	(void)ctx;
	memset(s.span_id, 0, sizeof(s.span_id));
	if (!s.has_parent)
		memset(s.trace_id, 0, sizeof(s.trace_id));
	buf_reset(&t.line);
	jsonl_format(&t.line, &s);
	if (!t.gathering)
		judge(&s);
	else if (t.want_cnt < WANT_MAX)
		want_add(&s);
	else
		abort();
}

/* Runs */

static void push_part(struct pipeline *p, const struct ks_hdr *h, uint32_t from, uint32_t to)
{
	static uint8_t mem[sizeof(struct ks_ev_data) + KS_CHUNK_CAP] __attribute__((aligned(8)));
	const struct ks_ev_data *e = (const struct ks_ev_data *)h;
	struct ks_ev_data *part = (struct ks_ev_data *)mem;

	*part = *e;
	part->offset += from;
	part->cap_len = to - from;
	part->h.len = (uint32_t)sizeof(*part) + part->cap_len;
	memcpy(part->data, e->data + from, to - from);
	pipeline_push(p, &part->h, part->h.len);
}

static void push(struct pipeline *p, size_t i)
{
	const struct ks_hdr *h = t.event[i];
	const struct damage *d = &t.d;

	if (h->kind == KS_EV_TICK) {
		pipeline_tick(p, h->ts_ns, h->ts_ns); /* the wall clock follows ticks, which would move the times of spans */
	} else if (d->at != i) {
		pipeline_push(p, h, h->len);
	} else if (d->split) {
		push_part(p, h, 0, d->split);
		push_part(p, h, d->split, ((const struct ks_ev_data *)h)->cap_len);
	} else if (d->to > d->from) {
		push_part(p, h, d->from, d->to);
	}
}

static void run(void)
{
	struct pipeline_cfg cfg = { .head = &t.head, .sink = { { NULL, on_span } }, .sink_cnt = 1 };
	struct pipeline *p;

	if (pipeline_new(&cfg, &p))
		abort();
	t.runs++;
	t.facts = false;
	for (size_t i = 0; i < t.want_cnt; i++)
		t.want[i].taken = false;
	for (size_t i = 0; i < t.event_cnt && i < t.d.end; i++) {
		t.facts |= t.d.drop[i] && t.event[i]->kind != KS_EV_DATA;
		if (!t.d.drop[i])
			push(p, i);
	}
	pipeline_free(p);
}

static struct damage *begin(const char *way)
{
	t.d = (struct damage){ .way = way, .end = EVENT_MAX, .at = EVENT_MAX };
	return &t.d;
}

static bool from_ring(size_t i)
{
	uint16_t kind = t.event[i]->kind;

	return kind == KS_EV_DATA || kind == KS_EV_OPEN || kind == KS_EV_BIND || kind == KS_EV_CLOSE || kind == KS_EV_EXIT;
}

static void split(size_t i, uint32_t k)
{
	begin("split")->at = i;
	t.d.split = k;
	run();
	for (size_t w = 0; w < t.want_cnt; w++)
		if (!t.want[w].taken)
			wrong("a span is missing");
}

static void keep(const char *way, size_t i, uint32_t from, uint32_t to, bool last)
{
	begin(way)->at = i;
	t.d.from = from;
	t.d.to = to;
	if (last)
		t.d.end = i + 1;
	run();
}

static void every_byte(int quick)
{
	static const uint32_t steps[] = { 1, 61, 499 };
	uint32_t step = steps[quick];

	for (size_t i = 0; i < t.event_cnt; i++) {
		uint32_t len = ((const struct ks_ev_data *)t.event[i])->cap_len;

		if (t.event[i]->kind != KS_EV_DATA)
			continue;
		for (uint32_t k = 1 + (uint32_t)i % step; k < len; k += step) {
			split(i, k);
			keep("cut", i, 0, k, true);
			keep("tail", i, 0, k, false);
			keep("head", i, k, len, false);
		}
	}
}

static void every_record(int quick)
{
	static const size_t steps[] = { 1, 7, 29 };
	size_t step = steps[quick];
	size_t n = t.event_cnt;
	uint64_t dice = 88172645463325252ull;

	for (size_t i = 0; i <= n; i += quick > 1 ? 5 : 1) {
		begin("cut")->end = i;
		run();
	}
	for (size_t i = 0; i < n; i += quick > 1 ? 3 : 1) {
		begin("single")->drop[i] = from_ring(i);
		run();
	}
	for (size_t nth = 2; nth <= n; nth += nth < 8 ? 1 : step)
		for (size_t first = 0; first < nth; first += nth < 8 ? 1 : step) {
			begin("nth");
			for (size_t i = first; i < n; i += nth)
				t.d.drop[i] = from_ring(i);
			run();
		}
	for (size_t first = 0; first < n; first += step)
		for (size_t last = first + 1; last < n; last += step) {
			begin("range");
			for (size_t i = first; i <= last; i++)
				t.d.drop[i] = from_ring(i);
			run();
		}
	for (int k = 0; k < 2000; k += (int)step) {
		begin("random");
		for (size_t i = 0; i < n; i++) { /* xorshift64 */
			dice ^= dice << 13;
			dice ^= dice >> 7;
			dice ^= dice << 17;
			t.d.drop[i] = from_ring(i) && dice % 100 < (uint64_t)k % 60;
		}
		run();
	}
}

/* Recordings */

static void *read_file(const char *path, size_t *ret_len)
{
	static uint64_t mem[(1 << 20) / 8];
	FILE *f = fopen(path, "rb");
	size_t len = f ? fread(mem, 1, sizeof(mem), f) : 0;

	if (f)
		fclose(f);
	if (!f || len == sizeof(mem)) {
		printf("%s: cannot be read, or too large\n", path);
		exit(2);
	}
	*ret_len = len;
	return mem;
}

/* A file cut at any byte gives the records that are whole, and says that it is cut. */
static void cut_file(const uint8_t *mem, size_t len)
{
	const struct ks_hdr *ev;
	enum recording_end end;
	struct recording r;

	for (size_t cut = 0; cut < len; cut++) {
		size_t cnt = 0;

		begin("file")->end = cut;
		if (recording_init(&r, mem, cut)) {
			if (cut >= sizeof(struct record_head))
				wrong("not a recording");
			continue;
		}
		while ((ev = recording_next(&r, &end)))
			if (cnt >= t.event_cnt || ev != t.event[cnt++])
				wrong("another record");
		bool edge = cnt == t.event_cnt || (const uint8_t *)t.event[cnt] == mem + cut ||
			    (cut > 8 && r.pos == cut);
		if (end == RECORDING_BAD || (end == RECORDING_WHOLE && !edge))
			wrong("the cut was not seen");
	}
}

static void torture(const char *path, int quick)
{
	const struct ks_hdr *ev;
	enum recording_end end;
	struct recording r;
	size_t len;
	void *mem = read_file(path, &len);

	t.path = path;
	copies_len = t.event_cnt = t.want_cnt = t.runs = t.came = t.whole = 0;
	if (recording_init(&r, mem, len)) {
		printf("%s: not a recording\n", path);
		exit(2);
	}
	t.head = *r.head;
	while (t.event_cnt < EVENT_MAX && (ev = recording_next(&r, &end)))
		t.event[t.event_cnt++] = ev;
	t.gathering = true;
	begin("whole");
	run();
	t.gathering = false;
	size_t before = t.wrong;
	cut_file(mem, len);
	every_byte(quick);
	every_record(quick);
	printf("  %-7s %s: %zu records, %zu spans wanted; %zu runs, %zu spans came, %zu of them whole, %zu wrong\n",
	       t.wrong == before ? "ok" : "FAILED", path, t.event_cnt, t.want_cnt, t.runs, t.came, t.whole, t.wrong - before);
}

int main(int argc, char **argv)
{
	int quick = argc > 1 ? !strcmp(argv[1], "-q") + 2 * !strcmp(argv[1], "-qq") : 0, first = 1 + (quick > 0);

	buf_init(&t.line, TEXT_MAX);
	for (int i = first; i < argc; i++)
		torture(argv[i], quick);
	buf_done(&t.line);
	printf("torture: %d recordings, %zu wrong\n", argc - first, t.wrong);
	return t.wrong || argc <= first;
}
