/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A recording: a head, then the event records exactly as the pipeline consumed them, ticks and identities included,
 * each padded to 8 bytes. Replaying one gives the spans of the live run, ids included. It holds prompts. Host byte
 * order: a recording is read on the architecture that wrote it (the magic tells). Loop thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event.h"

#define RECORD_MAGIC \
	0x0a0d455249574b53ull /* "SKWIRE", CR, LF in the memory of a little-endian machine */

struct record_head {
	uint64_t magic;
	uint32_t abi;	   /* KS_EVENT_ABI */
	uint32_t head_len; /* of this struct */
	uint32_t flags;	   /* enum record_flag */
	uint32_t pad;
	uint8_t seed[16];    /* of span ids */
	char version[64];    /* of the kernspan that wrote it; strings end in NUL */
	char host[256];	     /* host.name of the spans */
	char resource[2048]; /* OTEL_RESOURCE_ATTRIBUTES of the agent */
};
enum record_flag { RECORD_REDACTED = 1 };

struct recorder;
/* Writes the head to fd (a file, taken over by the recorder). 0 or -errno; on failure fd stays the caller's. */
int recorder_new(int fd, const struct record_head *head, struct recorder **ret);
/* Append one record; its payload is masked on the way if the head says so. What cannot be written is counted
 * (record_failed) and ends the recording at a whole record. */
void recorder_put(struct recorder *r, const struct ks_hdr *ev);
/* Hand what is buffered to the kernel. */
void recorder_flush(struct recorder *r);
/* Flush, close. 0, or -errno of what went wrong at any time. */
int recorder_free(struct recorder *r);

/* Reading: over memory, which is borrowed and stays unchanged while records are used; 8-byte aligned. */
struct recording {
	const uint8_t *at;
	size_t len, pos;
	const struct record_head *head;
};
enum recording_end {
	RECORDING_WHOLE,
	RECORDING_CUT,
	RECORDING_BAD
}; /* ended, cut inside a record, corrupt */

/* 0; -EINVAL: not a recording; -EPROTO: of another ABI or machine; -ENODATA: cut inside its head. */
int recording_init(struct recording *r, const void *mem, size_t len);
/* The next record, valid and inside memory, or NULL with *ret_end set. */
const struct ks_hdr *recording_next(struct recording *r, enum recording_end *ret_end);
