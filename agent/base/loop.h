/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop: epoll over a few descriptors, plus the two clocks. One thread a loop; the caller owns every struct
 * loop_fd and keeps it until loop_del().
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct loop {
	int epoll_fd;
	bool stop; /* set by a callback to leave loop_run() */
};

struct loop_fd {
	int fd;
	void *ctx;
	void (*ready)(void *ctx, uint32_t events); /* EPOLLIN, EPOLLHUP, ... */
};

/* 0 or -errno. */
int loop_init(struct loop *loop);
void loop_done(struct loop *loop);
/* Watch f->fd for `events` (EPOLLIN, ...). 0 or -errno. */
int loop_add(struct loop *loop, struct loop_fd *f, uint32_t events);
void loop_del(struct loop *loop, struct loop_fd *f);
/* One turn: wait at most timeout_ms (-1 for ever) and call what is ready. 0 or -errno; EINTR is 0. */
int loop_turn(struct loop *loop, int timeout_ms);

static inline uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}
