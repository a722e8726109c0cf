/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is a return probe deadly for sandboxed processes on this kernel? Since 6.11 a return probe on
 * x86-64 comes back to the kernel by a system call of its own, and until seccomp lets that one pass
 * unfiltered (6.14, and stable updates of 6.12 and 6.13) the filter of a sandbox kills the process
 * for it (docs/decisions/005-probe-sites.md). Asked by doing it, in children that may die.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe/internal.h"

#if defined(__x86_64__)

#define NR_URETPROBE	 335 /* arch/x86/entry/syscalls/syscall_64.tbl */
#define SET_NO_NEW_PRIVS 38  /* linux/prctl.h, PR_SET_NO_NEW_PRIVS */

/*
 * The child's answer, as its exit code. A call from elsewhere than the return trampoline ends in
 * SIGILL (arch/x86/kernel/uprobes.c, sys_uretprobe()): then it got past the filter.
 */
enum { SAID_NOTHING, SAID_PASSED, SAID_FILTERED, SAID_ABSENT };

static int child_filter(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NR_URETPROBE, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EDOM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog prog = { sizeof(code) / sizeof(code[0]), code };

	return syscall(SYS_prctl, SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	       syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog);
}

static int ask(bool filtered)
{
	const struct rlimit none = { 0, 0 };
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		(void)setrlimit(RLIMIT_CORE, &none);
		if (filtered && child_filter())
			_exit(SAID_NOTHING);
		(void)syscall(NR_URETPROBE);
		_exit(errno == ENOSYS ? SAID_ABSENT : SAID_FILTERED);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return SAID_NOTHING;
	if (pid > 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGILL)
		return SAID_PASSED;
	if (pid > 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		return SAID_FILTERED;
	return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : SAID_NOTHING;
}

bool hazard_return_probes(void)
{
	int plain = ask(false);

	/* refused already: by the filter of the sandbox this process lives in */
	return plain == SAID_FILTERED || (plain == SAID_PASSED && ask(true) == SAID_FILTERED);
}

#else

bool hazard_return_probes(void)
{
	return false;
}

#endif
