/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Count what is lost, by the rows of drops.def. Any thread of the unprivileged process. The counters start in a
 * static array; app moves them to memory that the privileged process reads too. Never blocks, never allocates.
 */
#pragma once

#include <stdint.h>

#include "drops.h"

/* KS_COUNTERS counters, indexed by enum ks_drop; what was counted so far moves along. `at` stays valid for ever. */
void drop_use(uint64_t *at);
/* Count n (in the unit of the row) lost for this reason. */
void drop(enum ks_drop why, uint64_t n);
uint64_t drop_get(enum ks_drop why);
