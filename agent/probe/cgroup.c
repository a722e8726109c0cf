/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Container ids in cgroup paths. A line is "hierarchy:controllers:path" (cgroups(7)); the runtimes name the last
 * component of a container's path (cgroupfs driver: ID; systemd driver: RUNTIME-ID.scope; containerd given a
 * systemd path under the cgroupfs driver: SLICE:cri-containerd:ID). Pure; any thread; owns no memory.
 */
#include "probe/cgroup.h"

static const struct slice prefixes[] = {
	{ "docker-", 7 }, { "cri-containerd-", 15 }, { "crio-", 5 },
	{ "libpod-", 7 }, { "nerdctl-", 8 },
};

static bool is_id(struct slice s)
{
	if (s.len != CGROUP_ID_LEN)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!(s.ptr[i] >= '0' && s.ptr[i] <= '9') && !(s.ptr[i] >= 'a' && s.ptr[i] <= 'f'))
			return false;
	return true;
}

/* One path component, or one part of it between colons. crio-conmon-ID and libpod-conmon-ID are the monitors
 * outside the container: what follows the prefix is then no id. */
static bool component(struct slice s, struct slice *ret_id)
{
	if (slice_ends(s, SLICE(".scope")))
		s.len -= 6;
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		if (slice_starts(s, prefixes[i])) {
			s = slice_from(s, prefixes[i].len);
			break;
		}
	}
	if (!is_id(s))
		return false;
	*ret_id = s;
	return true;
}

static bool line_container(struct slice line, struct slice *ret_id)
{
	bool found = false;
	size_t begin = 0;

	for (size_t i = 0; i <= line.len; i++) {
		if (i < line.len && line.ptr[i] != '/' && line.ptr[i] != ':')
			continue;
		if (component((struct slice){ line.ptr + begin, i - begin }, ret_id))
			found = true; /* go on: a container inside a container is the nearer one */
		begin = i + 1;
	}
	return found;
}

bool cgroup_container(struct slice text, char ret_id[CGROUP_ID_LEN + 1])
{
	while (text.len) {
		const char *end = memchr(text.ptr, '\n', text.len);
		size_t len = end ? (size_t)(end - text.ptr) : text.len;
		struct slice id;

		if (line_container((struct slice){ text.ptr, len }, &id)) {
			memcpy(ret_id, id.ptr, CGROUP_ID_LEN);
			ret_id[CGROUP_ID_LEN] = '\0';
			return true;
		}
		text = slice_from(text, len + 1);
	}
	return false;
}
