/* SPDX-License-Identifier: Apache-2.0 */
/* Lengths by kind, and strings that end. Reads only the record. Any thread. */
#include "app/check.h"

#include <string.h>

static bool ends(const char *s, size_t cap)
{
	return memchr(s, 0, cap) != NULL;
}

static bool data_ok(const struct ks_ev_data *d)
{
	return d->cap_len <= KS_CHUNK_CAP && d->h.len >= sizeof(*d) &&
	       d->h.len - sizeof(*d) >= d->cap_len && d->dir < KS_DIR_CNT &&
	       d->cap_len <= d->call_len;
}

static bool ident_ok(const struct ks_ev_ident *i)
{
	return ends(i->comm, sizeof(i->comm)) && ends(i->exe, sizeof(i->exe)) &&
	       ends(i->service, sizeof(i->service)) && ends(i->container, sizeof(i->container));
}

bool event_ok(const struct ks_hdr *ev, size_t have)
{
	if (have < sizeof(*ev) || ev->len < sizeof(*ev) || ev->len > have ||
	    ev->len > EVENT_LEN_MAX)
		return false;
	switch ((enum ks_event_kind)ev->kind) {
	case KS_EV_DATA:
		return ev->len >= sizeof(struct ks_ev_data) &&
		       data_ok((const struct ks_ev_data *)ev);
	case KS_EV_OPEN:
	case KS_EV_BIND:
	case KS_EV_CLOSE:
		return ev->len == sizeof(struct ks_ev_stream);
	case KS_EV_EXIT:
		return ev->len == sizeof(struct ks_ev_proc);
	case KS_EV_IDENT:
		return ev->len == sizeof(struct ks_ev_ident) &&
		       ident_ok((const struct ks_ev_ident *)ev);
	case KS_EV_TICK:
		return ev->len == sizeof(struct ks_ev_tick);
	default:
		return false;
	}
}
