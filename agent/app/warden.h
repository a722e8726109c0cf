/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The privileged process: loads, attaches, follows processes, starts the agent process and the program of `run -- CMD`,
 * answers `stats`, and ends everything together. It parses no captured byte. One thread, but for the resolver's worker.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "app/agent.h"
#include "app/config.h"
#include "app/launch.h"
#include "app/shared.h"
#include "base/loop.h"
#include "probe/probe.h"
#include "probe/watch.h"

struct control;

struct warden {
	const struct config *config;
	struct agent_cfg agent_cfg;
	struct probe *probe;
	struct watch *watch;
	struct shared *shared;
	struct resolver *resolver;
	struct control *control;
	struct ring_buffer *ctl_ring;
	struct loop loop;
	struct loop_fd ipc, resolve, signals, ctl;
	pid_t agent_pid;
	struct launch launch; /* pid 0: no program was given */
	uint64_t ident_wait_ns; /* until then an identity is not waited for */
	uint64_t start_ns, watch_due_ns, stop_due_ns, watchdog_ns, watchdog_due_ns;
	int launch_status; /* exit code of the program, -1 while it runs */
	bool agent_gone, stopping, interrupted;
	int exit_code;
};

/* cfg: everything but ipc_fd, ring_fd, verdicts and shared, which the warden makes. Runs until stopped; returns an enum
 * exit_code, or the program's exit code. */
int warden_run(const struct config *config, const struct agent_cfg *cfg);
