/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only OR BSD-2-Clause */
/* The drop reasons of drops.def as an enum, for both sides. */
#pragma once

enum ks_drop {
#define DROP(name, side, unit, why) KS_DROP_##name,
#include "drops.def"
#undef DROP
	KS_DROP_CNT,
};

/* What else the kernel counts, in the same array behind the drops. */
enum ks_seen {
	KS_SEEN_CALLS = KS_DROP_CNT, /* library and socket calls that moved bytes, watched processes only */
	KS_SEEN_BYTES,		     /* bytes they moved */
	KS_SEEN_EVENTS,		     /* records put into the data ring */
	KS_SEEN_COPIED,		     /* payload bytes put into the data ring */
	KS_SEEN_SKIPPED,	     /* bytes not copied: not HTTP, or verdict KS_V_SKIP */
	KS_COUNTERS = 64,	     /* array size; the rest is reserved */
};
