/* SPDX-License-Identifier: Apache-2.0 */
/* The socket pair of the two processes. No state; both main threads. */
#include "app/ipc.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#define IPC_WAIT_MS 1000
#define IPC_SNDBUF  (1024 * 1024) /* identities of a full walk of /proc */

int ipc_pair(int fd[2])
{
	int size = IPC_SNDBUF;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd) < 0)
		return -errno;
	for (int i = 0; i < 2; i++) /* a smaller buffer only means waiting more often */
		(void)setsockopt(fd[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return 0;
}

int ipc_send(int fd, const void *msg, size_t len)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	for (;;) {
		if (send(fd, msg, len, MSG_NOSIGNAL) >= 0)
			return 0;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		int n = poll(&p, 1, IPC_WAIT_MS);
		if (n == 0)
			return -EAGAIN;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}

int ipc_say(int fd, enum ipc_kind kind, int err, const char *text)
{
	struct ipc_msg msg = { .magic = IPC_MAGIC, .kind = (uint16_t)kind, .err = err };

	if (text)
		snprintf(msg.text, sizeof(msg.text), "%s", text);
	return ipc_send(fd, &msg, sizeof(msg));
}

int ipc_recv(int fd, union ipc_any *ret)
{
	ssize_t n = recv(fd, ret, sizeof(*ret), 0);

	if (n < 0)
		return errno == EINTR ? -EAGAIN : errno == ECONNRESET ? 0 : -errno;
	return (int)n;
}

const struct ipc_msg *ipc_msg_of(const union ipc_any *any, int len)
{
	if (len != (int)sizeof(any->msg) || any->msg.magic != IPC_MAGIC ||
	    any->msg.addr_cnt > IPC_ADDRS || !memchr(any->msg.text, 0, sizeof(any->msg.text)))
		return NULL;
	return &any->msg;
}
