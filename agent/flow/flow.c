/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams and processes in two tables. A stream keeps the next expected offset of each direction; what is beyond it
 * is a gap, what is below it was seen already. A process stays in its table while a stream points to it. The kernel
 * side names a process by its exact start time, /proc by 10 ms ticks rounded down, so times within KS_PROC_SLACK_NS
 * are the same process: process ids are not reused that fast. Loop thread.
 */
#include "flow/flow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/drop.h"
#include "base/table.h"
#include "limits.h"

struct proc {
	struct proc_info info;
	struct stream *
		streams; /* of this process, newest first; while there is one the entry is pinned */
	uint64_t exit_ns;	/* when it ended, 0 while it lives */
	struct proc *exit_next; /* the next of those that ended and had streams */
};

struct stream {
	struct conn_info conn;
	struct proc *proc;
	struct stream *prev, *next; /* of the same process */
	void *state;		    /* the next stage's */
	uint64_t at[KS_DIR_CNT];    /* next expected offset */
	uint32_t why[KS_DIR_CNT];   /* reason of the next gap, from the record before it */
	bool midstream; /* watching began late */
	bool begun;	/* a chunk was pushed */
};

struct flow {
	struct chunk_sink sink;
	struct table *streams, *procs;
	struct proc *exited;
};

/* Processes */

static void proc_forgotten(void *ctx, void *entry)
{
	struct flow *f = ctx;
	struct proc **link = &f->exited;

	drop(KS_DROP_procs_full, 1);
	while (*link && *link != entry)
		link = &(*link)->exit_next;
	if (*link)
		*link = (*link)->exit_next;
}

static struct proc *proc_find(const struct flow *f, const struct ks_hdr *h)
{
	return table_find(f->procs, h->tgid, h->proc_start_ns, KS_PROC_SLACK_NS);
}

static void stream_end(struct flow *f, struct stream *s, uint64_t now_ns, uint32_t why);

/* Never NULL: a process without a stream makes room, else the oldest streams end until one is without. */
static struct proc *proc_get(struct flow *f, const struct ks_hdr *h)
{
	struct proc *proc = proc_find(f, h);

	while (!proc) {
		proc = table_add(f->procs, h->tgid, h->proc_start_ns);
		if (proc) {
			proc->info.tgid = h->tgid;
			proc->info.start_ns = h->proc_start_ns;
		} else {
			drop(KS_DROP_conns_full, 1);
			stream_end(f, table_oldest(f->streams), h->ts_ns, INCOMPLETE_EVICTED);
		}
	}
	return proc;
}

static void stream_leave_proc(struct flow *f, struct stream *s)
{
	if (s->prev)
		s->prev->next = s->next;
	else
		s->proc->streams = s->next;
	if (s->next)
		s->next->prev = s->prev;
	if (!s->proc->streams)
		table_unpin(f->procs, s->proc);
}

static void stream_join_proc(struct flow *f, struct stream *s, struct proc *proc)
{
	if (!proc->streams)
		table_pin(f->procs, proc);
	s->prev = NULL;
	s->next = proc->streams;
	if (s->next)
		s->next->prev = s;
	proc->streams = s;
	s->proc = proc;
	s->conn.proc = &proc->info;
}

/* Streams */

static void chunk_push(struct flow *f, struct stream *s, struct chunk c)
{
	c.conn = &s->conn;
	c.state = &s->state;
	f->sink.push(f->sink.ctx, &c);
}

static void stream_end(struct flow *f, struct stream *s, uint64_t now_ns, uint32_t why)
{
	chunk_push(f, s, (struct chunk){ .kind = CHUNK_END, .ts_ns = now_ns, .why = why });
	stream_leave_proc(f, s);
	table_del(f->streams, s);
}

static void stream_evicted(void *ctx, void *entry)
{
	struct flow *f = ctx;
	struct stream *s = entry;

	drop(KS_DROP_conns_full, 1);
	chunk_push(f, s, (struct chunk){ .kind = CHUNK_END, .why = INCOMPLETE_EVICTED });
	stream_leave_proc(f, s);
}

