/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sandbox: closed descriptors, chroot, unprivileged user, no capability, no_new_privs, a seccomp allow-list.
 * Agent process, one thread; keeps nothing.
 */
#include "app/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

static int int_cmp(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Close everything but 0, 1, 2 and the list. */
static int close_others(const int *fds, size_t cnt)
{
	int keep[32];
	unsigned int from = 3;

	if (cnt > sizeof(keep) / sizeof(*keep))
		return -E2BIG;
	for (size_t i = 0; i < cnt; i++)
		keep[i] = fds[i];
	qsort(keep, cnt, sizeof(*keep), int_cmp);
	for (size_t i = 0; i <= cnt; i++) {
		unsigned int to = i < cnt ? (unsigned int)keep[i] : ~0u;
		if (i < cnt && keep[i] < (int)from)
			continue;
		if (to > from && syscall(SYS_close_range, from, i < cnt ? to - 1 : ~0u, 0) < 0)
			return -errno;
		from = to + 1;
	}
	return 0;
}

/* Whatever it is - a terminal, or a directory that would lead out of the root - it is not for us to read. */
static int close_input(void)
{
	int fd[2];

	if (pipe2(fd, O_CLOEXEC) < 0) /* its other end is closed with the rest: at once the end of file */
		return -errno;
	int err = dup2(fd[0], STDIN_FILENO) < 0 ? -errno : 0;
	if (fd[0] != STDIN_FILENO)
		close(fd[0]);
	close(fd[1]);
	return err;
}

/* Empties every set. The bounding set needs CAP_SETPCAP; without it no_new_privs stands in. */
static int drop_caps(void)
{
	for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
		(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
		return -errno;
	return 0;
}

static int caps_gone(void)
{
	cap_t none = cap_init(), have;
	int err = none && cap_set_proc(none) == 0 ? 0 : -errno;

	have = cap_get_proc();
	if (!err && (!have || cap_compare(none, have) != 0))
		err = -EPERM;
	cap_free(none);
	cap_free(have);
	return err;
}

/* Calls that carry no authority beyond the descriptors and memory there are. */
static const int plain_calls[] = {
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(readv),
	SCMP_SYS(writev),
	SCMP_SYS(pread64),
	SCMP_SYS(pwrite64),
	SCMP_SYS(close),
	SCMP_SYS(fstat),
	SCMP_SYS(lseek),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(brk),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(select),
	SCMP_SYS(pselect6),
	SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(timerfd_create),
	SCMP_SYS(timerfd_settime),
	SCMP_SYS(eventfd2),
	SCMP_SYS(pipe2),
	SCMP_SYS(futex),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_getres),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(nanosleep),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
	SCMP_SYS(getrandom),
	SCMP_SYS(sched_yield),
	SCMP_SYS(setpriority), /* workers step back; forward needs a capability */
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(rseq),
	SCMP_SYS(set_tid_address),
	SCMP_SYS(membarrier),
	SCMP_SYS(getrusage),
	SCMP_SYS(sysinfo),
	SCMP_SYS(uname),
	SCMP_SYS(fcntl),
	SCMP_SYS(fsync),
	SCMP_SYS(fdatasync),
	SCMP_SYS(ftruncate),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg),
	SCMP_SYS(sendto),
	SCMP_SYS(sendmsg),
	SCMP_SYS(getsockopt),
	SCMP_SYS(shutdown),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

/* The store: SQLite over files of its own directory, which is all that can be named. */
static const int file_calls[] = {
	SCMP_SYS(open),	      SCMP_SYS(openat),	    SCMP_SYS(stat),	 SCMP_SYS(lstat),
	SCMP_SYS(newfstatat), SCMP_SYS(statx),	    SCMP_SYS(access),	 SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2), SCMP_SYS(unlink),	    SCMP_SYS(unlinkat),	 SCMP_SYS(rename),
	SCMP_SYS(renameat),   SCMP_SYS(renameat2),  SCMP_SYS(readlink),	 SCMP_SYS(readlinkat),
	SCMP_SYS(getcwd),     SCMP_SYS(fchmod),	    SCMP_SYS(fallocate), SCMP_SYS(fadvise64),
	SCMP_SYS(flock),      SCMP_SYS(getdents64), SCMP_SYS(mkdir),	 SCMP_SYS(statfs),
	SCMP_SYS(fstatfs),
};

/* Without a store these find nothing; libraries try them and go on (malloc() reads the number of CPUs), so that even
 * with cfg->kill they are no reason to die. */
static int refuse_files(scmp_filter_ctx f)
{
	int err = 0;

	for (size_t i = 0; i < sizeof(file_calls) / sizeof(*file_calls) && !err; i++) {
		err = seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOENT), file_calls[i], 0);
		if (err == -EDOM)
			err = 0;
	}
	return err;
}

