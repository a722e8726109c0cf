/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The unprivileged process: everything with captured bytes. Forked by the warden, it takes the ring, two mappings and a
 * socket, gives up the rest (app/sandbox.h), and runs the pipeline until told to stop.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "app/config.h"
#include "app/record.h"
#include "app/shared.h"

struct agent_cfg {
	const struct config *config;
	struct record_head head;
	enum config_output output; /* not OUT_AUTO */
	bool otlp;
	int ipc_fd;
	int resolve_fd; /* of the exporter that asks for addresses */
	int ring_fd;	/* data ring map */
	int root_fd;	/* directory to live in */
	bool store;	/* root_fd is the store's directory */
	int record_fd;	/* -1: no recording */
	uid_t uid;
	gid_t gid;
	volatile uint64_t *verdicts;
	struct shared *shared;
};

/* Never returns to the warden's code: the caller exits with the result (enum exit_code). */
int agent_run(const struct agent_cfg *cfg);
/* Enter the sandbox as agent_run() does, without ring and pipeline, and try what must fail there; `other` is a process
 * of another user. EXIT_OK: all was refused. */
int agent_selftest(const struct agent_cfg *cfg, pid_t other);
