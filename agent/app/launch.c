/* SPDX-License-Identifier: Apache-2.0 */
/* Fork, hold, change to the invoking user (SUDO_UID, SUDO_GID), exec. The parent keeps the pid and one pipe end. */
#include "app/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXIT_NO_EXEC 127 /* as shells do */

/* A number that is an id, not text, an empty string or -1, which setresuid(2) takes for "leave it". */
static bool id_of(const char *text, uint32_t *ret)
{
	char *end;

	errno = 0;
	unsigned long n = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || n >= UINT32_MAX)
		return false;
	*ret = (uint32_t)n;
	return true;
}

int launch_user(struct launch_user *ret)
{
	const char *uid = getenv("SUDO_UID"), *gid = getenv("SUDO_GID");
	struct launch_user user;

	if (geteuid() != 0 || !uid || !gid)
		return 0;
	if (!id_of(uid, &user.uid) || !id_of(gid, &user.gid))
		return -EINVAL;
	*ret = user;
	return 1;
}

/* 0 or -errno. Without sudo the program runs as we do. */
static int become_invoker(void)
{
	struct launch_user user;
	int err = launch_user(&user);

	if (err <= 0)
		return err;
	const struct passwd *pw = getpwuid(user.uid);
	if ((pw ? initgroups(pw->pw_name, user.gid) : setgroups(0, NULL)) < 0 ||
	    setresgid(user.gid, user.gid, user.gid) < 0 || setresuid(user.uid, user.uid, user.uid) < 0)
		return -errno;
	if (pw) { /* sudo has set these for root */
		setenv("HOME", pw->pw_dir, 1);
		setenv("USER", pw->pw_name, 1);
		setenv("LOGNAME", pw->pw_name, 1);
	}
	return 0;
}

/* Where TLS libraries are installed; what the program brings itself is found when it maps it. */
static const char *const libraries[] = {
	"/lib/*/libssl.so.*",	  "/usr/lib/*/libssl.so.*",	"/usr/lib64/libssl.so.*",
	"/usr/lib/libssl.so.*",	  "/usr/local/lib/libssl.so.*", "/usr/local/lib*/*/libssl.so.*",
	"/opt/*/lib/libssl.so.*",
};

/* A mapping that the walk of /proc finds; it lasts until the exec. */
static void map_file(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe of that name holds nobody up */

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
		(void)mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	close(fd);
}

/* A program may be done before a mapping that it makes is noticed and attached to. So the held child maps what the
 * program is likely to use, its own file included, and the walk of /proc attaches to it before the program runs. */
static void map_ahead(const char *program)
{
	const char *path = getenv("PATH");
	char file[4096];
	glob_t g;

	for (size_t i = 0; i < sizeof(libraries) / sizeof(*libraries); i++) {
		if (glob(libraries[i], 0, NULL, &g))
			continue;
		for (size_t j = 0; j < g.gl_pathc; j++)
			map_file(g.gl_pathv[j]);
		globfree(&g);
	}
	if (strchr(program, '/'))
		map_file(program);
	while (!strchr(program, '/') && path && *path) {
		size_t len = strcspn(path, ":");
		snprintf(file, sizeof(file), "%.*s/%s", (int)len, path, program);
		if (access(file, X_OK) == 0) {
			map_file(file);
			return;
		}
		path += len + (path[len] == ':');
	}
}

static void child(char **argv, int go_fd, int mapped_fd)
{
	sigset_t none;
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	map_ahead(argv[0]);
	close(mapped_fd);
	if (read(go_fd, &byte, 1) != 1)
		_exit(0); /* starting failed; the parent has said why */
	if (dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		_exit(EXIT_NO_EXEC);
	int err = become_invoker();
	if (err) {
		fprintf(stderr, "kernspan: cannot become the invoking user: %s\n", strerror(-err));
		_exit(EXIT_NO_EXEC);
	}
	prctl(PR_SET_PDEATHSIG, SIGTERM); /* the change of user cleared it (prctl(2)) */
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execvp(argv[0], argv);
	fprintf(stderr, "kernspan: %s: %s\n", argv[0], strerror(errno));
	_exit(EXIT_NO_EXEC);
}

int launch_new(char **argv, struct launch *ret)
{
	int fd[2], mapped[2];
	char byte;

	if (pipe2(fd, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(mapped, O_CLOEXEC) < 0) {
		int err = -errno;
		close(fd[0]);
		close(fd[1]);
		return err;
	}
	pid_t pid = fork();
	if (pid < 0) {
		int err = -errno;
		for (int i = 0; i < 2; i++) {
			close(fd[i]);
			close(mapped[i]);
		}
		return err;
	}
	if (pid == 0) {
		close(fd[1]);
		close(mapped[0]);
		child(argv, fd[0], mapped[1]);
	}
	close(fd[0]);
	close(mapped[1]);
	while (read(mapped[0], &byte, 1) < 0 &&
	       errno == EINTR) /* the end of it: the child has mapped, or is gone */
		;
	close(mapped[0]);
	*ret = (struct launch){ .pid = pid, .go_fd = fd[1] };
	return 0;
}

void launch_go(struct launch *l)
{
	if (write(l->go_fd, "g", 1) < 0)
		fprintf(stderr, "kernspan: the program is gone\n");
	close(l->go_fd);
	l->go_fd = -1;
}
