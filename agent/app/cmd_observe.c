/* SPDX-License-Identifier: Apache-2.0 */
/* `observe`: spans of the store, filtered, as a table or JSON lines; --follow waits for more. Main thread. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "app/commands.h"
#include "base/log.h"
#include "base/loop.h"
#include "store/query.h"

#define FOLLOW_MS 250

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	(void)sig;
	interrupted = 1;
}

static const char *or_null(const char *s)
{
	return s[0] ? s : NULL;
}

static bool color_wanted(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no && *no) && !(term && strcmp(term, "dumb") == 0);
}

static int print_spans(struct config *c, struct query *q)
{
	enum config_output output = output_of(c);
	struct query_print print = { .out = stdout, .color = color_wanted() };
	struct query_filter filter = {
		.last = c->last,
		.model = or_null(c->model),
		.provider = or_null(c->provider),
		.service = or_null(c->service),
		.status = or_null(c->status),
		.min_duration_ns = c->slower_ms * 1000000,
		.pid = c->pid.cnt ? (uint32_t)c->pid.at[0] : 0,
		.since_ns = c->since ? clock_ns(CLOCK_REALTIME) - c->since * 1000000000 : 0,
	};
	int64_t after = 0;
	int err;

	do {
		err = query_run(q, &filter, &after,
				output == OUT_TABLE ? query_print_table : query_print_json, &print);
		if (fflush(stdout) == EOF || ferror(stdout))
			return EXIT_OK; /* the reader has left */
		filter.last = 0;	/* what follows is not cut */
		if (c->follow && !err)
			usleep(FOLLOW_MS * 1000);
	} while (c->follow && !err && !interrupted);
	if (err < 0)
		log_err("observe", "cannot read the store: %s", strerror(-err));
	return err < 0 ? EXIT_RUNTIME : EXIT_OK;
}

/* The store is written by the process that parses strangers' bytes. If that is ever taken over, root must not be the
 * one who reads what it left: look at it as its owner, from inside its directory. 1: done; 0: no need; -errno. */
static int become_owner(const char *dir)
{
	int fd = geteuid() ? -1 : open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;
	struct stat st;

	if (fd < 0) /* not root, or query_open() says what is wrong */
		return 0;
	if (fstat(fd, &st) < 0)
		err = -errno;
	else if (st.st_uid == 0)
		err = 1;
	tzset(); /* before the chroot hides the zone files */
	if (!err && (fchdir(fd) < 0 || chroot(".") < 0 || setgroups(0, NULL) < 0 ||
		     setresgid(st.st_gid, st.st_gid, st.st_gid) < 0 || setresuid(st.st_uid, st.st_uid, st.st_uid) < 0))
		err = -errno;
	close(fd);
	return err < 0 ? err : !err;
}

int cmd_observe(struct config *c)
{
	struct query *q = NULL;
	char why[256] = "";

	if (strcmp(c->store, "none") == 0) {
		fprintf(stderr, "kernspan: no store is configured; name one with --store\n");
		return EXIT_USAGE;
	}
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	int err = become_owner(c->store);
	if (err >= 0)
		err = query_open(err ? "/" : c->store, &q, why, sizeof(why));
	if (err) {
		log_err("observe", "%s", why[0] ? why : strerror(-err));
		return err == -EACCES || err == -EPERM ? EXIT_PRIVILEGE : EXIT_RUNTIME;
	}
	int code = print_spans(c, q);
	query_close(q);
	return code;
}
