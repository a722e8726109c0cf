/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The provider stage: judges each exchange, sends its bodies to the decoder, and makes the call at the end. State of an
 * exchange is in its arena, under x->user. Loop thread; owns the compiled maps.
 */
#include "provider/provider.h"

#include <errno.h>
#include <stdlib.h>

#include "base/drop.h"
#include "provider/recognise.h"

struct provider_stage {
	struct call_sink sink;
	struct route *routes;
	size_t route_cnt;
};

static const struct provider *const providers[] = {
#define PROVIDER(name) &provider_##name,
#include "provider/providers.def"
#undef PROVIDER
};
#define PROVIDER_CNT (sizeof(providers) / sizeof(providers[0]))

static int route_init(struct route *r, const struct provider *p, const struct api *api)
{
	int err;

	*r = (struct route){ .provider = p, .api = api };
	err = field_set_init(&r->request, api->request);
	if (!err)
		err = field_set_init(&r->plain, api->plain);
	if (!err)
		err = field_set_init(&r->stream, api->stream);
	return err;
}

int provider_new(const struct provider_cfg *cfg, struct call_sink sink, struct provider_stage **ret)
{
	struct provider_stage *p = calloc(1, sizeof(*p));
	size_t cnt = 0;

	(void)cfg;
	for (size_t i = 0; i < PROVIDER_CNT; i++)
		cnt += providers[i]->api_cnt;
	if (!p || !(p->routes = calloc(cnt, sizeof(*p->routes)))) {
		free(p);
		return -ENOMEM;
	}
	p->sink = sink;
	for (size_t i = 0; i < PROVIDER_CNT; i++)
		for (size_t k = 0; k < providers[i]->api_cnt; k++) {
			int err = route_init(&p->routes[p->route_cnt++], providers[i],
					     &providers[i]->apis[k]);

			if (err) {
				provider_free(p);
				return err;
			}
		}
	*ret = p;
	return 0;
}

void provider_free(struct provider_stage *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->route_cnt; i++) {
		field_set_done(&p->routes[i].request);
		field_set_done(&p->routes[i].plain);
		field_set_done(&p->routes[i].stream);
	}
	free(p->routes);
	free(p);
}

static void ignore(struct exchange *x)
{
	x->ignore = true;
	x->user = NULL;
}

static void want(struct decode *d)
{
	d->certain = true;
	d->x->wanted = true;
}

/* Two independent signs make a call: the path, and either host, headers or a body's shape (wire.md section 1). */
static void judge(struct decode *d)
{
	uint32_t need = d->route->api->need;
	struct facts *f = &d->f;

	f->evidence |= f->call.model.len ? SEEN_MODEL : 0;
	f->evidence |= f->call.max_tokens != CALL_UNSET ? SEEN_LIMIT : 0;
	f->evidence |= f->dims != CALL_UNSET ? SEEN_ANSWER : 0;
	if (d->anywhere) {
		need = d->route->api->anywhere;
		/* what counts the tokens of a chat has its shape, too: the answer must be one, or an error */
		if (!(f->evidence & SEEN_ANSWER) && !f->error)
			return;
	}
	if (!d->certain &&
	    ((f->evidence & need) == need || (f->evidence & SEEN_ANSWER && !d->anywhere)))
		want(d);
}

/* Who is asked what: the route, or NULL. */
static const struct route *request_route(struct provider_stage *p, const struct message *msg,
					 struct slice path, const char *known, bool *ret_anywhere)
{
	const struct route *route = route_find(p->routes, p->route_cnt, path);

	if (!slice_eq(msg->method, SLICE("POST")))
		return NULL;
	*ret_anywhere = !route;
	/* a known host serves its API at the paths we know, others may be gateways */
	return route || known ? route : route_of_client(p->routes, p->route_cnt, msg);
}

static struct decode *decode_new(struct exchange *x, const struct route *route)
{
	struct decode *d = arena_alloc(x->arena, sizeof(*d));

	if (!d) {
		drop(KS_DROP_arena_full, 1);
		return NULL;
	}
	x->user = d;
	d->x = x;
	d->route = route;
	facts_init(&d->f);
	side_begin(&d->request, d, &route->request);
	side_begin(&d->response, d, &route->plain);
	return d;
}

