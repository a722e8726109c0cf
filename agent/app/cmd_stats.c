/* SPDX-License-Identifier: Apache-2.0 */
/* `stats`: read the snapshot from the control socket and print it, as JSON or as indented text. Main thread. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "app/commands.h"
#include "export/buf.h"

#define SNAPSHOT_CAP (1024 * 1024)

/* JSON of our own making as indented lines: keys and values without their punctuation. */
static void put_text(FILE *out, struct slice s)
{
	int depth = -1;
	bool in_str = false, esc = false;

	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		if (in_str) {
			in_str = esc || c != '"';
			esc = !esc && c == '\\';
			if (in_str && !esc)
				fputc(c, out);
			continue;
		}
		switch (c) {
		case '"':
			in_str = true;
			break;
		case '{':
		case '[':
			depth++;
			if (depth > 0 && s.ptr[i - 1] != '[')
				fprintf(out, "\n%*s", depth * 2, "");
			break;
		case '}':
		case ']':
			depth--;
			break;
		case ',':
			fprintf(out, "\n%*s", depth * 2, "");
			break;
		case ':':
			fputs(": ", out);
			break;
		default:
			fputc(c, out);
		}
	}
}

/* 0 or -errno. */
static int read_all(int fd, struct buf *b)
{
	for (;;) {
		char *room = buf_room(b, 65536);
		ssize_t n = room ? read(fd, room, 65536) : -1;
		if (n == 0)
			return 0;
		if (n < 0 && (!room || errno != EINTR))
			return room ? -errno : -ENOMEM;
		b->len += n > 0 ? (size_t)n : 0;
	}
}

static int connect_to(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(addr.sun_path))
		errno = ENAMETOOLONG;
	else
		memcpy(addr.sun_path, path, strlen(path) + 1);
	if (fd < 0 || !addr.sun_path[0] ||
	    connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		int err = -errno;
		if (fd >= 0)
			close(fd);
		return err;
	}
	return fd;
}

int cmd_stats(struct config *c)
{
	enum config_output output = (enum config_output)c->output;
	struct buf b;
	int fd = connect_to(c->control);

	if (fd < 0) {
		bool denied = fd == -EACCES || fd == -EPERM;
		fprintf(stderr, "kernspan: %s at %s: %s\n",
			denied ? "may not ask the agent" : "no agent answers", c->control,
			strerror(-fd));
		return denied ? EXIT_PRIVILEGE : EXIT_RUNTIME;
	}
	buf_init(&b, SNAPSHOT_CAP);
	int err = read_all(fd, &b);
	close(fd);
	if (!err && b.len == 0)
		err = -ECONNRESET;
	if (err)
		fprintf(stderr, "kernspan: the agent did not answer: %s\n", strerror(-err));
	else if (output == OUT_JSON || (output == OUT_AUTO && !isatty(STDOUT_FILENO)))
		fwrite(b.ptr, 1, b.len, stdout);
	else if (output != OUT_NONE)
		put_text(stdout, buf_slice(&b));
	buf_done(&b);
	return err ? EXIT_RUNTIME : EXIT_OK;
}
