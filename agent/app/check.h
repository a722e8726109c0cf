/* SPDX-License-Identifier: Apache-2.0 */
/* The border check of the event ABI: whatever comes from a ring, a socket or a file passes here before a cast. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "event.h"
#include "limits.h"

#define EVENT_LEN_MAX (sizeof(struct ks_ev_data) + KS_CHUNK_CAP)

/* Whether ev, of which `have` bytes are readable, is a whole record of a kind that the pipeline takes. */
bool event_ok(const struct ks_hdr *ev, size_t have);