static void request_head(struct provider_stage *p, const struct message *msg)
{
	struct slice authority = msg->authority, path = target_path(msg->target, &authority);
	struct slice host, model;
	const struct route *route;
	const char *known;
	bool anywhere;
	struct decode *d;
	int port;

	authority_split(authority, &host, &port);
	known = host_provider(host);
	route = request_route(p, msg, path, known, &anywhere);
	d = route ? decode_new(msg->x, route) : NULL;
	if (!d) {
		ignore(msg->x);
		return;
	}
	d->f.call.method = keep(d, msg->method);
	d->f.call.path = keep(d, path);
	d->f.call.host = keep(d, host);
	d->f.call.host_port = port;
	d->f.call.http_version = msg->version;
	d->f.call.tls = msg->tls;
	request_headers(d, msg);
	model = deployment(path);
	d->f.call.provider = known ? known : model.len ? "azure.ai.openai" : route->provider->name;
	d->host_known = known || model.len;
	d->anywhere = anywhere;
	d->sure = !anywhere && (d->host_known || headers_fit(route->provider, msg) ||
				(port && port == route->provider->port));
	d->f.call.model = keep(d, route->api->model ? route->api->model(path) : model);
	d->f.call.stream = route->api->streams;
	if (!is_json(msg))
		side_sniff(&d->request);
	else if (d->sure)
		want(d);
}

/* What a content type that is not JSON's leaves open, the first byte of the body tells. */
static void request_body(struct decode *d, const struct message *msg)
{
	side_feed(&d->request, msg->data);
	if (d->request.foreign)
		ignore(msg->x);
	else if (d->sure && d->request.used && !d->certain)
		want(d);
}

static void request_end(struct decode *d, const struct message *msg)
{
	const uint32_t unsure = INCOMPLETE_CUT | INCOMPLETE_EVICTED | INCOMPLETE_STOPPED |
				INCOMPLETE_SYNTAX | INCOMPLETE_BODY;
	uint32_t need = d->anywhere ? d->route->api->anywhere : d->route->api->need;
	bool holed = d->request.before || d->x->gap_len;

	side_end(&d->request, !(msg->x->incomplete & unsure));
	judge(d);
	need &= SEEN_OF_REQUEST;
	/* the whole body was read and is of another kind */
	if (!d->certain && (d->f.evidence & need) != need && d->request.used && !d->request.bad &&
	    !holed && !(msg->x->incomplete & unsure))
		ignore(msg->x);
}

static void response_head(struct decode *d, const struct message *msg)
{
	if (d->request.before && !d->request.over)
		side_end(
			&d->request,
			false); /* what was guessed of a request must not undo what is now certain */
	d->f.call.status = msg->status;
	if (!is_json(msg)) /* a page of a proxy, say; events come all the same */
		side_sniff(&d->response);
	response_headers(d, msg);
}

static void response_body(struct decode *d, const struct message *msg)
{
	struct ai_call *c = &d->f.call;

	/* an array is a stream */
	if (d->route->api->array && c->status < 400 && !c->first_chunk_ns && !d->no_first)
		c->first_chunk_ns = msg->ts_ns;
	side_feed(&d->response, msg->data);
}

static void response_event(struct decode *d, const struct message *msg)
{
	struct ai_call *c = &d->f.call;

	if (d->response.set != &d->route->stream) {
		side_begin(&d->response, d, &d->route->stream);
		c->stream = true;
	}
	if (!c->first_chunk_ns && !d->no_first)
		c->first_chunk_ns = msg->ts_ns;
	event_feed(d, msg->data, msg->flags);
}

static void response_gap(struct decode *d)
{
	struct ai_call *c = &d->f.call;

	if (d->response.set == &d->route->plain) {
		/* whether events or a body follow is not known: a body decodes its hole, events begin anew */
		side_gap(&d->response);
	} else {
		event_gap(d);
	}
	d->holed = true;
	d->no_first |= !c->first_chunk_ns;
	d->no_first_content |= !c->first_content_ns;
}

static void response_end(struct decode *d, const struct message *msg)
{
	const uint32_t unsure = INCOMPLETE_CUT | INCOMPLETE_EVICTED | INCOMPLETE_STOPPED |
				INCOMPLETE_SYNTAX | INCOMPLETE_BODY;

	if (d->response.set == &d->route->plain)
		side_end(&d->response, !(msg->x->incomplete & unsure));
	judge(d);
}

static void set_usage(struct decode *d)
{
	struct facts *f = &d->f;
	bool plain = d->response.set == &d->route->plain;

	if (!f->usage_seen)
		f->call.usage = CALL_USAGE_NONE;
	else if (plain ? json_scan_end(&d->response.scan) == JSON_DONE
		       : f->usage_last || (f->call.stream_done &&
					   !d->holed)) /* a hole may hide a later count */
		f->call.usage = CALL_USAGE_BODY;
	else
		f->call.usage = CALL_USAGE_PARTIAL;
}

