/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `kernspan selftest sandbox`: from inside the sandbox of the agent process, try what must not work. TAP on standard
 * output. Agent process, one thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "app/sandbox.h"

static int number, failed;

static void refused(const char *what, long result)
{
	int err = errno;

	number++;
	if (result < 0) {
		printf("ok %d - %s is refused (%s)\n", number, what, strerror(err));
		return;
	}
	failed++;
	printf("not ok %d - %s works\n", number, what);
}

static void try_files(pid_t other)
{
	char path[64];

	refused("opening /etc/shadow", open("/etc/shadow", O_RDONLY));
	refused("opening /etc/passwd", open("/etc/passwd", O_RDONLY));
	refused("opening ../../etc/passwd", open("../../etc/passwd", O_RDONLY));
	refused("opening /proc/1/environ", open("/proc/1/environ", O_RDONLY));
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)other);
	refused("opening another process's memory", open(path, O_RDONLY));
	refused("open_by_handle_at", syscall(SYS_open_by_handle_at, -1, NULL, 0));
	refused("chroot", chroot("/"));
	refused("mount", syscall(SYS_mount, "none", "/", "tmpfs", 0, NULL));
}

static void try_kernel(pid_t other)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1
	};
	char byte;
	struct iovec here = { &byte, 1 }, there = { (void *)0x1000, 1 };

	refused("bpf(BPF_MAP_CREATE)", syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)));
	memset(&attr, 0, sizeof(attr));
	refused("bpf(BPF_MAP_GET_NEXT_ID)",
		syscall(SYS_bpf, BPF_MAP_GET_NEXT_ID, &attr, sizeof(attr)));
	refused("perf_event_open", syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
	refused("ptrace(PTRACE_ATTACH)", ptrace(PTRACE_ATTACH, other, NULL, NULL));
	refused("ptrace(PTRACE_TRACEME)", ptrace(PTRACE_TRACEME, 0, NULL, NULL));
	refused("process_vm_readv", process_vm_readv(other, &here, 1, &there, 1, 0));
	refused("kill of another process", kill(other, SIGCONT));
	refused("pidfd_open", syscall(SYS_pidfd_open, other, 0));
}

static void try_power(void)
{
	refused("execve", execl("/bin/sh", "sh", NULL));
	refused("fork", syscall(SYS_fork));
	refused("setuid(0)", setuid(0));
	refused("unshare of a user namespace", syscall(SYS_unshare, 0x10000000));
	refused("a unix socket", socket(AF_UNIX, SOCK_STREAM, 0));
	refused("a raw socket", socket(AF_INET, SOCK_RAW, 6));
	refused("a packet socket", socket(AF_PACKET, SOCK_RAW, 0));
	refused("a netlink socket", socket(AF_NETLINK, SOCK_RAW, 0));
	void *page = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	refused("executable memory", page == MAP_FAILED ? -1 : 0);
}

int sandbox_selftest(pid_t other)
{
	number = failed = 0;
	try_files(other);
	try_kernel(other);
	try_power();
	printf("1..%d\n", number);
	fflush(stdout);
	return failed;
}
