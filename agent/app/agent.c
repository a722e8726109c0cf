/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The unprivileged process: start (still privileged, no captured byte seen yet), sandbox, then one loop thread that
 * owns the ring, the pipeline and the recorder. Exporters have their own threads, started inside the sandbox.
 */
#include "app/agent.h"

#include <bpf/libbpf.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "app/check.h"
#include "app/ipc.h"
#include "app/outputs.h"
#include "app/pipeline.h"
#include "app/sandbox.h"
#include "base/drop.h"
#include "base/log.h"
#include "base/loop.h"

#define TURN_EVENTS	4096 /* records of one turn; then the other work gets its turn */
#define TURN_IDENTS	256
#define POLL_BUSY_MS	10  /* the kernel does not wake us below KS_WAKE_BYTES: look this often, */
#define POLL_IDLE_MS	100 /* and this often when nothing came for a while */
#define IDLE_AFTER_NS	2000000000ull
#define TICK_NS		100000000ull
#define DRAIN_NS	2000000000ull /* at a stop, for what the ring still holds */
#define CLOSE_NS	5000000000ull /* and for what the exporters still hold */
#define RESOLVE_WAIT_MS 10000
#define LOOP_NICE	-15

struct agent {
	const struct agent_cfg *cfg;
	struct shared *shared;
	struct loop loop;
	struct loop_fd ipc, signals, ring_ready, out_gone;
	struct ring_buffer *ring;
	struct recorder *recorder;
	struct outputs *outputs;
	struct pipeline *pipeline;
	size_t turn_events; /* records of this turn */
	uint64_t last_event_ns, last_tick_ns, active_ns;
	bool stop;
};

static int on_record(void *ctx, void *data, size_t len)
{
	struct agent *a = ctx;
	const struct ks_hdr *ev = data;

	a->turn_events++;
	if (len >= sizeof(*ev))
		a->last_event_ns = ev->ts_ns;
	pipeline_push(a->pipeline, ev, len);
	return a->turn_events >= TURN_EVENTS ? -EAGAIN : 0;
}

/* Called on an exporter's thread, which has the socket for itself. The warden knows the host: it is the configured one,
 * whatever is asked for here. */
static int resolve(void *ctx, const char *host, uint16_t port, struct sockaddr_storage *out,
		   size_t n)
{
	struct agent *a = ctx;
	struct pollfd p = { .fd = a->cfg->resolve_fd, .events = POLLIN };
	union ipc_any any;
	int len;

	while (ipc_recv(p.fd, &any) > 0) /* an answer that came too late */
		;
	int err = ipc_say(p.fd, IPC_RESOLVE, 0, host);
	if (err)
		return err;
	do
		len = poll(&p, 1, RESOLVE_WAIT_MS);
	while (len < 0 && errno == EINTR);
	len = len > 0 ? ipc_recv(p.fd, &any) : -ETIMEDOUT;
	const struct ipc_msg *msg = len > 0 ? ipc_msg_of(&any, len) : NULL;
	if (!msg || msg->err)
		return msg ? msg->err : len < 0 ? len : -EPIPE;
	size_t cnt = msg->addr_cnt < n ? msg->addr_cnt : n;
	for (size_t i = 0; i < cnt; i++) {
		out[i] = msg->addr[i];
		if (out[i].ss_family == AF_INET)
			((struct sockaddr_in *)&out[i])->sin_port = htons(port);
		else
			((struct sockaddr_in6 *)&out[i])->sin6_port = htons(port);
	}
	return (int)cnt;
}

static void on_ipc(void *ctx, uint32_t events)
{
	struct agent *a = ctx;
	union ipc_any any;

	(void)events;
	for (int i = 0; i < TURN_IDENTS; i++) {
		int n = ipc_recv(a->cfg->ipc_fd, &any);
		if (n == -EAGAIN)
			return;
		if (n <= 0) { /* the warden is gone */
			a->stop = true;
			loop_del(&a->loop, &a->ipc);
			return;
		}
		const struct ipc_msg *msg = ipc_msg_of(&any, n);
		if (msg && msg->kind == IPC_STOP)
			a->stop = true;
		else if (!msg && any.hdr.kind == KS_EV_IDENT)
			pipeline_push(a->pipeline, &any.hdr, (size_t)n);
	}
}

static void on_signal(void *ctx, uint32_t events)
{
	struct agent *a = ctx;
	struct signalfd_siginfo info;

	(void)events;
	if (read(a->signals.fd, &info, sizeof(info)) > 0)
		a->stop = true;
}

static void on_ring(void *ctx, uint32_t events)
{
	(void)ctx; /* the turn looks at the ring anyway */
	(void)events;
}

