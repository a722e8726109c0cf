/* SPDX-License-Identifier: Apache-2.0 */
/* The privileged process: start everything in order, loop over control ring, sockets and signals, end everything. */
#include "app/warden.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/control.h"
#include "app/ipc.h"
#include "app/resolve.h"
#include "app/sdnotify.h"
#include "base/drop.h"
#include "base/log.h"

#define READY_WAIT_MS 15000	     /* for the agent process to start */
#define STOP_NS	      12000000000ull /* for it to end: longer than its own drain and close */
#define SETTLE_NS     700000000ull /* after the program ended, for the last events of its connections */
#define TURN_MS	      1000
#define IDENT_WAIT_NS 10000000000ull /* after the agent process was too busy, before it is waited for again */

static void stop(struct warden *w, int code)
{
	if (w->stopping)
		return;
	w->stopping = true;
	w->exit_code = code;
	w->stop_due_ns = clock_ns(CLOCK_MONOTONIC) + STOP_NS;
	sdnotify("STOPPING=1");
	if (!w->agent_gone)
		(void)ipc_say(w->ipc.fd, IPC_STOP, 0, NULL); /* gone already: waitpid() tells */
}

/* What is not taken is said again by the watcher. */
static int on_ident(void *ctx, const struct ks_ev_ident *ident)
{
	struct warden *w = ctx;
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	int err;

	if (w->agent_gone)
		return 0;
	/* one wait of a second is enough: with a parser that stands still each of many processes would cost one */
	if (now < w->ident_wait_ns)
		return send(w->ipc.fd, ident, sizeof(*ident), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
	err = ipc_send(w->ipc.fd, ident, sizeof(*ident));
	if (err) {
		w->ident_wait_ns = now + IDENT_WAIT_NS;
		log_warn("warden", "the agent process is too busy to take a process identity; trying again");
	}
	return err;
}

static int on_ctl_record(void *ctx, void *data, size_t len)
{
	struct warden *w = ctx;
	const struct ks_hdr *ev = data;

	if (len >= sizeof(struct ks_ev_proc) && ev->len >= sizeof(struct ks_ev_proc))
		watch_event(w->watch, ev, clock_ns(CLOCK_MONOTONIC));
	return 0;
}

static void on_ctl(void *ctx, uint32_t events)
{
	struct warden *w = ctx;

	(void)events;
	(void)ring_buffer__consume(w->ctl_ring);
	w->watch_due_ns = 1; /* a turn of deferred work follows */
}

static void on_ipc(void *ctx, uint32_t events)
{
	struct warden *w = ctx;
	union ipc_any any;
	int n = ipc_recv(w->ipc.fd, &any);
	const struct ipc_msg *msg = n > 0 ? ipc_msg_of(&any, n) : NULL;

	(void)events;
	if (n == -EAGAIN)
		return;
	if (n <= 0) {
		loop_del(&w->loop, &w->ipc);
		return; /* SIGCHLD follows */
	}
	if (msg && msg->kind == IPC_DONE && msg->err)
		log_err("agent", "the recording is not whole: %s", strerror(-msg->err));
}

static void on_resolve(void *ctx, uint32_t events)
{
	struct warden *w = ctx;
	union ipc_any any;
	int n = ipc_recv(w->resolve.fd, &any);
	const struct ipc_msg *msg = n > 0 ? ipc_msg_of(&any, n) : NULL;

	(void)events;
	if (n <= 0 && n != -EAGAIN)
		loop_del(&w->loop, &w->resolve);
	else if (msg && msg->kind == IPC_RESOLVE)
		resolver_ask(w->resolver, msg->text);
}

static void agent_ended(struct warden *w, int status)
{
	w->agent_gone = true;
	w->loop.stop = true;
	if (WIFSIGNALED(status)) {
		log_err("warden", "the agent process was ended by signal %d (%s)", WTERMSIG(status),
			strsignal(WTERMSIG(status)));
		w->exit_code = EXIT_RUNTIME;
	} else if (WEXITSTATUS(status)) {
		w->exit_code = EXIT_RUNTIME;
	}
}

static void reap(struct warden *w)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == w->agent_pid) {
			agent_ended(w, status);
		} else if (pid == w->launch.pid) {
			w->launch_status =
				WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
			if (!w->stopping) /* else the agent process has its time already */
				w->stop_due_ns = clock_ns(CLOCK_MONOTONIC) + SETTLE_NS;
		}
	}
}

