/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Where the bytes of a msghdr are. The iterator is read at entry: at return it has been advanced.
 * Its layout changed at 5.14, 6.0 and 6.4 (tls.md section 5.2); each branch is resolved at load, by
 * field name.
 */
#pragma once

#include "maps.bpf.h"

static __always_inline bool ks_iter_is_ubuf(struct iov_iter *it)
{
	if (!bpf_core_field_exists(it->ubuf) ||
	    !bpf_core_enum_value_exists(enum iter_type, ITER_UBUF))
		return false; /* before 6.0 */
	return BPF_CORE_READ(it, iter_type) == bpf_core_enum_value(enum iter_type, ITER_UBUF);
}

static __always_inline bool ks_iter_is_iovec(struct iov_iter *it)
{
	struct iov_iter___type *old = (void *)it;

	if (bpf_core_field_exists(old->type)) /* before 5.14: a bit */
		return BPF_CORE_READ(old, type) & bpf_core_enum_value(enum iter_type, ITER_IOVEC);
	return BPF_CORE_READ(it, iter_type) == bpf_core_enum_value(enum iter_type, ITER_IOVEC);
}

static __always_inline __u64 ks_iter_iov(struct iov_iter *it)
{
	struct iov_iter___iov *old = (void *)it;

	if (bpf_core_field_exists(old->iov)) /* before 6.4 */
		return (__u64)BPF_CORE_READ(old, iov);
	return (__u64)BPF_CORE_READ(it, __iov);
}

static __always_inline void ks_read_iter(struct msghdr *msg, struct ks_call *call)
{
	struct iov_iter *it = &msg->msg_iter;

	call->total = BPF_CORE_READ(it, count);
	call->skip = BPF_CORE_READ(it, iov_offset);
	if (ks_iter_is_ubuf(it)) {
		call->kind = KS_BUF_USER;
		call->buf = (__u64)BPF_CORE_READ(it, ubuf) + call->skip;
	} else if (ks_iter_is_iovec(it)) {
		call->kind = KS_BUF_IOV;
		call->iov = ks_iter_iov(it);
		call->segs = BPF_CORE_READ(it, nr_segs);
	} else {
		call->kind = KS_BUF_NONE;
	}
}

/*
 * Flags of a receive with which no bytes leave the queue, or not from the stream; or they are
 * thrown away (tcp(7)), which TCP's count tells.
 */
static __always_inline bool ks_recv_ignored(__u64 flags)
{
	return flags & (MSG_OOB | MSG_PEEK | MSG_ERRQUEUE | MSG_TRUNC);
}
