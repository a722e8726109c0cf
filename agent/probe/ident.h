/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a process is: the IDENT event from /proc/PID. The service name is OTEL_SERVICE_NAME of the process, else
 * service.name of its OTEL_RESOURCE_ATTRIBUTES, else the script an interpreter runs, else the name of its program.
 * Privileged process, main thread; keeps no state.
 */
#pragma once

#include <stdint.h>

#include "base/slice.h"
#include "event.h"

/* Fill an IDENT of the process behind pid_fd (a descriptor of /proc/PID). start_ns: as the kernel's events say, or
 * of procfs_start_ns() where none has arrived: such an IDENT is at most one clock tick (10 ms) below the kernel's
 * value, and its reader matches by tgid with that tolerance. -ENOENT: a kernel thread. Else negative errno. */
int ident_read(int pid_fd, uint32_t tgid, uint64_t start_ns, uint64_t now_ns,
	       struct ks_ev_ident *ret_ident);

/* The name of what an interpreter runs. exe: path of the program; cmdline: its words, each ended by NUL. Returns
 * a part of cmdline, empty when exe is no interpreter or runs no script. Pure. */
struct slice ident_script(struct slice exe, struct slice cmdline);
