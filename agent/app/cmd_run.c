/* SPDX-License-Identifier: Apache-2.0 */
/* `run`, `record` and the sandbox self-test: check what must be true, open what the agent gets, start the warden. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/caps.h"
#include "app/commands.h"
#include "app/launch.h"
#include "app/resolve.h"
#include "app/statedir.h"
#include "app/warden.h"
#include "base/log.h"

enum config_output output_of(const struct config *c)
{
	if (c->output != OUT_AUTO)
		return (enum config_output)c->output;
	return isatty(STDOUT_FILENO) ? OUT_TABLE : OUT_JSON;
}

static int check_privilege(void)
{
	char names[256];

	if (!caps_missing(names, sizeof(names)))
		return EXIT_OK;
	log_err("run", "missing %s: start kernspan as root, or see `kernspan doctor`", names);
	return EXIT_PRIVILEGE;
}

static int check_ring(const struct config *c)
{
	uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);

	if (c->ring_bytes <= memory / 4)
		return EXIT_OK;
	log_err("run", "ring_bytes is more than a quarter of this machine's memory");
	return EXIT_USAGE;
}

static int find_user(const struct config *c, struct agent_cfg *a)
{
	const char *name = c->user[0] ? c->user : "kernspan";
	const struct passwd *pw = getpwnam(name);

	if (!pw && !c->user[0]) {
		name = "nobody";
		pw = getpwnam(name);
	}
	if (!pw) {
		log_err("run", "there is no user %s; name one with --user", name);
		return EXIT_USAGE;
	}
	if (pw->pw_uid == 0) {
		log_err("run", "--user root: the agent process must be unprivileged");
		return EXIT_USAGE;
	}
	a->uid = pw->pw_uid;
	a->gid = pw->pw_gid;
	return EXIT_OK;
}

/* A file for ourselves and the invoking user: one that somebody else laid down before us, or holds by another name,
 * would hand prompts to him. A pipe or a device stays as it is. 0 or -errno. */
static int claim_recording(int fd)
{
	struct launch_user user = { .uid = geteuid(), .gid = getegid() };
	struct stat st;
	int err = launch_user(&user);

	if (err < 0)
		return err;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return 0;
	if ((st.st_uid != geteuid() && st.st_uid != user.uid) || st.st_nlink > 1)
		return -EPERM;
	if (fchmod(fd, 0600) < 0 || ftruncate(fd, 0) < 0)
		return -errno;
	return st.st_uid != user.uid && fchown(fd, user.uid, user.gid) < 0 ? -errno : 0;
}

static int open_recording(struct agent_cfg *a, const char *path, bool redact)
{
	a->record_fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int err = a->record_fd < 0 ? -errno : claim_recording(a->record_fd);
	if (err) {
		log_err("record", "cannot write %s: %s", path,
			err == -EPERM ? "it belongs to another user, or has a second name" : strerror(-err));
		return EXIT_RUNTIME;
	}
	if (!redact)
		log_warn("record",
			 "%s will hold prompts, answers and credentials as sent; consider --redact",
			 path);
	else
		log_info(
			"record",
			"%s will hold masked text; keys of JSON, names of models and tools, and paths stay",
			path);
	return EXIT_OK;
}

static int fill_head(const struct config *c, struct record_head *h)
{
	const char *resource = getenv("OTEL_RESOURCE_ATTRIBUTES");

	*h = (struct record_head){ .magic = RECORD_MAGIC,
				   .abi = KS_EVENT_ABI,
				   .head_len = sizeof(*h),
				   .flags = c->redact ? RECORD_REDACTED : 0 };
	if (c->seed)
		memcpy(h->seed, &c->seed, sizeof(c->seed));
	else if (getrandom(h->seed, sizeof(h->seed), 0) != sizeof(h->seed))
		return EXIT_RUNTIME;
	snprintf(h->version, sizeof(h->version), "%s", KS_VERSION);
	if (gethostname(h->host, sizeof(h->host) - 1) < 0)
		h->host[0] = 0;
	if (resource && strlen(resource) >= sizeof(h->resource)) {
		log_err("run", "OTEL_RESOURCE_ATTRIBUTES is longer than %zu bytes",
			sizeof(h->resource) - 1);
		return EXIT_USAGE;
	}
	snprintf(h->resource, sizeof(h->resource), "%s", resource ? resource : "");
	return EXIT_OK;
}

