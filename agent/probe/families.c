/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket families: one row each, best first; programs belong to a family by the prefix of their
 * name.
 */
#include <string.h>

#include "probe/internal.h"

static const struct family {
	const char *name;
	const char *prefix;
} families[FAMILY_SOCKET_CNT] = {
	[FAMILY_FENTRY] = { "fentry", "fe_" },
	[FAMILY_KPROBE] = { "kprobe", "kp_" },
	[FAMILY_TRACEPOINT] = { "tracepoint", "tp_" },
};

/* Needed whatever the family: connection states, processes. */
static const char *const common[] = { "conn_", "proc_" };

static bool starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

const char *family_name(enum probe_family family)
{
	return family < FAMILY_SOCKET_CNT ? families[family].name : "none";
}

enum probe_family family_by_name(const char *name)
{
	int f = 0;

	while (f < FAMILY_SOCKET_CNT && strcmp(families[f].name, name) != 0)
		f++;
	return (enum probe_family)f;
}

bool family_wants(enum probe_family family, bool multi, const char *prog_name)
{
	if (starts(prog_name, "tls")) /* library calls: one set or the other */
		return starts(prog_name, multi ? "tlsm_" : "tls_");
	for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++)
		if (starts(prog_name, common[i]))
			return true;
	/* without sockets, executable mappings must still be seen */
	return starts(prog_name,
		      families[family < FAMILY_SOCKET_CNT ? family : FAMILY_TRACEPOINT].prefix);
}
