/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From messages to AI calls: recognises the exchanges that are inference calls, decodes them as they pass, and pushes
 * one struct ai_call at the end of each. What is recognised, and how it reads, are rows in providers.def and hosts.def.
 * Loop thread.
 */
#pragma once

#include <stddef.h>

#include "proto/message.h"
#include "provider/call.h"

struct provider_stage;

struct provider_cfg {
	int unused; /* nothing to choose yet */
};

/* -ENOMEM. Compiles every map of every provider; nothing is allocated afterwards. The caller frees. */
int provider_new(const struct provider_cfg *cfg, struct call_sink sink,
		 struct provider_stage **ret);
/* NULL is fine. Exchanges that are open must have had their DONE. */
void provider_free(struct provider_stage *p);
/* Judges the exchange (x->wanted, x->ignore), decodes it into its arena (x->user), and pushes the call at DONE. */
void provider_push(struct provider_stage *p, const struct message *msg);
