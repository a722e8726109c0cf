/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Facts about processes, for the control ring: shared by what sees exec and exit, and by the
 * families that see mmap.
 */
#pragma once

#include "emit.bpf.h"

static __always_inline void ks_proc_fill(struct ks_ev_proc *e, __u16 kind, struct task_struct *task,
					 const struct ks_file *f)
{
	e->h.kind = kind;
	e->h.flags = 0;
	e->h.len = sizeof(*e);
	e->h.ts_ns = bpf_ktime_get_ns();
	e->h.tgid = bpf_get_current_pid_tgid() >> 32;
	e->h.tid = (__u32)bpf_get_current_pid_tgid();
	e->h.proc_start_ns = ks_proc_start(task);
	e->h.id = 0;
	e->ppid = BPF_CORE_READ(task, real_parent, tgid);
	e->dev = f ? f->dev : 0;
	e->ino = f ? f->ino : 0;
	e->igen = f ? f->igen : 0;
	e->pad = 0;
	bpf_get_current_comm(e->comm, sizeof(e->comm));
}

static __always_inline void ks_proc_emit(__u16 kind, const struct ks_file *f)
{
	struct ks_ev_proc *e = bpf_ringbuf_reserve(&ks_ctl, sizeof(*e), 0);

	if (!e) {
		ks_count(KS_DROP_ctl_ring_full, 1);
		return;
	}
	ks_proc_fill(e, kind, (struct task_struct *)bpf_get_current_task(), f);
	bpf_ringbuf_submit(e, 0);
}

/* True when the file needs looking at. */
static __always_inline bool ks_mmap_new(struct file *file, struct ks_file *ret_f)
{
	struct inode *inode = BPF_CORE_READ(file, f_inode);

	ret_f->ino = BPF_CORE_READ(inode, i_ino);
	ret_f->dev = BPF_CORE_READ(inode, i_sb, s_dev);
	ret_f->igen = BPF_CORE_READ(inode, i_generation);
	return !bpf_map_lookup_elem(&ks_seen, ret_f);
}

static __always_inline void ks_mmap_enter(struct file *file)
{
	__u64 key = bpf_get_current_pid_tgid();
	struct ks_file f;

	if (ks_mmap_new(file, &f))
		bpf_map_update_elem(&ks_mmaps, &key, &f, BPF_ANY);
}

static __always_inline void ks_mmap_return(void)
{
	__u64 key = bpf_get_current_pid_tgid();
	struct ks_file *f = bpf_map_lookup_elem(&ks_mmaps, &key);

	if (!f)
		return;
	ks_proc_emit(KS_EV_MMAP, f);
	bpf_map_delete_elem(&ks_mmaps, &key);
}
