/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Masking of recordings: string contents under known content keys of JSON, credential headers and key= parameters are
 * overwritten with 'x' in place, at the same length, as the bytes pass. One state per stream and direction, from a
 * fixed table. What cannot be read (compressed bodies) is overwritten whole. Loop thread.
 */
#pragma once

#include "event.h"

struct redactor;
/* NULL: out of memory. */
struct redactor *redactor_new(void);
void redactor_free(struct redactor *r);
/* Mask the payload of a DATA record in place; other records only open and close states. */
void redactor_push(struct redactor *r, struct ks_hdr *ev);
