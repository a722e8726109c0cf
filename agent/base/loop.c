/* SPDX-License-Identifier: Apache-2.0 */
/* The loop over epoll. Its only state is the epoll descriptor; entries belong to their owners. */
#include "base/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#define LOOP_EVENTS 16 /* descriptors served in one turn; the rest waits for the next */

int loop_init(struct loop *loop)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd < 0)
		return -errno;
	*loop = (struct loop){ .epoll_fd = fd };
	return 0;
}

void loop_done(struct loop *loop)
{
	close(loop->epoll_fd);
	loop->epoll_fd = -1;
}

int loop_add(struct loop *loop, struct loop_fd *f, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = f };

	return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, f->fd, &ev) < 0 ? -errno : 0;
}

void loop_del(struct loop *loop, struct loop_fd *f)
{
	(void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, f->fd, NULL);
}

int loop_turn(struct loop *loop, int timeout_ms)
{
	struct epoll_event ev[LOOP_EVENTS];
	int n = epoll_wait(loop->epoll_fd, ev, LOOP_EVENTS, timeout_ms);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		struct loop_fd *f = ev[i].data.ptr;
		f->ready(f->ctx, ev[i].events);
	}
	return 0;
}
