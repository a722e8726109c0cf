/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The watcher, see watch.h. A fixed table of processes, each with the TLS files it uses and a time for its next look.
 * What an event asks for is put off to watch_tick(), so that a burst of mappings costs one look. Privileged process,
 * main thread.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/loop.h"
#include "probe/ident.h"
#include "probe/procfs.h"
#include "probe/watch_internal.h"

#define IDLE_NS	      (60000 * MS_NS) /* a TLS file without processes is detached after this */
#define IDLE_CHECK_NS (10000 * MS_NS)
#define TURN_NS	      (100 * MS_NS)   /* of work, before others of this process have their turn */
#define SCAN_NS	      (10000 * MS_NS) /* the same when we start */
#define RESCAN_NS     (10000 * MS_NS) /* between two walks of /proc for events that were missed */
#define AGAIN_NS      (100 * MS_NS) /* between two tries to have an identity taken */
#define PARENTS	      32 /* generations followed upwards */

/* After an exec the loader needs a moment, and some programs load their TLS library late. */
static const uint64_t settle_ns[] = { 2 * MS_NS, 20 * MS_NS, 100 * MS_NS };
#define SETTLE_CNT (sizeof(settle_ns) / sizeof(settle_ns[0]))

_Static_assert((KS_WATCH_PROCS & (KS_WATCH_PROCS - 1)) == 0, "hidx wants a power of two");

static bool same_start(uint64_t a_ns, uint64_t b_ns)
{
	return (a_ns > b_ns ? a_ns - b_ns : b_ns - a_ns) <= SAME_START_NS;
}

/* The listed processes are those that have these numbers now, not those that will. */
static int only_init(struct watch *w)
{
	w->only = calloc(w->cfg.only_cnt + 1, sizeof(*w->only));
	for (size_t i = 0; w->only && i < w->cfg.only_cnt; i++) {
		struct only *o = &w->only[i];
		int fd = procfs_open(w->proc_fd, w->cfg.only[i]);

		o->tgid = w->cfg.only[i];
		o->gone = fd < 0 || procfs_start_ns(fd, &o->start_ns);
		if (fd >= 0)
			close(fd);
	}
	return w->only ? 0 : -ENOMEM;
}

