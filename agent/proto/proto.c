/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams, and what they speak. The first bytes of a record decide; until some do, a stream costs one comparison for
 * each record. Loop thread; owns every pool of the stage.
 */
#include "proto/proto.h"

#include <errno.h>
#include <stdlib.h>

#include "base/drop.h"
#include "limits.h"
#include "proto/conn.h"

#define MISS_MAX 4 /* records seen from the start of a stream that begin nothing we know */

#define PROTO(name) extern const struct protocol protocol_##name;
#include "proto/protos.def"
#undef PROTO

static const struct protocol *const protocols[] = {
#define PROTO(name) &protocol_##name,
#include "proto/protos.def"
#undef PROTO
};

static const struct protocol muted;

void conn_mute(struct conn *c)
{
	c->speaks = &muted;
}

void conn_unknown(struct conn *c)
{
	c->speaks = NULL;
	c->late = true;
}

void conn_verdict(struct conn *c, enum ks_verdict verdict)
{
	const struct proto_cfg *cfg = &c->proto->cfg;

	c->verdict = verdict;
	if (cfg->verdict)
		cfg->verdict(cfg->verdict_ctx, c->info->id, verdict);
}

struct headbuf *headbuf_take(struct conn *c)
{
	struct pool *heads = c->proto->heads;
	struct headbuf *buf;

	while (!(buf = pool_take(heads))) {
		struct headbuf *old = pool_oldest(heads);

		drop(KS_DROP_exchanges_full, 1);
		old->conn->speaks->forget(old->conn, old);
	}
	buf->conn = c;
	return buf;
}

void headbuf_give(struct headbuf *buf)
{
	if (buf)
		pool_give(buf->conn->proto->heads, buf,
			  sizeof(*buf) - sizeof(buf->data) + buf->len);
}

/* What begins with these bytes; NULL: nothing, or *ret_more: not to be told yet. */
static const struct protocol *detect(struct slice in, bool *ret_more)
{
	*ret_more = false;
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
		enum detect answer = protocols[i]->detect(in);

		if (answer == DETECT_YES)
			return protocols[i];
		*ret_more |= answer == DETECT_MORE;
	}
	return NULL;
}

static bool join(struct conn *c, struct slice in)
{
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
		if (protocols[i]->join && protocols[i]->join(c, in)) {
			c->speaks = protocols[i];
			return true;
		}
	return false;
}

static void speak(struct conn *c, const struct protocol *protocol, enum ks_dir dir)
{
	c->speaks = protocol;
	protocol->start(c, dir);
}

/* First bytes that came in pieces: put together, at most DETECT_LEN of them. */
static bool unknown_pieces(struct conn *c, enum ks_dir dir, struct slice in, uint64_t ts_ns)
{
	size_t had = c->start_len[dir],
	       take = DETECT_LEN - had < in.len ? DETECT_LEN - had : in.len;
	char start[DETECT_LEN];
	const struct protocol *protocol;
	bool more;

	memcpy(start, c->start[dir], had);
	memcpy(start + had, in.ptr, take);
	protocol = detect((struct slice){ start, had + take }, &more);
	if (protocol) {
		c->start_len[dir] = 0;
		speak(c, protocol, dir);
		conn_data(c, dir, (struct slice){ start, had }, c->start_ns[dir]);
		conn_data(c, dir, in, ts_ns);
		return true;
	}
	if (more && had + take < DETECT_LEN) {
		memcpy(c->start[dir], start, had + take);
		c->start_len[dir] = (uint8_t)(had + take);
		return true;
	}
	c->start_len[dir] = 0; /* this record may still begin something */
	return false;
}

static void unknown_data(struct conn *c, enum ks_dir dir, struct slice in, uint64_t ts_ns)
{
	const struct protocol *protocol;
	bool more;

	if (c->start_len[dir] && unknown_pieces(c, dir, in, ts_ns))
		return;
	protocol = detect(in, &more);
	if (protocol) {
		speak(c, protocol, dir);
		conn_data(c, dir, in, ts_ns);
	} else if (c->midstream && join(c, in)) {
		conn_data(c, dir, in, ts_ns);
	} else if (more && in.len < DETECT_LEN) {
		memcpy(c->start[dir], in.ptr, in.len);
		c->start_len[dir] = (uint8_t)in.len;
		c->start_ns[dir] = ts_ns;
	} else {
		c->late = c->passed[dir] = true;
		if (c->midstream || ++c->misses < MISS_MAX)
			return;
		conn_verdict(c, KS_V_SKIP);
		conn_mute(c);
	}
}

