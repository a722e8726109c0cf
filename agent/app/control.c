/* SPDX-License-Identifier: Apache-2.0 */
/* Listens on an AF_UNIX stream socket, mode 0600, and answers with the snapshot. Owns the socket file. */
#include "app/control.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SNAPSHOT_CAP (256 * 1024)

struct control {
	struct warden *w;
	struct loop_fd listener;
	char path[108];
	struct buf out;
};

static void on_client(void *ctx, uint32_t events)
{
	struct control *c = ctx;
	int size = SNAPSHOT_CAP;
	int fd = accept4(c->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd < 0)
		return;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size,
			 sizeof(size)); /* so that it fits without waiting */
	buf_reset(&c->out);
	stats_format(c->w, &c->out);
	(void)send(fd, c->out.ptr, c->out.len,
		   MSG_NOSIGNAL); /* a client that left has its answer */
	close(fd);
}

/* Whether somebody answers at this address; EAGAIN: somebody who is busy. */
static bool alive(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool yes = fd >= 0 && (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 || errno == EAGAIN);

	if (fd >= 0)
		close(fd);
	return yes;
}

static int listen_at(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char dir[sizeof(addr.sun_path)];
	struct stat st;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path) + 1);
	memcpy(dir, path, strlen(path) + 1);
	(void)mkdir(dirname(dir), 0755); /* it may be there; bind() says if not */
	if (alive(&addr))
		return -EADDRINUSE;
	if (lstat(path, &st) == 0) { /* left by a kernspan that was killed; a path typed wrong is not removed */
		if (!S_ISSOCK(st.st_mode))
			return -EEXIST;
		(void)unlink(path);
	}
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	mode_t old = umask(0177);
	int err = bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 8) < 0 ? -errno
											    : 0;
	umask(old);
	if (err)
		close(fd);
	return err ? err : fd;
}

int control_new(struct warden *w, const char *path, struct control **ret)
{
	struct control *c = calloc(1, sizeof(*c));
	int fd = c ? listen_at(path) : -ENOMEM;

	if (fd < 0) {
		free(c);
		return fd;
	}
	c->w = w;
	c->listener = (struct loop_fd){ fd, c, on_client };
	snprintf(c->path, sizeof(c->path), "%s", path);
	buf_init(&c->out, SNAPSHOT_CAP);
	int err = loop_add(&w->loop, &c->listener, EPOLLIN);
	if (err) {
		control_free(c);
		return err;
	}
	*ret = c;
	return 0;
}

void control_free(struct control *c)
{
	if (!c)
		return;
	close(c->listener.fd);
	(void)unlink(c->path);
	buf_done(&c->out);
	free(c);
}
