/* SPDX-License-Identifier: Apache-2.0 */
/* W3C trace context and id derivation. Any thread; pure, owns nothing. */
#include "span/context.h"

#include <endian.h>

#include "span/siphash.h"

#define TRACESTATE_MEMBERS 32
#define TRACESTATE_CAP 512 /* what must be propagated at least: section 3.3.1.5 */
#define TRACEPARENT_LEN 55

/* Lower-case hex only: HEXDIGLC of section 3.2.1. */
static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static bool hex_bytes(const char *at, size_t cnt, uint8_t *ret)
{
	for (size_t i = 0; i < cnt; i++) {
		int high = hex(at[2 * i]), low = hex(at[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		ret[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static bool all_zero(const uint8_t *at, size_t len)
{
	uint8_t any = 0;

	for (size_t i = 0; i < len; i++)
		any |= at[i];
	return any == 0;
}

bool traceparent_parse(struct slice v, struct trace_parent *ret)
{
	struct trace_parent out;
	uint8_t version;

	if (v.len < TRACEPARENT_LEN || !hex_bytes(v.ptr, 1, &version) || version == 0xff)
		return false;
	if (version == 0 ? v.len != TRACEPARENT_LEN
			 : v.len > TRACEPARENT_LEN && v.ptr[TRACEPARENT_LEN] != '-')
		return false;
	if (v.ptr[2] != '-' || v.ptr[35] != '-' || v.ptr[52] != '-')
		return false;
	if (!hex_bytes(v.ptr + 3, sizeof(out.trace_id), out.trace_id) ||
	    !hex_bytes(v.ptr + 36, sizeof(out.parent_id), out.parent_id) ||
	    !hex_bytes(v.ptr + 53, 1, &out.flags))
		return false;
	if (all_zero(out.trace_id, sizeof(out.trace_id)) ||
	    all_zero(out.parent_id, sizeof(out.parent_id)))
		return false;
	out.flags &= TRACE_SAMPLED | TRACE_RANDOM;
	*ret = out;
	return true;
}

static bool key_char(char c, bool first)
{
	if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
		return true;
	return !first && (c == '_' || c == '-' || c == '*' || c == '/' || c == '@');
}

static bool member_valid(struct slice m)
{
	size_t i = 0, value;

	while (i < m.len && i < 256 && key_char(m.ptr[i], i == 0))
		i++;
	if (i == 0 || i >= m.len || m.ptr[i] != '=')
		return false;
	value = ++i;
	for (; i < m.len; i++)
		if (m.ptr[i] < 0x20 || m.ptr[i] > 0x7e || m.ptr[i] == ',' || m.ptr[i] == '=')
			return false;
	/* 1 to 256 characters; trailing blanks were cut off as OWS */
	return m.len > value && m.len - value <= 256;
}

static struct slice trim(struct slice s)
{
	while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
		s.ptr++;
		s.len--;
	}
	while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
		s.len--;
	return s;
}

bool tracestate_valid(struct slice v)
{
	size_t members = 0;
	bool any = false;

	if (v.len == 0 || v.len > TRACESTATE_CAP)
		return false;
	for (;;) {
		const char *comma = memchr(v.ptr, ',', v.len);
		size_t len = comma ? (size_t)(comma - v.ptr) : v.len;
		struct slice m = trim((struct slice){ v.ptr, len });

		if (++members > TRACESTATE_MEMBERS || (m.len && !member_valid(m)))
			return false;
		any |= m.len > 0;
		if (!comma)
			return any;
		v = (struct slice){ comma + 1, v.len - len - 1 };
	}
}

static void put_id(const uint8_t seed[16], uint64_t conn_id, uint64_t seq, uint8_t view, uint8_t part,
		   uint8_t *ret)
{
	uint8_t msg[18];
	uint64_t id;

	conn_id = htole64(conn_id);
	seq = htole64(seq);
	memcpy(msg, &conn_id, 8);
	memcpy(msg + 8, &seq, 8);
	msg[16] = view;
	msg[17] = part;
	id = siphash(seed, msg, sizeof(msg));
	/* all-zero ids are invalid (section 3.2.2.3) */
	id = htole64(id ? id : 1);
	memcpy(ret, &id, 8);
}

void trace_ids_make(const uint8_t seed[16], uint64_t conn_id, uint64_t seq, bool is_client,
		    struct trace_ids *ret)
{
	put_id(seed, conn_id, seq, is_client, 0, ret->trace_id);
	put_id(seed, conn_id, seq, is_client, 1, ret->trace_id + 8);
	put_id(seed, conn_id, seq, is_client, 2, ret->span_id);
}