static void on_out_gone(void *ctx, uint32_t events)
{
	struct agent *a = ctx;

	if (!(events & (EPOLLERR | EPOLLHUP)))
		return;
	loop_del(&a->loop, &a->out_gone);
	if (a->cfg->record_fd < 0 && !a->cfg->store && !a->cfg->otlp)
		a->stop = true; /* the reader has left, and nobody else listens */
}

static void tick(struct agent *a, bool backlog)
{
	uint64_t mono = clock_ns(CLOCK_MONOTONIC), wall = clock_ns(CLOCK_REALTIME);

	if (mono - a->last_tick_ns < TICK_NS && a->last_tick_ns)
		return;
	a->last_tick_ns = mono;
	/* with records waiting, pipeline time must not run ahead of them */
	uint64_t at =
		backlog && a->last_event_ns && a->last_event_ns < mono ? a->last_event_ns : mono;
	pipeline_tick(a->pipeline, at, wall - (mono - at));
	if (a->recorder)
		recorder_flush(a->recorder);
}

static void publish(struct agent *a, uint64_t began_ns)
{
	struct shared *s = a->shared;
	struct pipeline_count n;
	uint64_t fill = ring__avail_data_size(ring_buffer__ring(a->ring, 0));

	pipeline_count(a->pipeline, &n);
	shared_set(s, events, n.events);
	shared_set(s, data_bytes, n.data_bytes);
	shared_set(s, spans, n.spans);
	shared_set(s, conns, n.conns);
	shared_set(s, exchanges, n.exchanges);
	shared_set(s, ring_fill, fill);
	if (fill > shared_get(s, ring_fill_max))
		shared_set(s, ring_fill_max, fill);
	shared_set(s, turns, shared_get(s, turns) + 1);
	shared_set(s, busy_ns, shared_get(s, busy_ns) + clock_ns(CLOCK_MONOTONIC) - began_ns);
}

/* One turn over the ring. True when records are left. */
static bool turn(struct agent *a)
{
	uint64_t began = clock_ns(CLOCK_MONOTONIC);
	uint64_t fill = ring__avail_data_size(ring_buffer__ring(a->ring, 0));

	if (fill > shared_get(a->shared, ring_fill_max))
		shared_set(a->shared, ring_fill_max, fill);
	a->turn_events = 0;
	bool left = ring_buffer__consume(a->ring) == -EAGAIN;
	if (a->turn_events)
		a->active_ns = began;
	tick(a, left);
	outputs_flush(a->outputs);
	publish(a, began);
	return left;
}

static void run(struct agent *a)
{
	bool left = false;

	tick(a, false); /* the first record has both clocks before it */
	while (!a->stop) {
		bool idle = clock_ns(CLOCK_MONOTONIC) - a->active_ns > IDLE_AFTER_NS;
		if (loop_turn(&a->loop, left ? 0 : idle ? POLL_IDLE_MS : POLL_BUSY_MS) < 0)
			break;
		left = turn(a);
	}
	uint64_t until = clock_ns(CLOCK_MONOTONIC) + DRAIN_NS;
	while (turn(a) && clock_ns(CLOCK_MONOTONIC) < until)
		;
}

static int start_signals(struct agent *a)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	a->signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	sigaddset(&set, SIGINT); /* a terminal sends it to both; the warden says when to stop */
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_SETMASK, &set, NULL);
	return a->signals.fd < 0 ? -errno : 0;
}

static int start_loop(struct agent *a)
{
	a->ipc = (struct loop_fd){ a->cfg->ipc_fd, a, on_ipc };
	a->signals = (struct loop_fd){ a->signals.fd, a, on_signal };
	a->ring_ready = (struct loop_fd){ ring_buffer__epoll_fd(a->ring), a, on_ring };
	a->out_gone = (struct loop_fd){ STDOUT_FILENO, a, on_out_gone };
	int err = loop_init(&a->loop);
	err = err ?: loop_add(&a->loop, &a->ipc, EPOLLIN);
	err = err ?: loop_add(&a->loop, &a->signals, EPOLLIN);
	err = err ?: loop_add(&a->loop, &a->ring_ready, EPOLLIN);
	if (!err && a->cfg->output != OUT_NONE) /* files cannot be watched, and do not go away */
		(void)loop_add(&a->loop, &a->out_gone, 0);
	return err;
}

/* When every processor is busy the ring must be read all the same, or it overflows: the loop is first in line, which
 * costs others little because it only has a few microseconds' work a record. Workers step back (base/worker.c). */
