/* SPDX-License-Identifier: Apache-2.0 */
/* What the cases of live.c stand on: events gathered from the ring, TAP, children that act in step. One thread. */
#pragma once

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/libbpf.h>
#include <openssl/ssl.h>

#include "probe/probe.h"

#define HEAD "POST /v1/x HTTP/1.1\r\nHost: x\r\n\r\n"
#define HANDLE ((void *)0x5100)

static struct probe *probe;
static struct ring_buffer *ring;
static struct ks_hdr *events[4096];
static int event_cnt, test_cnt, bad_cnt;
static int up[2], down[2];

/* --- what was seen --------------------------------------------------------------------------------------------------- */
static int on_event(void *ctx, void *data, size_t size)
{
	(void)ctx;
	if (event_cnt == (int)(sizeof(events) / sizeof(events[0])))
		return 0;
	events[event_cnt] = malloc(size);
	memcpy(events[event_cnt++], data, size);
	return 0;
}

static void forget(void)
{
	ring_buffer__consume(ring);
	while (event_cnt)
		free(events[--event_cnt]);
}

/* The n-th event of a kind, from any process (tgid 0) or one; NULL: there is none. */
static const void *seen(int kind, __u32 tgid, int n)
{
	ring_buffer__consume(ring);
	for (int i = 0; i < event_cnt; i++)
		if (events[i]->kind == kind && (!tgid || events[i]->tgid == tgid) && n-- == 0)
			return events[i];
	return NULL;
}

static const struct ks_ev_data *data(__u32 tgid, int n)
{
	static const struct ks_ev_data none = { .h.kind = KS_EV_NONE };
	const struct ks_ev_data *e = seen(KS_EV_DATA, tgid, n);

	return e ? e : &none;
}

static int count(int kind, __u32 tgid)
{
	int n = 0;

	while (seen(kind, tgid, n))
		n++;
	return n;
}

static __u64 counter(int what)
{
	return probe_counters(probe)[what];
}

static void check(int good, const char *name)
{
	test_cnt++;
	printf("%sok %d - %s\n", good ? "" : "not ", test_cnt, name);
	if (good)
		return;
	bad_cnt++;
	for (int i = 0; i < event_cnt && i < 20; i++) {
		const struct ks_ev_data *e = (const void *)events[i];

		printf("# kind=%u flags=%x tgid=%u id=%llu", e->h.kind, e->h.flags, e->h.tgid, e->h.id);
		if (e->h.kind == KS_EV_DATA)
			printf(" dir=%u off=%llu call=%u cap=%u", e->dir, e->offset, e->call_len, e->cap_len);
		printf("\n");
	}
}

/* --- children -------------------------------------------------------------------------------------------------------- */
/* In a child: everything before is done and seen; goes on when the parent has looked. */
static void step(void)
{
	char c = 0;

	if (write(up[1], &c, 1) != 1 || read(down[0], &c, 1) != 1)
		_exit(1);
}

/* In the parent: let the child go on to its next step(), or to its end; false: it has ended. */
static bool go(void)
{
	struct pollfd p = { .fd = up[0], .events = POLLIN };
	char c = 0;

	if (write(down[1], &c, 1) != 1 || poll(&p, 1, 20000) <= 0)
		return false;
	return read(up[0], &c, 1) == 1;
}

/* A child that runs fn() after its first step(), with a mark (0: none). */
static pid_t start(void (*fn)(void), int mark)
{
	pid_t pid;
	char c;

	forget();
	fflush(stdout);
	if (pipe(up) || pipe(down))
		abort();
	pid = fork();
	if (pid == 0) {
		alarm(30);
		close(up[0]);
		close(down[1]);
		step();
		fn();
		_exit(0);
	}
	close(up[1]);
	close(down[0]);
	if (read(up[0], &c, 1) != 1)
		abort();
	if (mark)
		probe_mark(probe, pid, mark);
	return pid;
}

static void finish(pid_t pid)
{
	int status = 0;

	while (go())
		;
	close(up[0]);
	close(down[1]);
	waitpid(pid, &status, 0);
	if (status)
		printf("# child: status %x\n", status);
	ring_buffer__consume(ring);
}

static pid_t all_of(void (*fn)(void), int mark)
{
	pid_t pid = start(fn, mark);

	finish(pid);
	return pid;
}