static void set_error(struct decode *d)
{
	struct facts *f = &d->f;
	struct ai_call *c = &f->call;

	/* the type counts when there is no code; what a hole took may have been one */
	c->error_type =
		f->err_code.len || (d->x->incomplete && !f->code_seen) ? f->err_code : f->err_type;
	if (!c->error_type.len && c->status >= 400 && !f->error && !d->x->incomplete)
		c->error_type = f->flat_type;
	if (f->error && !c->error_type.len && c->status < 400)
		c->error_type = f->err_number.len && !d->x->incomplete
					? f->err_number
					: SLICE("_OTHER"); /* semconv.md section 7.1 */
	if (slice_eq(c->error_type, SLICE("content_filter")) ||
	    slice_eq(c->error_type, SLICE("content_policy_violation")))
		c->refusal = true; /* Azure, OpenAI: the prompt was blocked */
}

/* A client that has seen the end marker, or the last brace, may close at once: nothing it was sent is missing. */
static uint32_t incomplete(struct decode *d)
{
	const struct ai_call *c = &d->f.call;
	bool stream = d->response.set == &d->route->stream;
	bool over = stream ? c->stream_done : json_scan_end(&d->response.scan) == JSON_DONE;

	if (d->x->incomplete == INCOMPLETE_CUT && d->x->req_end_ns && c->status && over)
		return 0;
	return d->x->incomplete;
}

static void set_exchange(struct ai_call *c, const struct message *msg)
{
	const struct exchange *x = msg->x;

	c->conn = x->conn;
	c->conn_id = x->conn->id;
	c->seq = x->seq;
	c->is_client = x->req_dir == KS_OUT;
	c->first_on_conn = x->first_on_conn;
	c->req_start_ns = x->req_start_ns;
	c->req_end_ns = x->req_end_ns;
	c->resp_start_ns = x->resp_start_ns;
	c->resp_end_ns = x->resp_end_ns;
	c->end_ns = msg->ts_ns;
	c->req_body_len = x->req_body_len;
	c->resp_body_len = x->resp_body_len;
	c->gap_len = x->gap_len;
}

static void done(struct provider_stage *p, struct decode *d, const struct message *msg)
{
	struct ai_call *c = &d->f.call;

	side_end(&d->request, false);
	side_end(&d->response, false);
	judge(d);
	if (!d->certain)
		return;
	if (c->dimensions == CALL_UNSET && (d->f.dims_whole || !d->x->incomplete))
		c->dimensions = d->f.dims;
	c->op = d->route->api->op;
	c->api_type = d->route->api->type;
	if (!d->host_known && d->f.hint.len)
		c->provider = d->f.hint.ptr;
	set_usage(d);
	if (d->route->api->finish)
		d->route->api->finish(d);
	if (d->f.no_call)
		return;
	set_error(d);
	set_exchange(c, msg);
	c->incomplete = incomplete(d);
	p->sink.push(p->sink.ctx, c);
}

static void request_push(struct provider_stage *p, struct decode *d, const struct message *msg)
{
	if (msg->kind == MSG_HEAD)
		request_head(p, msg);
	else if (!d)
		return;
	else if (msg->kind == MSG_BODY)
		request_body(d, msg);
	else if (msg->kind == MSG_GAP)
		side_gap(&d->request);
	else if (msg->kind == MSG_END)
		request_end(d, msg);
}

static void response_push(struct decode *d, const struct message *msg)
{
	if (msg->kind == MSG_HEAD)
		response_head(d, msg);
	else if (msg->kind == MSG_BODY)
		response_body(d, msg);
	else if (msg->kind == MSG_EVENT)
		response_event(d, msg);
	else if (msg->kind == MSG_GAP)
		response_gap(d);
	else if (msg->kind == MSG_END)
		response_end(d, msg);
}

void provider_push(struct provider_stage *p, const struct message *msg)
{
	struct exchange *x = msg->x;
	struct decode *d = x->user;

	if (d)
		d->now_ns = msg->ts_ns;
	if (msg->kind == MSG_DONE) {
		if (d && !x->ignore)
			done(p, d, msg);
		x->user = NULL;
	} else if (!x->ignore) {
		if (!msg->response)
			request_push(p, d, msg);
		else if (d)
			response_push(d, msg);
	}
}
