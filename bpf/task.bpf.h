/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Small things every program needs: counters, numbers, who the current task is and whether it is
 * watched.
 */
#pragma once

#include "maps.bpf.h"

/*
 * A word of a program's context at a constant offset. In C the compiler merges two such loads into
 * one with a chosen offset, which the verifier refuses ("dereference of modified ctx ptr").
 */
#define KS_CTX_WORD(ctx, off)                                                              \
	({                                                                                 \
		__u64 word_;                                                               \
		asm volatile("%0 = *(u64 *)(%1 + %2)" : "=r"(word_) : "r"(ctx), "i"(off)); \
		word_;                                                                     \
	})

/* Atomic: programs run on every CPU, and interrupts nest in them. */
static __always_inline void ks_count(__u32 what, __u64 n)
{
	__u64 *v = bpf_map_lookup_elem(&ks_counters, &what);

	if (v)
		__sync_fetch_and_add(v, n);
}

/*
 * A number never given before, 0 if none was to be had. Kernels before 5.12 have no atomic that
 * returns the old value (BPF_FETCH), so the counter only proposes; the insertion that must be new
 * decides. Two users of one proposal are within one increment of each other, far less than ks_ids
 * remembers.
 */
static __always_inline __u64 ks_new_id(void)
{
	__u32 zero = 0;
	__u64 *last = bpf_map_lookup_elem(&ks_last_id, &zero);

	if (!last)
		return 0;
	for (int i = 0; i < 8; i++) {
		__u64 id;
		__u8 taken = 1;

		__sync_fetch_and_add(last, 1);
		id = *(volatile __u64 *)last;
		if (!bpf_map_update_elem(&ks_ids, &id, &taken, BPF_NOEXIST))
			return id;
	}
	return 0;
}

static __always_inline __u32 ks_tgid(void)
{
	return bpf_get_current_pid_tgid() >> 32;
}

/* Of the thread group's leader: names the process, however often its id is reused. */
static __always_inline __u64 ks_proc_start(struct task_struct *task)
{
	return BPF_CORE_READ(task, group_leader, start_boottime);
}

enum bpf_func_id___ks {
	/* any number: the kernel's own is asked for by name */
	BPF_FUNC_get_current_task_btf___ks = 1,
	BPF_FUNC_get_attach_cookie___ks = 2,
};

/* Of the current process. Since 5.11 the task can be followed without a guarded read for each step. */
static __always_inline __u64 ks_current_start(void)
{
	if (bpf_core_enum_value_exists(enum bpf_func_id___ks, BPF_FUNC_get_current_task_btf___ks))
		return bpf_get_current_task_btf()->group_leader->start_boottime;
	return ks_proc_start((struct task_struct *)bpf_get_current_task());
}

/* The first question of every program. */
static __always_inline bool ks_watched(__u32 tgid)
{
	__u32 *mark = bpf_map_lookup_elem(&ks_marks, &tgid);

	if (cfg.watch == KS_WATCH_LISTED)
		return mark && *mark == KS_MARK_WATCH;
	return !mark || *mark != KS_MARK_DENY;
}

static __always_inline __u8 ks_verdict(__u64 id)
{
	__u32 slot = id % KS_VERDICT_SLOTS;
	__u64 *v = bpf_map_lookup_elem(&ks_verdicts, &slot);

	return v && *v >> 8 == id ? (__u8)*v : KS_V_NONE;
}

/* The open file behind a descriptor of the current task. */
static __always_inline struct file *ks_file_of_fd(__u32 fd)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct fdtable *fdt = BPF_CORE_READ(task, files, fdt);
	struct file **slots = BPF_CORE_READ(fdt, fd);
	struct file *file = NULL;

	if (fd >= BPF_CORE_READ(fdt, max_fds))
		return NULL;
	bpf_probe_read_kernel(&file, sizeof(file), slots + fd);
	return file;
}