static void hurry(void)
{
	if (setpriority(PRIO_PROCESS, 0, LOOP_NICE) < 0)
		log_warn("agent",
			 "cannot raise the priority of the loop (CAP_SYS_NICE): %s; a busy machine may lose events",
			 strerror(errno));
}

/* Everything that needs what the sandbox takes away. */
static int start_outside(struct agent *a, char *why, size_t len)
{
	const struct agent_cfg *cfg = a->cfg;
	struct outputs_cfg oc = { .output = cfg->output,
				  .otlp = cfg->otlp,
				  .otlp_endpoint = cfg->config->otlp_endpoint,
				  .version = cfg->head.version,
				  .resolve = resolve,
				  .resolve_ctx = a };
	int err;

	a->ring = ring_buffer__new(cfg->ring_fd, on_record, a, NULL);
	if (!a->ring) {
		err = -errno;
		snprintf(why, len, "cannot map the ring: %s", strerror(-err));
		return err;
	}
	err = start_signals(a) ?: start_loop(a);
	if (!err && cfg->record_fd >= 0)
		err = recorder_new(cfg->record_fd, &cfg->head, &a->recorder);
	if (err) {
		snprintf(why, len, "cannot start: %s", strerror(-err));
		return err;
	}
	return outputs_new(&oc, &a->outputs, why, len);
}

static int enter(struct agent *a, char *why, size_t len)
{
	const struct agent_cfg *cfg = a->cfg;
	int fds[8] = { cfg->ipc_fd, cfg->resolve_fd, a->signals.fd, a->loop.epoll_fd,
		       a->ring_ready.fd },
	    n = 5;
	const char *step = "";

	if (cfg->record_fd >= 0)
		fds[n++] = cfg->record_fd;
	struct sandbox_cfg sc = { .uid = cfg->uid,
				  .gid = cfg->gid,
				  .root_fd = cfg->root_fd,
				  .fds = fds,
				  .fd_cnt = (size_t)n,
				  .network = cfg->otlp,
				  .files = cfg->store,
				  .kill = cfg->config->seccomp_kill };
	int err = sandbox_enter(&sc, &step);
	if (err)
		snprintf(why, len, "cannot give up privileges (%s): %s", step, strerror(-err));
	return err;
}

static int start_inside(struct agent *a, char *why, size_t len)
{
	struct pipeline_cfg pc = { .head = &a->cfg->head,
				   .recorder = a->recorder,
				   .verdicts = a->cfg->verdicts,
				   .sink = { outputs_sink(a->outputs) },
				   .sink_cnt = 1 };
	int err = outputs_start(a->outputs, a->cfg->store ? "/" : NULL, why, len);

	if (err)
		return err;
	err = pipeline_new(&pc, &a->pipeline);
	if (err)
		snprintf(why, len, "cannot start the pipeline: %s",
			 err == -EINVAL ? "OTEL_RESOURCE_ATTRIBUTES is malformed" : strerror(-err));
	malloc_trim(0);
	return err;
}

/* The other end may be gone; then nobody is left to tell. */
static void say(struct agent *a, enum ipc_kind kind, int err, const char *text)
{
	(void)ipc_say(a->cfg->ipc_fd, kind, err, text);
}

int agent_run(const struct agent_cfg *cfg)
{
	static struct agent agent;
	struct agent *a = &agent;
	char why[256] = "";

	*a = (struct agent){ .cfg = cfg, .shared = cfg->shared };
	drop_use(cfg->shared->drops);
	mallopt(M_ARENA_MAX,
		1); /* workers allocate little; an arena each would cost more than the lock */
	hurry();
	int err = start_outside(a, why, sizeof(why)) ?: enter(a, why, sizeof(why));
	err = err ?: start_inside(a, why, sizeof(why));
	if (err) {
		say(a, IPC_FAILED, err, why);
		return EXIT_RUNTIME;
	}
	say(a, IPC_READY, 0, NULL);
	run(a);
	pipeline_free(a->pipeline);
	outputs_free(a->outputs, clock_ns(CLOCK_MONOTONIC) + CLOSE_NS);
	err = recorder_free(a->recorder);
	say(a, IPC_DONE, err, NULL);
	return err ? EXIT_RUNTIME : EXIT_OK;
}

int agent_selftest(const struct agent_cfg *cfg, pid_t other)
{
	struct sandbox_cfg sc = { .uid = cfg->uid,
				  .gid = cfg->gid,
				  .root_fd = cfg->root_fd,
				  .network = true,
				  .files = true };
	const char *step = "";
	int err = sandbox_enter(&sc, &step);

	if (err)
		printf("Bail out! %s: %s\n", step, strerror(-err));
	return err || sandbox_selftest(other) ? EXIT_RUNTIME : EXIT_OK;
}
