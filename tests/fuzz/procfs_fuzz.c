/* SPDX-License-Identifier: Apache-2.0 */
/* Every parser of /proc text on any bytes; the first byte chooses, the second cuts into pieces where that matters. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "probe/cgroup.h"
#include "probe/ident.h"
#include "probe/procfs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void environment(struct slice text, size_t piece)
{
	struct procfs_env whole, cut;

	procfs_env_init(&whole);
	procfs_env_feed(&whole, text);
	procfs_env_done(&whole);
	procfs_env_init(&cut);
	for (size_t at = 0; at < text.len; at += piece) {
		struct slice part = slice_from(text, at);

		part.len = part.len < piece ? part.len : piece;
		procfs_env_feed(&cut, part);
	}
	procfs_env_done(&cut);
	if (strcmp(whole.service, cut.service) || strcmp(whole.attr_service, cut.attr_service))
		abort();
	procfs_clean(cut.service);
	procfs_clean(cut.attr_service);
}

static void command_line(struct slice text)
{
	const char *end = text.len ? memchr(text.ptr, '\0', text.len) : NULL;
	size_t len = end ? (size_t)(end - text.ptr) : text.len;
	struct slice name =
		ident_script((struct slice){ text.ptr, len }, slice_from(text, len + 1));

	if (name.len && (name.ptr < text.ptr || name.ptr + name.len > text.ptr + text.len))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct slice text = { (const char *)data + 2, len - 2 };
	char id[CGROUP_ID_LEN + 1];
	struct procfs_status status;
	struct procfs_map map;
	uint64_t ticks;

	if (len < 2)
		return 0;
	switch (data[0] % 6) {
	case 0:
		if (procfs_map_parse(text, &map) && map.path.len > text.len)
			abort();
		break;
	case 1:
		procfs_status_parse(text, &status);
		break;
	case 2:
		(void)procfs_stat_parse(text, &ticks);
		break;
	case 3:
		if (cgroup_container(text, id) && strlen(id) != CGROUP_ID_LEN)
			abort();
		break;
	case 4:
		environment(text, data[1] + 1u);
		break;
	case 5:
		command_line(text);
		break;
	}
	return 0;
}