/* 5.10 charges maps to this limit; later kernels charge them to the memory cgroup. */
static void raise_memlock(void)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

	if (setrlimit(RLIMIT_MEMLOCK, &all) < 0)
		log_debug("run", "RLIMIT_MEMLOCK stays as it is: %s", strerror(errno));
}

static int check_pids(const struct config *c)
{
	for (size_t i = 0; i < c->pid.cnt; i++) {
		if (kill(c->pid.at[i], 0) < 0 && errno == ESRCH) {
			log_err("run", "there is no process %d", (int)c->pid.at[i]);
			return EXIT_RUNTIME;
		}
	}
	return EXIT_OK;
}

static int prepare(struct config *c, struct agent_cfg *a)
{
	char why[256];
	int code = check_privilege() ?: check_ring(c) ?: check_pids(c) ?: find_user(c, a) ?: fill_head(c, &a->head);

	if (code)
		return code;
	a->store = strcmp(c->store, "none") != 0 && c->store[0];
	a->otlp = otlp_endpoint(c) != NULL;
	int err = a->store ? statedir_open(c->store, a->uid, a->gid, &a->root_fd, why, sizeof(why))
			   : statedir_empty(&a->root_fd, why, sizeof(why));
	if (err) {
		log_err("run", "%s", why);
		return EXIT_RUNTIME;
	}
	if (c->record[0])
		code = open_recording(a, c->record, c->redact);
	raise_memlock();
	return code;
}

static int run(struct config *c, enum config_output output)
{
	static struct agent_cfg a;

	a = (struct agent_cfg){ .config = c, .output = output, .root_fd = -1, .record_fd = -1 };
	if (c->check_config) {
		config_print(c, stdout);
		return EXIT_OK;
	}
	if (output == OUT_TEXT) {
		log_err("run",
			"--output=text is for stats and doctor; expected json, table or none");
		return EXIT_USAGE;
	}
	if (fcntl(STDOUT_FILENO, F_GETFD) < 0 && output != OUT_NONE) {
		log_err("run", "standard output is closed; use --output=none");
		return EXIT_RUNTIME;
	}
	int code = prepare(c, &a);
	return code ? code : warden_run(c, &a);
}

static int extra_args(const struct config *c, size_t allowed)
{
	if (c->arg_cnt <= allowed)
		return EXIT_OK;
	fprintf(stderr, "kernspan: unexpected argument %s; a program to run comes after --\n",
		c->args[allowed]);
	return EXIT_USAGE;
}

int cmd_run(struct config *c)
{
	return extra_args(c, 0) ?: run(c, output_of(c));
}

int cmd_record(struct config *c)
{
	if (c->arg_cnt == 0) {
		fprintf(stderr, "kernspan: record needs a file to write\n");
		return EXIT_USAGE;
	}
	c->record = c->args[0];
	return extra_args(c, 1) ?: run(c, OUT_NONE);
}

/* The agent process without a kernel side: enters the same sandbox and tries what must fail there. */
int cmd_selftest(struct config *c)
{
	static struct agent_cfg a;
	char why[256];
	int status, code;

	a = (struct agent_cfg){ .config = c, .output = OUT_NONE, .root_fd = -1, .record_fd = -1 };
	if (c->arg_cnt != 1 || strcmp(c->args[0], "sandbox") != 0) {
		fprintf(stderr, "kernspan: selftest knows only: sandbox\n");
		return EXIT_USAGE;
	}
	code = check_privilege() ?: find_user(c, &a);
	if (code)
		return code;
	if (statedir_empty(&a.root_fd, why, sizeof(why))) {
		log_err("selftest", "%s", why);
		return EXIT_RUNTIME;
	}
	pid_t self = getpid(), pid = fork();
	if (pid == 0)
		_exit(agent_selftest(&a, self));
	return pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) ? EXIT_RUNTIME
									     : WEXITSTATUS(status);
}
