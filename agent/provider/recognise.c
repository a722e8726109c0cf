/* SPDX-License-Identifier: Apache-2.0 */
/* Recognition before the body: path suffix, host, headers. Pure functions; the host table is hosts.def. */
#include "provider/recognise.h"

static const struct {
	struct slice pattern;
	const char *name;
} hosts[] = {
#define HOST(pattern, name) { { pattern, sizeof(pattern) - 1 }, name },
#include "provider/hosts.def"
#undef HOST
};

/* One '*' stands for at least one byte. ASCII case is ignored. */
static bool glob(struct slice pattern, struct slice s)
{
	const char *star = memchr(pattern.ptr, '*', pattern.len);
	size_t head, tail;

	if (!star)
		return slice_ieq(pattern, s);
	head = (size_t)(star - pattern.ptr);
	tail = pattern.len - head - 1;
	return s.len > head + tail && strncasecmp(s.ptr, pattern.ptr, head) == 0 &&
	       strncasecmp(s.ptr + s.len - tail, star + 1, tail) == 0;
}

const char *host_provider(struct slice host)
{
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
		if (glob(hosts[i].pattern, host))
			return hosts[i].name;
	return NULL;
}

void authority_split(struct slice authority, struct slice *ret_host, int *ret_port)
{
	size_t colon = authority.len;
	int port = 0;

	while (colon > 0 && authority.ptr[colon - 1] >= '0' && authority.ptr[colon - 1] <= '9')
		colon--;
	*ret_host = authority;
	*ret_port = 0;
	/* RFC 3986 section 3.2: an IPv6 address stands in brackets */
	if (colon == 0 || authority.ptr[colon - 1] != ':')
		colon = authority.len + 1;
	else if (memchr(authority.ptr, ':', colon - 1) && authority.ptr[0] != '[')
		return;
	for (size_t i = colon; i < authority.len && port <= 65535; i++)
		port = port * 10 + (authority.ptr[i] - '0');
	*ret_port = port <= 65535 ? port : 0;
	ret_host->len = colon - 1;
	if (ret_host->len >= 2 && ret_host->ptr[0] == '[' &&
	    ret_host->ptr[ret_host->len - 1] == ']') {
		ret_host->ptr++;
		ret_host->len -= 2;
	}
}

struct slice target_path(struct slice target, struct slice *ret_authority)
{
	static const struct slice scheme[] = { SLICE("http://"), SLICE("https://") };
	const char *query = target.len ? memchr(target.ptr, '?', target.len) : NULL;

	if (query)
		target.len = (size_t)(query - target.ptr);
	for (size_t i = 0; i < 2; i++) {
		struct slice rest = slice_from(target, scheme[i].len);
		const char *slash;

		if (!slice_starts(target, scheme[i]) || rest.len == 0)
			continue;
		slash = memchr(rest.ptr, '/', rest.len);
		*ret_authority =
			(struct slice){ rest.ptr, slash ? (size_t)(slash - rest.ptr) : rest.len };
		return slice_from(rest, ret_authority->len);
	}
	return target;
}

static bool lies_within(const char *part, struct slice path)
{
	return !part || memmem(path.ptr, path.len, part, strlen(part));
}

const struct route *route_find(const struct route *routes, size_t cnt, struct slice path)
{
	const struct route *best = NULL;
	size_t best_len = 0;

	while (path.len && path.ptr[path.len - 1] == '/')
		path.len--;
	for (size_t i = 0; i < cnt; i++) {
		struct slice suffix = slice_str(routes[i].api->suffix);

		if (suffix.len > best_len && slice_ends(path, suffix) &&
		    lies_within(routes[i].api->within, path)) {
			best = &routes[i];
			best_len = suffix.len;
		}
	}
	return best;
}

static bool value_fits(const char *pattern, struct slice value)
{
	return !pattern || glob(slice_str(pattern), value);
}

bool headers_fit(const struct provider *p, const struct message *head)
{
	for (const struct header_sign *sign = p->headers; sign && sign->name; sign++)
		for (size_t i = 0; i < head->header_cnt; i++)
			if (glob(slice_str(sign->name), head->headers[i].name) &&
			    value_fits(sign->value, head->headers[i].value))
				return true;
	return false;
}

const struct route *route_of_client(const struct route *routes, size_t cnt,
				    const struct message *head)
{
	for (size_t i = 0; i < cnt; i++)
		if (routes[i].api->anywhere && headers_fit(routes[i].provider, head))
			return &routes[i];
	return NULL;
}

bool is_json(const struct message *head)
{
	const struct header *type =
		header_find(head->headers, head->header_cnt, SLICE("content-type"));
	const struct slice json = SLICE("json");

	for (size_t i = 0; type && i + json.len <= type->value.len; i++)
		if (strncasecmp(type->value.ptr + i, json.ptr, json.len) == 0)
			return true;
	return false;
}

struct slice deployment(struct slice path)
{
	const struct slice mark = SLICE("/deployments/");

	for (size_t i = 0; i + mark.len < path.len; i++) {
		struct slice name = slice_from(path, i);
		const char *slash;

		if (!slice_starts(name, mark))
			continue;
		name = slice_from(name, mark.len);
		slash = memchr(name.ptr, '/', name.len);
		if (slash)
			return (struct slice){ name.ptr, (size_t)(slash - name.ptr) };
	}
	return SLICE_NONE;
}

struct slice path_model(struct slice path)
{
	size_t end = path.len, at;

	while (end && path.ptr[end - 1] != ':')
		end--;
	for (at = end; at && path.ptr[at - 1] != '/'; at--)
		;
	return end ? (struct slice){ path.ptr + at, end - 1 - at } : SLICE_NONE;
}