/* Only while its number is ours. */
static void end_agent(struct warden *w)
{
	if (!w->agent_gone)
		kill(w->agent_pid, SIGKILL);
}

static void on_signal(void *ctx, uint32_t events)
{
	struct warden *w = ctx;
	struct signalfd_siginfo info;

	(void)events;
	while (read(w->signals.fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGCHLD) {
			reap(w);
		} else if (w->stopping && w->interrupted) {
			end_agent(w); /* asked twice */
		} else {
			w->interrupted = true;
			if (w->launch.pid && w->launch_status < 0 && info.ssi_signo == SIGTERM)
				kill(w->launch.pid, SIGTERM); /* a terminal has told it of SIGINT */
			stop(w, EXIT_OK);
		}
	}
}

static int start_agent(struct warden *w)
{
	int fd[2], names[2], err = ipc_pair(fd) ?: ipc_pair(names);

	if (err)
		return err;
	w->shared = mmap(NULL, sizeof(*w->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (w->shared == MAP_FAILED)
		return -errno;
	w->agent_cfg.ipc_fd = fd[1];
	w->agent_cfg.resolve_fd = names[1];
	w->agent_cfg.shared = w->shared;
	w->agent_cfg.ring_fd = probe_data_ring_fd(w->probe);
	w->agent_cfg.verdicts = probe_verdicts(w->probe);
	fflush(NULL);
	w->agent_pid = fork();
	if (w->agent_pid < 0)
		return -errno;
	if (w->agent_pid == 0) {
		close(fd[0]);
		close(names[0]);
		_exit(agent_run(&w->agent_cfg));
	}
	close(fd[1]);
	close(names[1]);
	if (w->agent_cfg.record_fd >= 0)
		close(w->agent_cfg.record_fd);
	w->ipc.fd = fd[0];
	w->resolve.fd = names[0];
	return 0;
}

/* Wait until the agent has given up its privileges and runs. */
static int await_agent(struct warden *w)
{
	struct pollfd p = { .fd = w->ipc.fd, .events = POLLIN };
	union ipc_any any;

	for (;;) {
		int n = poll(&p, 1, READY_WAIT_MS);
		if (n < 0 && errno == EINTR)
			continue;
		n = n > 0 ? ipc_recv(w->ipc.fd, &any) : -ETIMEDOUT;
		const struct ipc_msg *msg = n > 0 ? ipc_msg_of(&any, n) : NULL;
		if (msg && msg->kind == IPC_READY)
			return 0;
		if (msg && msg->kind == IPC_FAILED)
			log_err("agent", "%s", msg->text);
		else
			log_err("warden", "the agent process did not start%s",
				n == -ETIMEDOUT ? " in time" : "");
		return -EIO;
	}
}

/* What nohup(1), or a shell for a job in the background, ignores stays ignored: blocked it would be delivered. */
static void add_unless_ignored(sigset_t *set, int sig)
{
	struct sigaction was;

	if (sigaction(sig, NULL, &was) == 0 && was.sa_handler != SIG_IGN)
		sigaddset(set, sig);
}

static int start_loop(struct warden *w)
{
	sigset_t set;
	int err = loop_init(&w->loop);

	if (err)
		return err;
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	add_unless_ignored(&set, SIGINT);
	add_unless_ignored(&set, SIGHUP);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	w->signals = (struct loop_fd){ fd, w, on_signal };
	w->ipc = (struct loop_fd){ w->ipc.fd, w, on_ipc };
	w->resolve = (struct loop_fd){ w->resolve.fd, w, on_resolve };
	return loop_add(&w->loop, &w->signals, EPOLLIN) ?: loop_add(&w->loop, &w->ipc, EPOLLIN) ?:
	       loop_add(&w->loop, &w->resolve, EPOLLIN);
}

static void start_control(struct warden *w)
{
	const char *path = w->config->control;

	if (strcmp(path, "none") == 0 || !*path)
		return;
	int err = control_new(w, path, &w->control);
	if (err == -EADDRINUSE)
		log_warn("stats", "another kernspan answers at %s; this one has no stats socket",
			 path);
	else if (err)
		log_warn("stats", "no stats socket at %s: %s", path, strerror(-err));
}

/* Follow the processes that run: marks first, so that neither of ours is ever seen. */
static int start_watch(struct warden *w)
{
	const struct pid_list *pids = &w->config->pid;
	struct watch_cfg wc = { .probe = w->probe,
				.proc_root = "/proc",
				.only = pids->at,
				.only_cnt = pids->cnt,
				.ctx = w,
				.ident = on_ident };
	int err = probe_mark(w->probe, getpid(), KS_MARK_DENY)
			  ?: probe_mark(w->probe, w->agent_pid, KS_MARK_DENY);

	if (w->config->child) {
		err = err ?: launch_new(w->config->child, &w->launch);
		wc.only = &w->launch.pid;
		wc.only_cnt = 1;
	}
	err = err ?: watch_new(&wc, &w->watch);
	if (err)
		return err;
	w->ctl_ring = ring_buffer__new(probe_ctl_ring_fd(w->probe), on_ctl_record, w, NULL);
	if (!w->ctl_ring)
		return -errno;
	w->ctl = (struct loop_fd){ ring_buffer__epoll_fd(w->ctl_ring), w, on_ctl };
	err = watch_known(w->watch, clock_ns(CLOCK_MONOTONIC));
	if (err)
		log_debug("warden", "no look at installed libraries: %s", strerror(-err));
	return watch_scan(w->watch, clock_ns(CLOCK_MONOTONIC))
		       ?: loop_add(&w->loop, &w->ctl, EPOLLIN);
}

static void say_ready(struct warden *w)
{
	static const char ready[] = "kernspan: ready\n";
	size_t cnt = watch_lib_cnt(w->watch), ok = 0;
	struct watch_lib lib;
	char state[160];

	for (size_t i = 0; i < cnt; i++) {
		watch_lib_get(w->watch, i, &lib);
		ok += lib.err == 0;
	}
	log_info("warden", "attached to %zu of %zu TLS libraries; sockets by %s; user %d", ok, cnt,
		 probe_family_name(w->probe), (int)w->agent_cfg.uid);
	snprintf(state, sizeof(state), "READY=1\nSTATUS=%zu TLS libraries, sockets by %s", ok,
		 probe_family_name(w->probe));
	sdnotify(state);
	struct pollfd room = { .fd = STDERR_FILENO, .events = POLLOUT }; /* as base/log.c */
	if (poll(&room, 1, 0) != 1 || write(STDERR_FILENO, ready, sizeof(ready) - 1) < 0)
		log_debug("warden", "standard error is closed or full");
	if (w->launch.pid)
		launch_go(&w->launch);
}

static int next_wait_ms(const struct warden *w, uint64_t now)
{
	uint64_t due[] = { w->watch_due_ns, w->stop_due_ns, w->watchdog_due_ns };
	uint64_t wait = TURN_MS * 1000000ull;

	for (size_t i = 0; i < 3; i++)
		if (due[i])
			wait = due[i] <= now ? 0 : due[i] - now < wait ? due[i] - now : wait;
	return (int)((wait + 999999) / 1000000);
}

static void run(struct warden *w)
{
	w->watchdog_ns = sdnotify_watchdog_ns();
	w->watchdog_due_ns = w->watchdog_ns ? 1 : 0;
	w->watch_due_ns = 1;
	while (!w->loop.stop) {
		if (loop_turn(&w->loop, next_wait_ms(w, clock_ns(CLOCK_MONOTONIC))) < 0)
			break;
		uint64_t now = clock_ns(CLOCK_MONOTONIC);
		if (w->watch_due_ns && now >= w->watch_due_ns)
			w->watch_due_ns = watch_tick(w->watch, now);
		if (w->watchdog_due_ns && now >= w->watchdog_due_ns) {
			sdnotify("WATCHDOG=1");
			w->watchdog_due_ns = now + w->watchdog_ns;
		}
		if (!w->stop_due_ns || now < w->stop_due_ns)
			continue;
		if (!w->stopping) {
			stop(w, EXIT_OK);
			continue;
		}
		log_err("warden", "the agent process does not end; killing it");
		end_agent(w);
		w->stop_due_ns = now + STOP_NS;
	}
}

static void finish(struct warden *w)
{
	char line[512];

	if (!w->agent_gone && w->agent_pid > 0) { /* starting failed */
		close(w->ipc.fd);
		kill(w->agent_pid, SIGTERM);
		waitpid(w->agent_pid, NULL, 0);
	}
	if (w->shared && w->watch) {
		stats_summary(w, line, sizeof(line));
		log_info("warden", "%s", line);
	}
	if (w->launch.pid && w->launch.go_fd >= 0)
		close(w->launch.go_fd);
	control_free(w->control);
	resolver_free(w->resolver);
	watch_free(w->watch);
	ring_buffer__free(w->ctl_ring);
	probe_free(w->probe);
}

static int start(struct warden *w)
{
	struct probe_cfg pc = { .ring_bytes = w->config->ring_bytes,
				.bpf = { .watch = w->config->child || w->config->pid.cnt
							  ? KS_WATCH_LISTED
							  : KS_WATCH_ALL,
					 .wake_bytes = KS_WAKE_BYTES,
					 .call_cap = (__u32)w->config->call_bytes } };
	char family[16], why[512] = "";

	config_get(w->config, OPT_family, family, sizeof(family));
	pc.family = family;
	int err = probe_new(&pc, &w->probe, why, sizeof(why));
	if (err) {
		log_err("probe", "%s", why[0] ? why : strerror(-err));
		return err == -EPERM || err == -EACCES ? EXIT_PRIVILEGE
		       : err == -ENOMEM		       ? EXIT_RUNTIME
						       : EXIT_KERNEL;
	}
	malloc_trim(0); /* BTF and relocation work; the agent process need not inherit it */
	err = start_agent(w);
	if (err) {
		log_err("warden", "cannot start the agent process: %s", strerror(-err));
		return EXIT_RUNTIME;
	}
	w->resolver = resolver_new(w->config, w->resolve.fd);
	if (!w->resolver || await_agent(w))
		return EXIT_RUNTIME;
	err = start_loop(w) ?: start_watch(w);
	if (err) {
		log_err("warden", "cannot follow processes: %s", strerror(-err));
		return EXIT_RUNTIME;
	}
	start_control(w);
	malloc_trim(0);
	return EXIT_OK;
}

int warden_run(const struct config *config, const struct agent_cfg *cfg)
{
	static struct warden warden;
	struct warden *w = &warden;

	*w = (struct warden){ .config = config,
			      .agent_cfg = *cfg,
			      .launch_status = -1,
			      .launch = { .go_fd = -1 },
			      .start_ns = clock_ns(CLOCK_MONOTONIC) };
	w->exit_code = start(w);
	if (w->exit_code == EXIT_OK) {
		say_ready(w);
		run(w);
	}
	finish(w);
	return w->exit_code == EXIT_OK && w->launch_status > 0 ? w->launch_status : w->exit_code;
}
