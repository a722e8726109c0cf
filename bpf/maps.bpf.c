/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The one definition of every map and knob of the kernel side; maps.bpf.h says what each is for. */
#define KS_MAP_DECL
#include "maps.bpf.h"

const volatile struct ks_cfg cfg = { .wake_bytes = KS_WAKE_BYTES, .call_cap = KS_CALL_CAP };
const volatile __u32 recvmsg_args = 5;
const volatile bool follow_sockets = true;

char LICENSE[] SEC("license") = "Dual BSD/GPL";
