/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the two processes say to each other over SOCK_SEQPACKET pairs (one for the loops, one for addresses): a
 * message is a struct ipc_msg, or an event record (KS_EV_IDENT). The requests that the unprivileged side may make are
 * this list and nothing else. Either end that closes ends both.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "event.h"

#define IPC_MAGIC 0xffffu /* where an event record has its kind */

enum ipc_kind {
	/* agent to warden */
	IPC_READY = 1,	 /* privileges are gone, the loop runs */
	IPC_FAILED = 2,	 /* starting failed: err, text */
	IPC_RESOLVE = 3, /* resolve the configured OTLP endpoint (no argument) */
	IPC_DONE = 4,	 /* output closed or a stop finished: err */
	/* warden to agent */
	IPC_STOP = 16,	   /* drain, flush, leave */
	IPC_RESOLVED = 17, /* addrs */
};

#define IPC_ADDRS 8
struct ipc_msg {
	uint16_t magic;
	uint16_t kind;
	int32_t err; /* 0 or -errno */
	uint32_t addr_cnt;
	uint32_t pad;
	struct sockaddr_storage addr[IPC_ADDRS];
	char text[256];
};

union ipc_any {
	struct ks_hdr hdr;
	struct ks_ev_ident ident;
	struct ipc_msg msg;
};

/* 0 or -errno: both ends, non-blocking, close-on-exec. */
int ipc_pair(int fd[2]);
/* Waits up to a second for room. 0, -EAGAIN, -EPIPE, ... */
int ipc_send(int fd, const void *msg, size_t len);
int ipc_say(int fd, enum ipc_kind kind, int err, const char *text);
/* The length of the next message, 0 when the other end is gone, -EAGAIN when there is none. */
int ipc_recv(int fd, union ipc_any *ret);
/* The message, if it is one of ours and whole; else NULL. */
const struct ipc_msg *ipc_msg_of(const union ipc_any *any, int len);