int watch_new(const struct watch_cfg *cfg, struct watch **ret)
{
	struct watch *w = calloc(1, sizeof(*w));
	int err = -ENOMEM;

	if (!w)
		return -ENOMEM;
	w->cfg = *cfg;
	w->skips[w->skip_cnt++] = getpid();
	w->proc_fd = open(cfg->proc_root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (w->proc_fd < 0) {
		err = -errno;
		goto fail;
	}
	w->files = files_new(cfg->probe);
	if (!w->files || hidx_init(&w->idx, KS_WATCH_PROCS) || only_init(w))
		goto fail;
	*ret = w;
	return 0;
fail:
	watch_free(w);
	return err;
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	if (w->proc_fd >= 0)
		close(w->proc_fd);
	files_free(w->files);
	hidx_done(&w->idx);
	free(w->only);
	free(w);
}

int watch_skip(struct watch *w, pid_t tgid)
{
	if (w->skip_cnt == SKIPS)
		return -ENOSPC;
	w->skips[w->skip_cnt++] = tgid;
	return 0;
}

/* The table of processes. */

static struct proc *proc_find(struct watch *w, pid_t tgid)
{
	uint32_t slot = hidx_first(&w->idx, (uint64_t)tgid);

	while (slot != HIDX_NONE && w->procs[slot].tgid != tgid)
		slot = hidx_next(&w->idx, slot);
	return slot == HIDX_NONE ? NULL : &w->procs[slot];
}

static void proc_unuse_libs(struct watch *w, struct proc *p, uint64_t now_ns)
{
	for (uint8_t i = 0; i < p->lib_cnt; i++)
		files_unuse(w->files, p->libs[i], now_ns);
	p->lib_cnt = 0;
}

static void proc_undue(struct watch *w, struct proc *p)
{
	uint32_t slot = (uint32_t)(p - w->procs);

	for (uint32_t i = 0; p->due_ns && i < w->due_cnt; i++) {
		if (w->due[i] == slot) {
			w->due[i] = w->due[--w->due_cnt];
			p->due_ns = 0;
		}
	}
	for (uint32_t i = 0; i < w->mmap_cnt;) {
		if ((pid_t)w->mmaps[i].h.tgid == p->tgid)
			w->mmaps[i] = w->mmaps[--w->mmap_cnt];
		else
			i++;
	}
}

static void proc_drop(struct watch *w, struct proc *p, uint64_t now_ns)
{
	proc_unuse_libs(w, p, now_ns);
	proc_undue(w, p);
	hidx_del(&w->idx, (uint64_t)p->tgid, (uint32_t)(p - w->procs));
	p->live = false;
	w->stats.procs--;
}

static struct proc *proc_add(struct watch *w, pid_t tgid, uint64_t now_ns)
{
	struct proc *p;

	for (;;) { /* ends: the second round finds `used` cleared */
		p = &w->procs[w->hand];
		w->hand = (w->hand + 1) % KS_WATCH_PROCS;
		if (!p->live)
			break;
		if (!p->used) {
			proc_drop(w, p, now_ns);
			w->stats.forgotten++;
			break;
		}
		p->used = false;
	}
	*p = (struct proc){ .tgid = tgid, .live = true, .used = true, .unknown = true };
	hidx_add(&w->idx, (uint64_t)tgid, (uint32_t)(p - w->procs));
	w->stats.procs++;
	return p;
}

/* A process that maps file after file, or execs in a loop, is looked at no more often than its pace allows. */
static void proc_due(struct watch *w, struct proc *p, uint64_t due_ns)
{
	if (!p->due_ns)
		w->due[w->due_cnt++] = (uint32_t)(p - w->procs);
	p->due_ns = due_ns > p->pace_ns ? due_ns : p->pace_ns;
}

/* The process that tgid names, created or replaced as start_ns says. */
static struct proc *proc_get(struct watch *w, pid_t tgid, uint64_t start_ns, bool exact,
			     uint64_t now_ns)
{
	struct proc *p = proc_find(w, tgid);

	if (p && !same_start(p->start_ns, start_ns)) {
		proc_drop(w, p, now_ns);
		p = NULL;
	}
	if (!p)
		p = proc_add(w, tgid, now_ns);
	if (exact || !p->exact) {
		p->unknown |=
			p->start_ns != start_ns; /* say it again with the kernel's own value */
		p->start_ns = start_ns;
	}
	p->exact |= exact;
	p->used = true;
	return p;
}

static bool is_skipped(const struct watch *w, pid_t tgid)
{
	for (size_t i = 0; i < w->skip_cnt; i++)
		if (w->skips[i] == tgid)
			return true;
	return false;
}

static struct only *only_find(struct watch *w, pid_t tgid, uint64_t start_ns)
{
	for (size_t i = 0; i < w->cfg.only_cnt; i++) {
		struct only *o = &w->only[i];

		if (o->tgid == tgid && !o->gone && same_start(o->start_ns, start_ns))
			return o;
	}
	return NULL;
}

/* Is the process that has this number now to be watched? With cfg.only: is it, or an ancestor, listed or followed
 * already. The start is compared, since a number is used again. */
static bool wanted(struct watch *w, pid_t tgid)
{
	if (is_skipped(w, tgid))
		return false;
	for (int i = 0; w->cfg.only_cnt && i < PARENTS; i++) {
		struct procfs_status status;
		const struct proc *p = proc_find(w, tgid);
		uint64_t start_ns;
		int fd = procfs_open(w->proc_fd, tgid), err;

		if (fd < 0)
			return false;
		err = procfs_start_ns(fd, &start_ns) ?: procfs_status(fd, &status);
		close(fd);
		if (err)
			return false;
		if (only_find(w, tgid, start_ns) || (p && same_start(p->start_ns, start_ns)))
			return true;
		if (status.ppid <= 1)
			return false;
		tgid = (pid_t)status.ppid;
	}
	return w->cfg.only_cnt == 0;
}

/* Who it is. */

static uint64_t ident_hash(const struct ks_ev_ident *id)
{
	const unsigned char *at = (const unsigned char *)id, *end = at + sizeof(*id);
	uint64_t h = 0xcbf29ce484222325ULL; /* FNV-1a */

	for (; at < end; at++)
		h = (h ^ *at) * 0x100000001b3ULL;
	return h;
}

static int proc_ident(struct watch *w, struct proc *p, int pid_fd, uint64_t now_ns)
{
	struct ks_ev_ident id;
	uint64_t hash;
	int err = ident_read(pid_fd, (uint32_t)p->tgid, p->start_ns, 0, &id);

	if (err)
		return err;
	hash = ident_hash(&id); /* without time: what has not changed is not said again */
	if (hash == p->ident_hash && !p->unknown)
		return 0;
	p->ident_hash = hash;
	id.h.ts_ns = now_ns;
	p->unknown = w->cfg.ident(w->cfg.ctx, &id) != 0;
	if (p->unknown && !p->due_ns)
		proc_due(w, p, now_ns + AGAIN_NS);
	return 0;
}

/* The whole node. */

static void scan_pid(struct watch *w, pid_t tgid, uint64_t now_ns)
{
	struct proc *p = NULL;
	uint64_t start_ns;
	int fd, err;

	if (!wanted(w, tgid))
		return;
	fd = procfs_open(w->proc_fd, tgid);
	if (fd < 0)
		return;
	if (procfs_start_ns(fd, &start_ns) == 0) {
		p = proc_get(w, tgid, start_ns, false, now_ns);
		if (w->cfg.only_cnt)
			(void)probe_mark(w->cfg.probe, tgid, KS_MARK_WATCH);
		err = proc_ident(w, p, fd, now_ns);
		if (err)
			proc_drop(w, p, now_ns);
		else if (watch_look(w, p, fd, now_ns) == 0 && p->partly && !p->due_ns)
			proc_due(w, p, now_ns);
		/* a kernel thread, or ended: the kernel side may have been there before the mark was */
		if (w->cfg.only_cnt && (err == -ENOENT || err == -ESRCH))
			(void)probe_mark(w->cfg.probe, tgid, KS_MARK_NONE);
	}
	close(fd);
}

static int scan(struct watch *w, uint64_t turn_ns, uint64_t now_ns)
{
	files_turn(w->files, turn_ns);
	/* With cfg.only, a child may be listed before its parent, or be born of it before the mark was set */
	for (int round = 0; round < (w->cfg.only_cnt ? 2 : 1); round++) {
		DIR *dir = opendir(w->cfg.proc_root);
		struct dirent *d;

		if (!dir)
			return -errno;
		while ((d = readdir(dir))) {
			long tgid = strtol(d->d_name, NULL, 10);

			if (tgid > 0 && tgid <= INT32_MAX)
				scan_pid(w, (pid_t)tgid, now_ns);
		}
		closedir(dir);
	}
	return 0;
}

int watch_scan(struct watch *w, uint64_t now_ns)
{
	return scan(w, SCAN_NS, now_ns);
}

int watch_known(struct watch *w, uint64_t now_ns)
{
	int fd = openat(w->proc_fd, "1/root", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0) /* another's, as in some sandboxes: our own */
		fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	files_turn(w->files, SCAN_NS);
	files_look_known(w->files, fd, now_ns);
	close(fd);
	return 0;
}

/* What happens later. */

static void event_mmap(struct watch *w, struct proc *p, const struct ks_ev_proc *ev,
		       uint64_t now_ns)
{
	if (w->mmap_cnt <
	    KS_PENDING_MMAPS) /* else it is looked at all the same, and its next event settles it */
		w->mmaps[w->mmap_cnt++] = *ev;
	if (!p->settling) {
		p->base_ns = now_ns;
		p->step = 0;
	}
	proc_due(w, p, now_ns);
}

void watch_event(struct watch *w, const struct ks_hdr *ev, uint64_t now_ns)
{
	struct proc *p = proc_find(w, (pid_t)ev->tgid);

	if (ev->kind == KS_EV_EXIT) {
		struct only *o = only_find(w, (pid_t)ev->tgid, ev->proc_start_ns);

		if (o)
			o->gone = true;
		if (p && ev->proc_start_ns + SAME_START_NS > p->start_ns)
			proc_drop(w, p, now_ns);
	}
	/* The kernel side speaks of watched processes only, also of those whose ancestors are gone. */
	if ((ev->kind != KS_EV_EXEC && ev->kind != KS_EV_MMAP) ||
	    ev->len < sizeof(struct ks_ev_proc) || is_skipped(w, (pid_t)ev->tgid))
		return;
	p = proc_get(w, (pid_t)ev->tgid, ev->proc_start_ns, true, now_ns);
	if (ev->kind == KS_EV_MMAP) {
		event_mmap(w, p, (const struct ks_ev_proc *)ev, now_ns);
		return;
	}
	proc_unuse_libs(w, p, now_ns);
	p->settling = p->unknown = true;
	p->step = 0;
	p->base_ns = now_ns;
	proc_due(w, p, now_ns);
}

static bool mmaps_wait(const struct watch *w, const struct proc *p)
{
	for (uint32_t i = 0; i < w->mmap_cnt; i++)
		if ((pid_t)w->mmaps[i].h.tgid == p->tgid)
			return true;
	return false;
}

/* One look that was due; sets when the next is. */
static void proc_tick(struct watch *w, struct proc *p, uint64_t now_ns)
{
	int fd = procfs_open(w->proc_fd, p->tgid), err;
	uint64_t start_ns;

	if (fd < 0) {
		proc_drop(w, p, now_ns);
		return;
	}
	err = procfs_start_ns(fd, &start_ns); /* the number may be another process by now */
	if (!err && !same_start(start_ns, p->start_ns))
		err = -ESRCH;
	if (!err && (p->unknown || (p->settling && p->step == SETTLE_CNT)))
		err = proc_ident(w, p, fd, now_ns);
	if (!err)
		err = watch_look(w, p, fd, now_ns);
	close(fd);
	if (err) {
		proc_drop(w, p, now_ns);
	} else if (p->step < SETTLE_CNT && (p->settling || mmaps_wait(w, p))) {
		proc_due(w, p, p->base_ns + settle_ns[p->step++]);
	} else if (p->unknown || p->partly) {
		proc_due(w, p, now_ns + AGAIN_NS);
	} else {
		proc_undue(w, p);
		p->settling = false;
	}
}

static bool some_partly(const struct watch *w)
{
	for (uint32_t i = 0; i < w->due_cnt; i++)
		if (w->procs[w->due[i]].partly)
			return true;
	return false;
}

/* Files that no known process uses: children forked without exec and forgotten processes are not known, so look at
 * everybody before something is detached. */
static void idle_tick(struct watch *w, uint64_t now_ns)
{
	if (now_ns < w->idle_check_ns)
		return;
	w->idle_check_ns = now_ns + IDLE_CHECK_NS;
	if (now_ns < IDLE_NS || files_idle(w->files, now_ns - IDLE_NS) == 0)
		return;
	if (scan(w, TURN_NS, now_ns) == 0 && !some_partly(w))
		files_detach_idle(w->files, now_ns - IDLE_NS);
}

/* Events that found no room in the control ring: who was born or ended unseen is found by walking /proc. Returns when
 * to come back, 0 = no need. */
static uint64_t missed_tick(struct watch *w, uint64_t now_ns)
{
	const volatile uint64_t *counters = probe_counters(w->cfg.probe);
	uint64_t missed = counters ? counters[KS_DROP_ctl_ring_full] : 0;

	if (missed == w->missed)
		return 0;
	if (now_ns < w->rescan_ns)
		return w->rescan_ns;
	w->missed = missed;
	w->rescan_ns = now_ns + RESCAN_NS;
	for (uint32_t i = 0; i < KS_WATCH_PROCS; i++) {
		int fd = w->procs[i].live ? procfs_open(w->proc_fd, w->procs[i].tgid) : 0;

		if (fd < 0)
			proc_drop(w, &w->procs[i], now_ns);
		else if (w->procs[i].live)
			close(fd);
	}
	(void)scan(w, TURN_NS, now_ns);
	return 0;
}

/* Those whose time has come, until ours is used up; the next turn goes on after the last of them. */
static void due_tick(struct watch *w, uint64_t now_ns)
{
	uint64_t end_ns = clock_ns(CLOCK_MONOTONIC) + TURN_NS;

	files_turn(w->files, TURN_NS);
	for (uint32_t left = w->due_cnt; left && w->due_cnt; left--) {
		uint32_t slot;

		if (w->due_at >= w->due_cnt)
			w->due_at = 0;
		slot = w->due[w->due_at];
		if (w->procs[slot].due_ns <= now_ns) {
			proc_tick(w, &w->procs[slot], now_ns);
			if (clock_ns(CLOCK_MONOTONIC) > end_ns)
				left = 1;
		}
		if (w->due_at < w->due_cnt && w->due[w->due_at] == slot)
			w->due_at++; /* else another took its place */
	}
}

uint64_t watch_tick(struct watch *w, uint64_t now_ns)
{
	uint64_t next;

	due_tick(w, now_ns);
	idle_tick(w, now_ns);
	next = missed_tick(w, now_ns);
	for (uint32_t i = 0; i < w->due_cnt; i++) {
		uint64_t due = w->procs[w->due[i]].due_ns;

		next = next && next < due ? next : due;
	}
	if (!next && files_idle(w->files, UINT64_MAX))
		next = w->idle_check_ns;
	return next;
}

int watch_identify(struct watch *w, pid_t tgid, uint64_t start_ns, uint64_t now_ns)
{
	struct proc *p;
	int fd, err;

	if (is_skipped(w, tgid))
		return -ESRCH;
	fd = procfs_open(w->proc_fd, tgid);
	if (fd < 0)
		return -ESRCH;
	p = proc_get(w, tgid, start_ns, true, now_ns);
	p->unknown = true;
	err = proc_ident(w, p, fd, now_ns);
	if (err)
		proc_drop(w, p, now_ns);
	close(fd);
	return err ? -ESRCH : 0;
}

size_t watch_lib_cnt(const struct watch *w)
{
	return files_lib_cnt(w->files);
}

void watch_lib_get(const struct watch *w, size_t i, struct watch_lib *ret_lib)
{
	files_lib_get(w->files, i, ret_lib);
}

struct watch_stats watch_stats(const struct watch *w)
{
	struct watch_stats s = w->stats;

	s.files = files_stats(w->files);
	return s;
}