/* The process that moves the bytes owns the stream: a server may accept in one process and serve in another. */
static struct stream *stream_get(struct flow *f, const struct ks_hdr *h)
{
	struct stream *s = table_find(f->streams, h->id, 0, 0);
	struct proc *proc;

	if (s) {
		table_touch(f->streams, s);
		if (s->conn.proc->tgid == h->tgid || h->kind != KS_EV_DATA)
			return s;
	}
	proc = proc_get(f, h);
	s = table_find(f->streams, h->id, 0, 0); /* again: proc_get() may have ended it */
	if (s) {
		stream_leave_proc(f, s);
	} else {
		s = table_add(f->streams, h->id, 0);
		s->conn.id = h->id;
	}
	stream_join_proc(f, s, proc);
	return s;
}

static void gap_push(struct flow *f, struct stream *s, enum ks_dir dir, uint64_t len, uint32_t why,
		     uint64_t ts_ns)
{
	chunk_push(f, s,
		   (struct chunk){ .kind = CHUNK_GAP,
				   .dir = dir,
				   .ts_ns = ts_ns,
				   .offset = s->at[dir],
				   .gap_len = len,
				   .why = why });
	s->at[dir] += len;
	s->why[dir] = 0;
}

/* Before the first bytes of a stream that was joined late, say so for both directions. */
static void stream_begin(struct flow *f, struct stream *s, uint64_t ts_ns)
{
	s->begun = true;
	if (!s->midstream)
		return;
	gap_push(f, s, KS_OUT, 0, INCOMPLETE_MIDSTREAM, ts_ns);
	gap_push(f, s, KS_IN, 0, INCOMPLETE_MIDSTREAM, ts_ns);
}

static uint32_t gap_reason(uint16_t flags)
{
	return (flags & KS_F_LOST ? INCOMPLETE_LOST : 0) |
	       (flags & KS_F_SKIPPED ? INCOMPLETE_SKIPPED : 0);
}

static void data_event(struct flow *f, const struct ks_hdr *h)
{
	const struct ks_ev_data *e = (const struct ks_ev_data *)h;
	enum ks_dir dir = e->dir;
	uint64_t ts_ns = dir == KS_OUT && e->enter_ns ? e->enter_ns : h->ts_ns;
	struct stream *s = stream_get(f, h);
	uint32_t skip = 0;

	if (!s->conn.source) { /* its OPEN was lost */
		s->conn.source = e->source;
		s->midstream = e->offset > 0;
	}
	if (e->sock_id)
		s->conn.sock_id = e->sock_id;
	if (!s->begun)
		stream_begin(f, s, ts_ns);
	if (e->offset > s->at[dir]) {
		uint32_t why = s->why[dir] | gap_reason(h->flags);

		gap_push(f, s, dir, e->offset - s->at[dir], why ? why : INCOMPLETE_LOST, ts_ns);
	} else {
		skip = s->at[dir] - e->offset < e->cap_len ? s->at[dir] - e->offset : e->cap_len;
	}
	if (e->cap_len > skip)
		chunk_push(f, s,
			   (struct chunk){
				   .kind = CHUNK_DATA,
				   .dir = dir,
				   .ts_ns = ts_ns,
				   .offset = s->at[dir],
				   .data = { (const char *)e->data + skip, e->cap_len - skip } });
	s->at[dir] += e->cap_len - skip;
	if (h->flags & (KS_F_FAULT | KS_F_CLIPPED)) /* the hole is behind this record */
		s->why[dir] |= h->flags & KS_F_FAULT ? INCOMPLETE_FAULT : INCOMPLETE_CLIPPED;
}

