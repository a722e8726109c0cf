/* SPDX-License-Identifier: Apache-2.0 */
/* The exporters' HTTP/1.1 connection. Worker threads; the socket belongs to struct net. */
#include "export/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

#include "base/loop.h"

#define ADDRESSES 8
#define READ_LEN (16 * 1024)

int net_wait(int fd, bool write, uint64_t until_ns)
{
	struct pollfd p = { .fd = fd, .events = write ? POLLOUT : POLLIN };

	for (;;) {
		uint64_t now = clock_ns(CLOCK_MONOTONIC), ms;
		int n;

		if (now >= until_ns)
			return -ETIMEDOUT;
		ms = (until_ns - now) / 1000000 + 1;
		n = poll(&p, 1, ms > 60000 ? 60000 : (int)ms);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}

static size_t fill(struct sockaddr_storage *out, int family, const char *text, uint16_t port)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof(*out));
	if (family == AF_INET) {
		*v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port) };
		return inet_pton(AF_INET, text, &v4->sin_addr) == 1;
	}
	*v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(port) };
	return inet_pton(AF_INET6, text, &v6->sin6_addr) == 1;
}

static int addresses(const struct net *n, struct sockaddr_storage *out)
{
	if (fill(out, AF_INET, n->host, n->port) || fill(out, AF_INET6, n->host, n->port))
		return 1;
	if (!strcasecmp(n->host, "localhost")) { /* RFC 6761 section 6.3: always loopback */
		fill(&out[0], AF_INET, "127.0.0.1", n->port);
		fill(&out[1], AF_INET6, "::1", n->port);
		return 2;
	}
	return n->resolve ? n->resolve(n->resolve_ctx, n->host, n->port, out, ADDRESSES) : -ENXIO;
}

static int connect_to(const struct sockaddr_storage *to, uint64_t until_ns)
{
	socklen_t len = to->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	int fd = socket(to->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), err = 0, one = 1;
	socklen_t err_len = sizeof(err);

	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (const struct sockaddr *)to, len) == 0)
		return fd;
	if (errno != EINPROGRESS) {
		err = errno;
	} else {
		err = -net_wait(fd, true, until_ns);
		if (!err && getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &err_len))
			err = errno;
	}
	if (!err)
		return fd;
	close(fd);
	return -err;
}

static int net_open(struct net *n, uint64_t until_ns)
{
	struct sockaddr_storage to[ADDRESSES];
	int cnt = addresses(n, to), err = cnt < 0 ? cnt : -ENXIO;

	n->trouble = NULL;
	for (int i = 0; i < cnt && n->fd < 0; i++) {
		/* an address that does not answer must leave time for the others */
		uint64_t now = clock_ns(CLOCK_MONOTONIC);
		uint64_t share = until_ns > now ? (until_ns - now) / (uint64_t)(cnt - i) : 0;

		err = connect_to(&to[i], now + share);
		n->fd = err;
	}
	if (n->fd < 0) {
		n->fd = -1;
		if (err == -ENXIO)
			n->trouble = "host name not found";
		return err;
	}
	if (!n->tls)
		return 0;
	err = tls_connect(n->tls, n->fd, n->host, until_ns, &n->conn, &n->trouble);
	if (err)
		net_close(n);
	return err;
}

void net_close(struct net *n)
{
	tls_close(n->conn);
	n->conn = NULL;
	if (n->fd >= 0)
		close(n->fd);
	n->fd = -1;
}

static ssize_t net_write(struct net *n, struct slice data, uint64_t until_ns)
{
	if (n->conn)
		return tls_write(n->conn, data.ptr, data.len, until_ns);
	for (;;) {
		ssize_t len = send(n->fd, data.ptr, data.len, MSG_NOSIGNAL);
		int err;

		if (len >= 0)
			return len;
		if (errno == EINTR)
			continue;
		err = errno == EAGAIN ? net_wait(n->fd, true, until_ns) : -errno;
		if (err)
			return err;
	}
}

static ssize_t net_read(struct net *n, void *data, size_t len, uint64_t until_ns)
{
	if (n->conn)
		return tls_read(n->conn, data, len, until_ns);
	for (;;) {
		int err = net_wait(n->fd, false, until_ns);
		ssize_t got;

		if (err)
			return err;
		got = recv(n->fd, data, len, 0);
		if (got >= 0)
			return got;
		if (errno != EINTR && errno != EAGAIN)
			return -errno;
	}
}

static int send_all(struct net *n, struct slice rest, uint64_t until_ns)
{
	while (rest.len) {
		ssize_t len = net_write(n, rest, until_ns);

		if (len < 0)
			return (int)len;
		rest = slice_from(rest, (size_t)len);
	}
	return 0;
}

/* *ret_any: response bytes were seen. */
static int exchange(struct net *n, const struct slice *parts, size_t part_cnt, struct reply *reply, uint64_t until_ns,
		    bool *ret_any)
{
	enum reply_result result = REPLY_MORE;
	char data[READ_LEN];
	int err = 0;

	*ret_any = false;
	reply_reset(reply);
	for (size_t i = 0; i < part_cnt && !err; i++)
		err = send_all(n, parts[i], until_ns);
	/* a server that refuses a large body answers and closes before it has read it all */
	if (err && err != -EPIPE && err != -ECONNRESET)
		return err;
	while (result == REPLY_MORE) {
		ssize_t len = net_read(n, data, sizeof(data), until_ns);

		if (len < 0)
			return (int)len;
		if (len == 0 && !*ret_any)
			return -ECONNRESET;
		*ret_any = true;
		result = len ? reply_push(reply, (struct slice){ data, (size_t)len }) : reply_eof(reply);
	}
	return result == REPLY_DONE ? 0 : -EBADMSG;
}

int net_request(struct net *n, const struct slice *parts, size_t part_cnt, struct reply *reply, uint64_t until_ns)
{
	for (;;) {
		bool kept = n->fd >= 0, any;
		int err = kept ? 0 : net_open(n, until_ns);

		if (err)
			return err;
		err = exchange(n, parts, part_cnt, reply, until_ns, &any);
		if (err || !reply->keep_alive)
			net_close(n);
		/* the server closed a connection it had kept: that says nothing about this request */
		if (err && err != -ETIMEDOUT && kept && !any)
			continue;
		return err;
	}
}
