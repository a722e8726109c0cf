/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Processes: exec, exit, fork, for the privileged process (control ring). */
#include "proc.bpf.h"

#include <bpf/bpf_tracing.h>

/* Calls that will not return: exit or exec from within a callback, or a system call that ends the thread. */
static __always_inline void proc_forget_calls(void)
{
	__u64 key = bpf_get_current_pid_tgid(), inner = key | KS_INNER;

	bpf_map_delete_elem(&ks_calls, &key);
	bpf_map_delete_elem(&ks_calls, &inner);
	bpf_map_delete_elem(&ks_sockcalls, &key);
}

SEC("?raw_tp/sched_process_exec")
int proc_exec(void *ctx)
{
	proc_forget_calls();
	if (ks_watched(ks_tgid()))
		ks_proc_emit(KS_EV_EXEC, NULL);
	return 0;
}

/*
 * do_exit() has already counted the thread out of signal->live, so 0 means it was the last
 * (kernel/exit.c).
 */
SEC("?raw_tp/sched_process_exit")
int proc_exit(void *ctx)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	__u32 tgid = ks_tgid();
	struct ks_ev_proc *e;

	proc_forget_calls();
	if (BPF_CORE_READ(task, signal, live.counter))
		return 0;
	if (ks_watched(tgid)) {
		ks_proc_emit(KS_EV_EXIT, NULL);
		e = bpf_ringbuf_reserve(&ks_data, sizeof(*e), 0);
		if (e) {
			ks_proc_fill(e, KS_EV_EXIT, task, NULL);
			bpf_ringbuf_submit(e, ks_wakeup(sizeof(*e)));
		} else {
			ks_count(KS_DROP_ring_full_records, 1);
		}
	}
	bpf_map_delete_elem(&ks_marks, &tgid);
	return 0;
}

/* Children inherit the mark. Threads are tasks too, but share their group's id. */
SEC("?raw_tp/sched_process_fork")
int BPF_PROG(proc_fork, struct task_struct *parent, struct task_struct *child)
{
	__u32 from = BPF_CORE_READ(parent, tgid), to = BPF_CORE_READ(child, tgid);
	__u32 *mark = bpf_map_lookup_elem(&ks_marks, &from);

	if (mark && from != to) {
		__u32 copy = *mark;

		bpf_map_update_elem(&ks_marks, &to, &copy, BPF_ANY);
	}
	return 0;
}