static void stream_facts(struct conn_info *c, const struct ks_ev_stream *e)
{
	if (e->sock_id)
		c->sock_id = e->sock_id;
	c->connect_ns = e->connect_ns;
	c->established_ns = e->established_ns;
	c->hs_start_ns = e->hs_start_ns;
	c->hs_end_ns = e->hs_end_ns;
	c->netns = e->netns;
	c->source = e->source;
	c->role = e->role;
	c->rung = e->rung;
	c->family = e->family;
	c->lport = e->lport;
	c->rport = e->rport;
	memcpy(c->laddr, e->laddr, sizeof(c->laddr));
	memcpy(c->raddr, e->raddr, sizeof(c->raddr));
}

static void stream_event(struct flow *f, const struct ks_hdr *h)
{
	const struct ks_ev_stream *e = (const struct ks_ev_stream *)h;
	struct stream *s = stream_get(f, h);

	stream_facts(&s->conn, e);
	if (s->begun || !(h->flags & KS_F_MIDSTREAM))
		return;
	s->midstream = true;
	if (h->kind == KS_EV_OPEN) /* what moved before was of no interest; what is missing later was lost */
		memcpy(s->at, e->bytes, sizeof(s->at));
}

static void close_event(struct flow *f, const struct ks_hdr *h)
{
	const struct ks_ev_stream *e = (const struct ks_ev_stream *)h;
	struct stream *s = table_find(f->streams, h->id, 0, 0);

	if (!s)
		return;
	stream_facts(&s->conn, e);
	for (int dir = 0; dir < KS_DIR_CNT && s->begun; dir++) {
		uint32_t why =
			s->why[dir] | gap_reason(h->flags) | (e->lost[dir] ? INCOMPLETE_LOST : 0);

		if (e->bytes[dir] > s->at[dir])
			gap_push(f, s, dir, e->bytes[dir] - s->at[dir], why ? why : INCOMPLETE_LOST,
				 h->ts_ns);
	}
	stream_end(f, s, h->ts_ns, 0);
}

/* A new program has no TLS objects of the old one; sockets may live on. */
static void exec_event(struct flow *f, const struct ks_hdr *h)
{
	struct proc *proc = proc_find(f, h);
	struct stream *next;

	for (struct stream *s = proc ? proc->streams : NULL; s; s = next) {
		next = s->next;
		if (s->conn.source != KS_SRC_SOCKET)
			stream_end(f, s, h->ts_ns, INCOMPLETE_CUT);
	}
}

/* The kernel tells of the exit before it closes the sockets: their CLOSE may still come. */
static void exit_event(struct flow *f, const struct ks_hdr *h)
{
	struct proc *proc = proc_find(f, h);

	if (!proc || !proc->streams || proc->exit_ns)
		return;
	proc->exit_ns = h->ts_ns ? h->ts_ns : 1;
	proc->exit_next = f->exited;
	f->exited = proc;
}

static void text_copy(char *to, const char *from, size_t len)
{
	memcpy(to, from, len);
	to[len - 1] = '\0';
}

static void ident_event(struct flow *f, const struct ks_hdr *h)
{
	const struct ks_ev_ident *e = (const struct ks_ev_ident *)h;
	struct proc_info *info = &proc_get(f, h)->info;

	info->known = true;
	info->ppid = e->ppid;
	info->uid = e->uid;
	text_copy(info->comm, e->comm, sizeof(info->comm));
	text_copy(info->exe, e->exe, sizeof(info->exe));
	text_copy(info->service, e->service, sizeof(info->service));
	text_copy(info->container, e->container, sizeof(info->container));
}

static void tick_event(struct flow *f, const struct ks_hdr *h)
{
	flow_tick(f, h->ts_ns);
}

