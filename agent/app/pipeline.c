/* SPDX-License-Identifier: Apache-2.0 */
/* The order of the stages. Owns every stage; borrowed by the loop. Loop thread. */
#include "app/pipeline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "app/check.h"
#include "base/drop.h"
#include "flow/flow.h"
#include "proto/proto.h"
#include "provider/provider.h"
#include "span/spanner.h"

struct pipeline {
	struct pipeline_cfg cfg;
	struct flow *flow;
	struct proto *proto;
	struct provider_stage *provider;
	struct spanner *spanner;
	struct pipeline_count count;
};

static void on_chunk(void *ctx, const struct chunk *chunk)
{
	proto_push(((struct pipeline *)ctx)->proto, chunk);
}

static void on_message(void *ctx, const struct message *msg)
{
	provider_push(((struct pipeline *)ctx)->provider, msg);
}

static void on_call(void *ctx, const struct ai_call *call)
{
	span_push(((struct pipeline *)ctx)->spanner, call);
}

static void on_span(void *ctx, const struct span *span)
{
	struct pipeline *p = ctx;

	p->count.spans++;
	for (size_t i = 0; i < p->cfg.sink_cnt; i++)
		p->cfg.sink[i].push(p->cfg.sink[i].ctx, span);
}

static void on_verdict(void *ctx, uint64_t stream_id, enum ks_verdict verdict)
{
	volatile uint64_t *slots = ctx;

	slots[stream_id % KS_VERDICT_SLOTS] = KS_VERDICT(stream_id, verdict);
}

int pipeline_new(const struct pipeline_cfg *cfg, struct pipeline **ret)
{
	struct pipeline *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	p->cfg = *cfg;
	struct flow_cfg fc = { .conn_max = 0 };
	struct proto_cfg pc = { .verdict = cfg->verdicts ? on_verdict : NULL,
				.verdict_ctx = (void *)cfg->verdicts };
	struct provider_cfg vc = { .unused = 0 };
	struct span_cfg sc = { .host_name = cfg->head->host,
			       .version = cfg->head->version,
			       .resource_attributes = cfg->head->resource };
	memcpy(sc.seed, cfg->head->seed, sizeof(sc.seed));
	err = span_new(&sc, (struct span_sink){ p, on_span }, &p->spanner);
	if (!err)
		err = provider_new(&vc, (struct call_sink){ p, on_call }, &p->provider);
	if (!err)
		err = proto_new(&pc, (struct message_sink){ p, on_message }, &p->proto);
	if (!err)
		err = flow_new(&fc, (struct chunk_sink){ p, on_chunk }, &p->flow);
	if (err) {
		pipeline_free(p);
		return err;
	}
	*ret = p;
	return 0;
}

void pipeline_free(struct pipeline *p)
{
	if (!p)
		return;
	flow_free(p->flow); /* ends every stream, so the stages behind it are empty after */
	proto_free(p->proto);
	provider_free(p->provider);
	span_free(p->spanner);
	free(p);
}

void pipeline_push(struct pipeline *p, const struct ks_hdr *ev, size_t have)
{
	p->count.events++;
	if (!event_ok(ev, have)) {
		drop(KS_DROP_bad_event, 1);
		return;
	}
	if (p->cfg.recorder)
		recorder_put(p->cfg.recorder, ev);
	if (ev->kind == KS_EV_DATA)
		p->count.data_bytes += ((const struct ks_ev_data *)ev)->cap_len;
	if (ev->kind == KS_EV_TICK)
		span_tick(p->spanner, ev->ts_ns, ((const struct ks_ev_tick *)ev)->wall_ns);
	(void)flow_push(p->flow, ev); /* -EBADMSG: it has counted the record */
}

void pipeline_tick(struct pipeline *p, uint64_t mono_ns, uint64_t wall_ns)
{
	struct ks_ev_tick tick = {
		.h = { .kind = KS_EV_TICK, .len = sizeof(tick), .ts_ns = mono_ns },
		.wall_ns = wall_ns
	};

	pipeline_push(p, &tick.h, sizeof(tick));
}

void pipeline_count(const struct pipeline *p, struct pipeline_count *ret_count)
{
	*ret_count = p->count;
	ret_count->conns = flow_conns(p->flow);
	ret_count->exchanges = proto_exchanges(p->proto);
}

void pipeline_bytes(void (*fn)(void *ctx, const char *stage, size_t bytes), void *ctx)
{
	struct flow_cfg fc = { .conn_max = 0 };
	struct proto_cfg pc = { .conn_max = 0 };

	fn(ctx, "flow", flow_bytes(&fc));
	fn(ctx, "proto", proto_bytes(&pc));
}
