/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this kernel and these privileges allow, found by trying: for `kernspan doctor`. Every
 * question answers, whatever is missing. Main thread; what is opened here is closed here.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include "probe/internal.h"

struct doctor {
	void (*fn)(void *ctx, const char *name, int err, const char *advice);
	void *ctx;
};

static void say(const struct doctor *d, const char *name, int err, const char *advice)
{
	d->fn(d->ctx, name, err, err ? advice : "");
}

static int quiet(enum libbpf_print_level level, const char *fmt, va_list args)
{
	(void)level;
	(void)fmt;
	(void)args;
	return 0;
}

static int read_text(const char *path, char *buf, size_t len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, len - 1);
	int err = n < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	buf[n < 0 ? 0 : n] = '\0';
	return err;
}

static void ask_ring(const struct doctor *d)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "ks_try", 0, 0, KS_RING_BYTES, NULL);
	int err = fd < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	/*
	 * without BTF and CO-RE nothing else can be loaded either, so the size is what may be wrong
	 * here
	 */
	say(d, "ring buffer", err,
	    err == -EINVAL
		    ? "needs Linux 5.8 or later"
		    : "no permission, or the limit of locked memory is too low before Linux 5.11: ulimit -l unlimited");
}

static int load_return(enum bpf_prog_type type)
{
	const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(type, "ks_try", "Dual BSD/GPL", code, 2, NULL);

	return fd < 0 ? -errno : fd;
}

static void ask_tracepoints(const struct doctor *d)
{
	int prog = load_return(BPF_PROG_TYPE_RAW_TRACEPOINT);
	int link = prog < 0 ? prog : bpf_raw_tracepoint_open("sched_process_exec", prog);
	int err = link < 0 ? (prog < 0 ? prog : -errno) : 0;

	if (prog >= 0)
		close(prog);
	if (link >= 0)
		close(link);
	say(d, "tracepoints", err,
	    "needs CAP_BPF and CAP_PERFMON, and CONFIG_TRACEPOINTS in the kernel");
}

/*
 * A probe at this program's own first instruction: the same path as any library, and nobody runs it
 * again.
 */
static int try_uprobe(void)
{
	char text[32];
	int err = read_text("/sys/bus/event_source/devices/uprobe/type", text, sizeof(text));
	struct perf_event_attr attr = { .size = sizeof(attr) };
	int fd;

	if (err)
		return err == -ENOENT ? -ENOSYS : err;
	attr.type = (__u32)strtoul(text, NULL, 10);
	attr.config1 = (__u64)(uintptr_t)"/proc/self/exe"; /* uprobe_path */
	attr.config2 = 0; /* probe_offset: the ELF header, never executed */
	fd = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static void ask_uprobes(const struct doctor *d)
{
	int prog = load_return(BPF_PROG_TYPE_KPROBE);
	int err = prog < 0 ? prog : try_uprobe();

	if (prog >= 0)
		close(prog);
	say(d, "uprobes", err,
	    err == -ENOSYS ? "the kernel has no CONFIG_UPROBE_EVENTS: TLS traffic cannot be seen"
			   : "needs CAP_BPF and CAP_PERFMON (or kernel.perf_event_paranoid <= 1)");
}

static bool struct_has(const struct btf *btf, const char *type, const char *member)
{
	int id = btf__find_by_name_kind(btf, type, BTF_KIND_STRUCT);
	const struct btf_type *t = id > 0 ? btf__type_by_id(btf, (__u32)id) : NULL;
	const struct btf_member *m = t ? btf_members(t) : NULL;

	for (int i = 0; t && i < btf_vlen(t); i++)
		if (strcmp(btf__name_by_offset(btf, m[i].name_off), member) == 0)
			return true;
	return false;
}

/*
 * Private stacks without a way to forbid preemption: a preempted uprobe program can bring the host
 * down (tls.md section 0.1). Both are asked of the kernel's types.
 */
static void ask_preemption(const struct doctor *d)
{
	struct btf *btf = object_btf();
	bool risk;

	if (!btf)
		return; /* a line of its own in `doctor` */
	risk = struct_has(btf, "bpf_prog_aux", "priv_stack_ptr") &&
	       btf__find_by_name_kind(btf, "bpf_preempt_disable", BTF_KIND_FUNC) < 0;
	say(d, "preemption guard", risk ? -ENOTSUP : 0,
	    "this kernel can preempt uprobe programs on a shared stack and offers no bpf_preempt_disable()");
	btf__free(btf);
}

static void ask_return_probes(const struct doctor *d)
{
	say(d, "return probes", hazard_return_probes() ? -ENOTSUP : 0,
	    "this kernel kills sandboxed processes at a return probe, so no TLS is seen: update to Linux 6.14, or to a "
	    "stable 6.12 or 6.13 that lets uretprobe() pass seccomp");
}

/* One family is enough: the others' rows say why they would not do. */
static void ask_families(const struct doctor *d)
{
	char why[256], name[64];

	for (int f = 0; f < FAMILY_SOCKET_CNT; f++) {
		const struct probe_cfg cfg = { .bpf = { .wake_bytes = KS_WAKE_BYTES,
							.call_cap = KS_CALL_CAP },
					       .ring_bytes = 1024 * 1024 };
		struct probe trial = { .family = (enum probe_family)f };
		int err = object_load(&trial, trial.family, &cfg, why, sizeof(why));

		if (!err)
			object_unload(&trial);
		snprintf(name, sizeof(name), "sockets by %s", family_name(trial.family));
		say(d, name, err, why);
	}
}

void probe_doctor(void (*fn)(void *ctx, const char *name, int err, const char *advice), void *ctx)
{
	const struct doctor d = { fn, ctx };
	libbpf_print_fn_t was = libbpf_set_print(quiet);

	ask_preemption(&d);
	ask_ring(&d);
	ask_tracepoints(&d);
	ask_uprobes(&d);
	ask_return_probes(&d);
	libbpf_set_print(was);
	ask_families(&d);
}