void conn_data(struct conn *c, enum ks_dir dir, struct slice in, uint64_t ts_ns)
{
	if (!c->speaks)
		unknown_data(c, dir, in, ts_ns);
	else if (c->speaks->data)
		c->speaks->data(c, dir, in, ts_ns);
}

static void unknown_gap(struct conn *c, enum ks_dir dir, uint32_t why)
{
	c->start_len[dir] = 0;
	c->late = true;
	c->midstream |= why == INCOMPLETE_MIDSTREAM;
	c->passed[KS_OUT] = c->passed[KS_IN] =
		c->midstream; /* whatever was before us was answered */
}

static struct conn *conn_get(struct proto *p, const struct chunk *chunk)
{
	struct conn *c = *chunk->state;

	if (c || chunk->kind == CHUNK_END)
		return c;
	c = pool_take(p->conns);
	if (!c)
		return NULL;
	c->proto = p;
	c->info = chunk->conn;
	*chunk->state = c;
	return c;
}

static void conn_free(struct conn *c, const struct chunk *chunk)
{
	if (c->speaks && c->speaks->end)
		c->speaks->end(c, chunk->why, c->last_ns);
	pool_give(c->proto->conns, c, sizeof(*c));
	*chunk->state = NULL;
}

void proto_push(struct proto *p, const struct chunk *chunk)
{
	struct conn *c = conn_get(p, chunk);

	if (!c)
		return;
	if (chunk->ts_ns > c->last_ns)
		c->last_ns = chunk->ts_ns;
	switch (chunk->kind) {
	case CHUNK_DATA:
		if (chunk->data.len)
			conn_data(c, chunk->dir, chunk->data, chunk->ts_ns);
		break;
	case CHUNK_GAP:
		if (!c->speaks)
			unknown_gap(c, chunk->dir, chunk->why);
		else if (c->speaks->gap)
			c->speaks->gap(c, chunk->dir, chunk->gap_len, chunk->why, chunk->ts_ns);
		break;
	case CHUNK_END:
		conn_free(c, chunk);
		break;
	}
}

/* Life */

static uint32_t conn_max(const struct proto_cfg *cfg)
{
	return cfg->conn_max ? cfg->conn_max : KS_CONNS;
}

static uint32_t exchange_max(const struct proto_cfg *cfg)
{
	return cfg->exchange_max ? cfg->exchange_max : KS_EXCHANGES;
}

int proto_new(const struct proto_cfg *cfg, struct message_sink sink, struct proto **ret)
{
	struct proto *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->cfg = *cfg;
	p->sink = sink;
	p->arenas = arena_pool_new(KS_ARENA_BLOCK, KS_ARENA_BLOCKS);
	if (!p->arenas || pool_new(sizeof(struct conn), conn_max(cfg), &p->conns) < 0 ||
	    pool_new(sizeof(struct ex), exchange_max(cfg), &p->exchanges) < 0 ||
	    pool_new(sizeof(struct headbuf), KS_HEADS, &p->heads) < 0 ||
	    inflaters_new(&p->inflaters) < 0 || hpacks_new(&p->hpacks) < 0) {
		proto_free(p);
		return -ENOMEM;
	}
	*ret = p;
	return 0;
}

void proto_free(struct proto *p)
{
	if (!p)
		return;
	inflaters_free(p->inflaters);
	hpacks_free(p->hpacks);
	pool_free(p->heads);
	pool_free(p->exchanges);
	pool_free(p->conns);
	arena_pool_free(p->arenas);
	free(p);
}

size_t proto_exchanges(const struct proto *p)
{
	return pool_cnt(p->exchanges);
}

size_t proto_bytes(const struct proto_cfg *cfg)
{
	return sizeof(struct proto) + pool_bytes(sizeof(struct conn), conn_max(cfg)) +
	       pool_bytes(sizeof(struct ex), exchange_max(cfg)) +
	       pool_bytes(sizeof(struct headbuf), KS_HEADS) + inflaters_bytes() + hpacks_bytes() +
	       (size_t)KS_ARENA_BLOCK * KS_ARENA_BLOCKS;
}
