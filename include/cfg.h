/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only OR BSD-2-Clause */
/* The knobs of the kernel side: frozen in .rodata before load, so that the verifier prunes what is off. */
#pragma once

#ifndef __BPF__
#include <linux/types.h>
#endif

enum ks_watch { KS_WATCH_ALL = 0, KS_WATCH_LISTED = 1 };
enum ks_mark { KS_MARK_NONE = 0, KS_MARK_DENY = 1, KS_MARK_WATCH = 2 }; /* values of the per-process mark map */

struct ks_cfg {
	__u32 watch;	  /* enum ks_watch: every process but the denied, or the listed and their children */
	__u32 wake_bytes; /* the consumer is woken each time the ring took this many */
	__u32 call_cap;	  /* bytes copied of one call, at most KS_CALL_CAP */
	__u32 pad;
};