static int allow(scmp_filter_ctx f, const int *calls, size_t cnt)
{
	int err = 0;

	for (size_t i = 0; i < cnt && !err; i++) {
		err = seccomp_rule_add(f, SCMP_ACT_ALLOW, calls[i], 0);
		if (err == -EDOM) /* not a call of this architecture */
			err = 0;
	}
	return err;
}

/* Calls that are allowed with some arguments only. */
static int allow_parts(scmp_filter_ctx f, pid_t self)
{
	const uint64_t thread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
	int err = 0;

	/* memory is never made executable */
	err = err
		      ?: seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
					  SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	err = err
		      ?: seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
					  SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	/* threads, not processes; clone3 hides its flags behind a pointer, and glibc falls back at ENOSYS */
	err = err
		      ?: seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
					  SCMP_A0(SCMP_CMP_MASKED_EQ, thread, thread));
	err = err ?: seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	/* abort() of ourselves, names of threads, sizes of terminals */
	err = err
		      ?: seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
					  SCMP_A0(SCMP_CMP_EQ, (uint64_t)self, 0));
	err = err
		      ?: seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
					  SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME, 0));
	err = err
		      ?: seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
					  SCMP_A1(SCMP_CMP_EQ, TCGETS, 0));
	err = err
		      ?: seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
					  SCMP_A1(SCMP_CMP_EQ, TIOCGWINSZ, 0));
	err = err
		      ?: seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
					  SCMP_A1(SCMP_CMP_EQ, FIONBIO, 0));
	/* own limits may be read */
	return err
		       ?: seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2,
					   SCMP_A0(SCMP_CMP_EQ, 0, 0), SCMP_A2(SCMP_CMP_EQ, 0, 0));
}

static int allow_network(scmp_filter_ctx f)
{
	static const int calls[] = { SCMP_SYS(connect), SCMP_SYS(setsockopt), SCMP_SYS(getsockname),
				     SCMP_SYS(getpeername) };
	static const int families[] = { AF_INET, AF_INET6 };
	int err = allow(f, calls, sizeof(calls) / sizeof(*calls));

	for (size_t i = 0; i < 2 && !err; i++)
		err = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
				       SCMP_A0(SCMP_CMP_EQ, (uint64_t)families[i], 0),
				       SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, SOCK_STREAM));
	return err;
}

static int filter_calls(const struct sandbox_cfg *cfg)
{
	scmp_filter_ctx f = seccomp_init(cfg->kill ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ERRNO(EPERM));
	int err = f ? 0 : -ENOMEM;

	err = err ?: seccomp_attr_set(f, SCMP_FLTATR_CTL_NNP, 1);
	err = err ?: allow(f, plain_calls, sizeof(plain_calls) / sizeof(*plain_calls));
	err = err ?: allow_parts(f, getpid());
	if (cfg->network)
		err = err ?: allow_network(f);
	if (cfg->files)
		err = err ?: allow(f, file_calls, sizeof(file_calls) / sizeof(*file_calls));
	else
		err = err ?: refuse_files(f);
	err = err ?: seccomp_load(f);
	if (f)
		seccomp_release(f);
	return err;
}

static int change_user(const struct sandbox_cfg *cfg)
{
	if (setgroups(0, NULL) < 0 || setresgid(cfg->gid, cfg->gid, cfg->gid) < 0 ||
	    setresuid(cfg->uid, cfg->uid, cfg->uid) < 0)
		return -errno;
	/* a change of user makes the process undumpable already; core files would hold prompts */
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? -errno : 0;
}

#define STEP(what, call)                   \
	do {                               \
		int err_ = (call);         \
		if (err_) {                \
			*ret_why = (what); \
			return err_;       \
		}                          \
	} while (0)

int sandbox_enter(const struct sandbox_cfg *cfg, const char **ret_why)
{
	const struct rlimit no_core = { 0, 0 };

	STEP("chdir", fchdir(cfg->root_fd) < 0 ? -errno : 0);
	STEP("chroot", chroot(".") < 0 ? -errno : 0);
	STEP("close standard input", close_input());
	STEP("close descriptors", close_others(cfg->fds, cfg->fd_cnt));
	STEP("core limit", setrlimit(RLIMIT_CORE, &no_core) < 0 ? -errno : 0);
	STEP("capability bounding set", drop_caps());
	STEP("change user", change_user(cfg));
	STEP("drop capabilities", caps_gone());
	/* after the change of user, which clears it (prctl(2)); the agent ends cleanly at SIGTERM */
	STEP("parent death signal", prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) < 0 ? -errno : 0);
	STEP("no_new_privs", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0);
	STEP("seccomp", filter_calls(cfg));
	return 0;
}