static const struct {
	uint32_t len; /* least bytes of such a record */
	bool stream;  /* needs a stream id */
	void (*take)(struct flow *f, const struct ks_hdr *h);
} kinds[KS_EV_CNT] = {
	[KS_EV_DATA] = { sizeof(struct ks_ev_data), true, data_event },
	[KS_EV_OPEN] = { sizeof(struct ks_ev_stream), true, stream_event },
	[KS_EV_BIND] = { sizeof(struct ks_ev_stream), true, stream_event },
	[KS_EV_CLOSE] = { sizeof(struct ks_ev_stream), true, close_event },
	[KS_EV_EXEC] = { sizeof(struct ks_ev_proc), false, exec_event },
	[KS_EV_EXIT] = { sizeof(struct ks_ev_proc), false, exit_event },
	[KS_EV_IDENT] = { sizeof(struct ks_ev_ident), false, ident_event },
	[KS_EV_TICK] = { sizeof(struct ks_ev_tick), false, tick_event },
};

static bool fits(const struct ks_hdr *h)
{
	const struct ks_ev_data *e = (const struct ks_ev_data *)h;

	if (h->len < sizeof(*h))
		return false;
	if (h->kind >= KS_EV_CNT || !kinds[h->kind].take)
		return true;
	if (h->len < kinds[h->kind].len || (kinds[h->kind].stream && !h->id))
		return false;
	return h->kind != KS_EV_DATA ||
	       (e->dir < KS_DIR_CNT && e->cap_len <= KS_CHUNK_CAP &&
		e->cap_len <= h->len - sizeof(*e) && e->offset <= UINT64_MAX - KS_CHUNK_CAP);
}

int flow_push(struct flow *f, const struct ks_hdr *ev)
{
	if (!fits(ev)) {
		drop(KS_DROP_bad_event, 1);
		return -EBADMSG;
	}
	if (ev->kind < KS_EV_CNT && kinds[ev->kind].take)
		kinds[ev->kind].take(f, ev);
	return 0;
}

void flow_tick(struct flow *f, uint64_t now_ns)
{
	struct proc **link = &f->exited;

	while (*link) {
		struct proc *proc = *link;

		if (proc->streams && now_ns < proc->exit_ns + KS_EXIT_GRACE_NS) {
			link = &proc->exit_next;
			continue;
		}
		*link = proc->exit_next;
		while (proc->streams) /* no CLOSE: nobody knows how many bytes there were */
			stream_end(f, proc->streams, proc->exit_ns, INCOMPLETE_CUT);
	}
}

/* Life */

static struct table_cfg stream_cfg(const struct flow_cfg *cfg, struct flow *f)
{
	return (struct table_cfg){ .len = sizeof(struct stream),
				   .cap = cfg->conn_max ? cfg->conn_max : KS_CONNS,
				   .evict = stream_evicted,
				   .ctx = f };
}

static struct table_cfg proc_cfg(const struct flow_cfg *cfg, struct flow *f)
{
	return (struct table_cfg){ .len = sizeof(struct proc),
				   .cap = cfg->proc_max ? cfg->proc_max : KS_PROCS,
				   .evict = proc_forgotten,
				   .ctx = f };
}

int flow_new(const struct flow_cfg *cfg, struct chunk_sink sink, struct flow **ret)
{
	struct flow *f = calloc(1, sizeof(*f));
	struct table_cfg streams = stream_cfg(cfg, f), procs = proc_cfg(cfg, f);

	if (!f)
		return -ENOMEM;
	f->sink = sink;
	if (table_new(&streams, &f->streams) < 0 || table_new(&procs, &f->procs) < 0) {
		flow_free(f);
		return -ENOMEM;
	}
	*ret = f;
	return 0;
}

void flow_free(struct flow *f)
{
	struct stream *s;

	if (!f)
		return;
	while (f->streams && (s = table_oldest(f->streams)))
		stream_end(f, s, 0, INCOMPLETE_STOPPED);
	table_free(f->streams);
	table_free(f->procs);
	free(f);
}

size_t flow_conns(const struct flow *f)
{
	return table_cnt(f->streams);
}

size_t flow_bytes(const struct flow_cfg *cfg)
{
	struct table_cfg streams = stream_cfg(cfg, NULL), procs = proc_cfg(cfg, NULL);

	return sizeof(struct flow) + table_bytes(&streams) + table_bytes(&procs);
}
